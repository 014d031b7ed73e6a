import { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';

import { ApiError, IApiError, ISession, Parting } from '../api';
import { EachRuntime } from '../runtimes/each';
import { IRuntimes } from '../tokens';

/** What is known of the kernels of one runtime. */
export interface ISessionList {
  /** Null before the first answer. */
  sessions: readonly ISession[] | null;
  problem: IApiError | null;
}

/** The kernels on every runtime. */
export class SessionsModel implements IDisposable {
  /** `onEnded` is called when sessions may have ended. */
  constructor(
    readonly runtimes: IRuntimes,
    private readonly _onEnded: () => Promise<void>
  ) {
    this._each = new EachRuntime(runtimes, name => this._look(name));
    runtimes.changed.connect(this._onRuntimes, this);
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._each.isDisposed;
  }

  dispose(): void {
    if (!this.isDisposed) {
      this._each.dispose();
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
    await Promise.all([this._each.now(name), this._onEnded().catch(() => undefined)]);
  }

  private _onRuntimes(): void {
    for (const name of this._lists.keys()) {
      if (!this._each.has(name)) {
        this._lists.delete(name);
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
    if (this._each.has(name)) {
      this._lists.set(name, list);
      this._changed.emit();
    }
    if (list.problem) {
      throw list.problem; // so that the next look comes later
    }
  }

  private readonly _each: EachRuntime;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _lists = new Map<string, ISessionList>();
}
