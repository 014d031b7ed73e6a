import { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';

import { ApiError, IApiError, IUsage } from '../api';
import { Polling } from '../polling';
import { IRuntimes } from '../tokens';

/** What the runtime of one notebook uses, measured again and again while somebody looks. */
export class UsageModel implements IDisposable {
  /** `active` says whether somebody looks. */
  constructor(
    private readonly _runtimes: IRuntimes,
    active: () => boolean
  ) {
    this._polling = new Polling(() => this._look(), active);
  }

  /** The last measurement, null when there is none yet. */
  get value(): IUsage | null {
    return this._value;
  }

  /** Why the last measurement failed, null when it did not. */
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

  /** Somebody looks again: measure now unless the last measurement is recent. */
  wake(): void {
    this._polling.wake();
  }

  /** Measure this runtime from now on, through this kernel where it takes one; null: none. */
  aim(name: string | null, kernel: string | null): void {
    if (this.isDisposed || (name === this._name && kernel === this._kernel)) {
      return;
    }
    if (name !== this._name) {
      this._value = null; // another machine's figures say nothing about this one
    }
    this._name = name;
    this._kernel = kernel;
    this._problem = null;
    this._changed.emit();
    if (name === null) {
      this._polling.stop();
    } else {
      void this._polling.now();
      this._polling.start();
    }
  }

  private async _look(): Promise<void> {
    const name = this._name;
    const kernel = this._kernel;
    if (name === null) {
      return;
    }
    let value: IUsage | null = null;
    let problem: IApiError | null = null;
    try {
      value = await this._runtimes.usage(name, kernel);
    } catch (reason) {
      problem = ApiError.from(reason);
    }
    if (this.isDisposed || name !== this._name || kernel !== this._kernel) {
      return; // the notebook has moved on meanwhile
    }
    this._value = value;
    this._problem = problem;
    this._changed.emit();
    if (problem) {
      throw problem; // so that the next look comes later
    }
  }

  private readonly _polling: Polling;
  private readonly _changed = new Signal<this, void>(this);
  private _name: string | null = null;
  private _kernel: string | null = null;
  private _value: IUsage | null = null;
  private _problem: IApiError | null = null;
}
