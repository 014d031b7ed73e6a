import { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';

import { ApiError, IApiError, ISession, Parting } from '../api';
import { Polling } from '../polling';
import { IRuntimes } from '../tokens';

/** What is known of the kernels of one runtime. */
export interface ISessionList {
  /** Null before the first answer. */
  sessions: readonly ISession[] | null;
  problem: IApiError | null;
}

/** The kernels on every runtime; each runtime is asked on its own, so that one cannot hold up all. */
export class SessionsModel implements IDisposable {
  /** `onEnded` is called when sessions may have ended. */
  constructor(
    readonly runtimes: IRuntimes,
    private readonly _onEnded: () => Promise<void>
  ) {
    this._watching = runtimes.watch(() => true);
    runtimes.changed.connect(this._onRuntimes, this);
    this._onRuntimes();
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._watching.isDisposed;
  }

  dispose(): void {
    if (!this.isDisposed) {
      this._watching.dispose();
      this._pollings.forEach(polling => polling.dispose());
      Signal.clearData(this);
    }
  }

  of(name: string): ISessionList {
    return this._lists.get(name) ?? { sessions: null, problem: null };
  }

  async shutDown(name: string, remoteId: string): Promise<void> {
    await this.runtimes.shutDown(name, remoteId);
    await this._lookAfter(name);
  }

  async disconnect(name: string, parting: Parting): Promise<void> {
    await this.runtimes.disconnect(name, parting);
    await this._lookAfter(name);
  }

  async start(name: string): Promise<void> {
    await this.runtimes.start(name);
    await this._lookAfter(name);
  }

  async restart(name: string): Promise<void> {
    await this.runtimes.restart(name);
    await this._lookAfter(name);
  }

  private async _lookAfter(name: string): Promise<void> {
    await Promise.all([this._pollings.get(name)?.now(), this._onEnded().catch(() => undefined)]);
  }

  private _onRuntimes(): void {
    const connected = this.runtimes.runtimes.filter(r => r.state === 'connected');
    const names = new Set(connected.map(runtime => runtime.name));
    for (const [name, polling] of this._pollings) {
      if (!names.has(name)) {
        polling.dispose();
        this._pollings.delete(name);
        this._lists.delete(name);
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
    this._changed.emit();
  }

  private async _look(name: string): Promise<void> {
    let list: ISessionList;
    try {
      list = { sessions: await this.runtimes.sessions(name), problem: null };
    } catch (reason) {
      list = { sessions: this.of(name).sessions, problem: ApiError.from(reason) };
    }
    if (!this.isDisposed && this._pollings.has(name)) {
      this._lists.set(name, list);
      this._changed.emit();
    }
    if (list.problem) {
      throw list.problem; // so that the next look comes later
    }
  }

  private readonly _watching: IDisposable;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _lists = new Map<string, ISessionList>();
  private readonly _pollings = new Map<string, Polling>();
}
