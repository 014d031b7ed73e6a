import { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';

import { Polling } from '../polling';
import { IRuntimes } from '../tokens';

/**
 * Looks at every connected runtime again and again until disposed, at each on its own, so that one
 * that hangs cannot hold up the others.
 */
export class EachRuntime implements IDisposable {
  /** `look` rejects when it failed: the next look comes later then. */
  constructor(
    private readonly _runtimes: IRuntimes,
    private readonly _look: (name: string) => Promise<void>
  ) {
    this._watching = _runtimes.watch(() => true);
    _runtimes.changed.connect(this._onRuntimes, this);
    this._onRuntimes();
  }

  get isDisposed(): boolean {
    return this._watching.isDisposed;
  }

  /** Whether this runtime is looked at. */
  has(name: string): boolean {
    return this._pollings.has(name);
  }

  /** Look at it now; never rejects. */
  async now(name: string): Promise<void> {
    await this._pollings.get(name)?.now();
  }

  dispose(): void {
    if (!this.isDisposed) {
      this._watching.dispose();
      this._pollings.forEach(polling => polling.dispose());
      this._pollings.clear();
      Signal.clearData(this);
    }
  }

  private _onRuntimes(): void {
    const connected = this._runtimes.runtimes.filter(r => r.state === 'connected');
    const names = new Set(connected.map(runtime => runtime.name));
    for (const [name, polling] of this._pollings) {
      if (!names.has(name)) {
        polling.dispose();
        this._pollings.delete(name);
      }
    }
    for (const name of names) {
      if (!this._pollings.has(name)) {
        const polling = new Polling(
          () => this._look(name),
          () => true
        );
        this._pollings.set(name, polling);
        polling.start();
      }
    }
  }

  private readonly _watching: IDisposable;
  private readonly _pollings = new Map<string, Polling>();
}
