import { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';

import { ApiError, IApiError, IDiff, IVersion } from '../api';
import { IHistory } from '../tokens';

/** The versions of one notebook, the chosen one, and how it differs from the present. */
export class HistoryModel implements IDisposable {
  constructor(
    private readonly _history: IHistory,
    private readonly _path: string
  ) {}

  /** Null before the first answer. */
  versions: readonly IVersion[] | null = null;
  chosen: IVersion | null = null;
  /** Null while it is being asked for. */
  diff: IDiff | null = null;
  problem: IApiError | null = null;

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    Signal.clearData(this);
  }

  /** Ask for the versions and choose the one before the present. Never rejects. */
  async load(): Promise<void> {
    try {
      this.versions = await this._history.versions(this._path);
    } catch (reason) {
      this._tell(ApiError.from(reason));
      return;
    }
    const first = this.versions[1] ?? this.versions[0];
    if (first) {
      await this.choose(first);
    } else {
      this._tell(null);
    }
  }

  /** Never rejects: see `problem`. */
  async choose(version: IVersion): Promise<void> {
    this.chosen = version;
    this.diff = null;
    this._tell(null);
    try {
      const diff = await this._history.diff(version.id);
      if (this.chosen === version) {
        this.diff = diff;
        this._tell(null);
      }
    } catch (reason) {
      if (this.chosen === version) {
        this._tell(ApiError.from(reason));
      }
    }
  }

  private _tell(problem: IApiError | null): void {
    if (!this._isDisposed) {
      this.problem = problem;
      this._changed.emit();
    }
  }

  private readonly _changed = new Signal<this, void>(this);
  private _isDisposed = false;
}
