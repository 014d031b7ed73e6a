import { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';

import { ApiError, IApiError } from '../../api';
import { IData } from '../../tokens';
import { ILedgerFilter, ILedgerRecord } from '../wire';

/** The newest records of the ledger that a filter lets through. */
export class LedgerModel implements IDisposable {
  constructor(private readonly _data: IData) {}

  /** What the last answer said; null before the first. */
  records: readonly ILedgerRecord[] | null = null;
  problem: IApiError | null = null;
  filter: Readonly<ILedgerFilter> = { dataset: '', runtime: '', state: '', days: '7' };

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** The runtimes that were met in records: some may not be connected any more. */
  get runtimes(): readonly string[] {
    return [...this._runtimes];
  }

  /** The datasets that were met in records: some may not be there any more. */
  get datasets(): readonly string[] {
    return [...this._datasets];
  }

  dispose(): void {
    this._isDisposed = true;
    Signal.clearData(this);
  }

  /** Look for other records. */
  narrow(part: Partial<ILedgerFilter>): void {
    this.filter = { ...this.filter, ...part };
    this._changed.emit();
    void this.load();
  }

  /** Never rejects: see `problem`. */
  async load(): Promise<void> {
    const { filter } = this;
    let problem: IApiError | null = null;
    let records = this.records;
    try {
      records = await this._data.ledger(filter);
    } catch (reason) {
      problem = ApiError.from(reason);
    }
    if (filter !== this.filter || this._isDisposed) {
      return; // another filter was set meanwhile
    }
    for (const { entry } of records ?? []) {
      entry.datasets.forEach(name => this._datasets.add(name));
      if (entry.runtime) {
        this._runtimes.add(entry.runtime);
      }
    }
    this.records = records;
    this.problem = problem;
    this._changed.emit();
  }

  private readonly _changed = new Signal<this, void>(this);
  private readonly _runtimes = new Set<string>();
  private readonly _datasets = new Set<string>();
  private _isDisposed = false;
}
