import { JSONExt, ReadonlyJSONValue } from '@lumino/coreutils';
import { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';

import { ApiError, IApiError } from '../../api';
import { Polling } from '../../polling';
import { IData } from '../../tokens';
import { ITransfer } from '../wire';

/** Who looks at a transfer wants to see it move. */
const LOOK_MS = 2_000;

/** The queries and puts under way and those that ended last, looked at anew while shown. */
export class TransfersModel implements IDisposable {
  constructor(private readonly _data: IData) {
    this._polling = new Polling(
      () => this._look(),
      () => true,
      LOOK_MS
    );
  }

  /** What the last answer said; null before the first. */
  get transfers(): readonly ITransfer[] | null {
    return this._transfers;
  }

  get running(): number {
    return this._transfers?.filter(each => each.state === 'running').length ?? 0;
  }

  get problem(): IApiError | null {
    return this._problem;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._polling.isDisposed;
  }

  dispose(): void {
    this._polling.dispose();
    Signal.clearData(this);
  }

  /** Somebody looks from now on. */
  start(): void {
    this._polling.start();
  }

  /** Nobody looks any more. */
  stop(): void {
    this._polling.stop();
  }

  /** Stop one of them. */
  async cancel(id: string): Promise<void> {
    await this._data.cancelTransfer(id);
    await this._polling.now();
  }

  private async _look(): Promise<void> {
    try {
      this._set(await this._data.transfers(), null);
    } catch (reason) {
      this._set(this._transfers, ApiError.from(reason));
      throw reason; // so that the next look comes later
    }
  }

  private _set(transfers: readonly ITransfer[] | null, problem: IApiError | null): void {
    const before = this._transfers as ReadonlyJSONValue;
    const isSame =
      JSONExt.deepEqual(before, transfers as ReadonlyJSONValue) &&
      this._problem?.message === problem?.message;
    this._transfers = transfers;
    this._problem = problem;
    if (!isSame && !this.isDisposed) {
      this._changed.emit();
    }
  }

  private readonly _polling: Polling;
  private readonly _changed = new Signal<this, void>(this);
  private _transfers: readonly ITransfer[] | null = null;
  private _problem: IApiError | null = null;
}
