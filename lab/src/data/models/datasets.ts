import { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';

import { ApiError, IApiError } from '../../api';
import { IData } from '../../tokens';
import { Asker } from './asker';
import { IDataset, IPreview, ISeen, RuntimeClass } from '../wire';

/** An answer that is there, is on its way (both null), or did not come. */
export interface IAnswer<T> {
  value: T | null;
  problem: IApiError | null;
}

/** The datasets, which of them are open, and what a class of runtimes sees of those. */
export class DatasetsModel implements IDisposable {
  constructor(
    private readonly _data: IData,
    readonly asker: Asker
  ) {
    asker.changed.connect(this._emit, this);
  }

  /** What the last answer said; null before the first. */
  get datasets(): readonly IDataset[] | null {
    return this._datasets;
  }

  get problem(): IApiError | null {
    return this._problem;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** The class that was chosen, else that of the current notebook's runtime, else `here`. */
  get runtimeClass(): RuntimeClass {
    return this._chosen ?? this.asker.runtime?.runtime_class ?? 'here';
  }

  dispose(): void {
    this._isDisposed = true;
    Signal.clearData(this);
  }

  choose(runtimeClass: RuntimeClass): void {
    this._chosen = runtimeClass;
    this._emit();
  }

  /** Ask anew for everything that is shown. Never rejects. */
  async load(): Promise<void> {
    try {
      this._datasets = await this._data.datasets();
      this._problem = null;
    } catch (reason) {
      this._problem = ApiError.from(reason);
    }
    this._previews.clear();
    this._emit();
    if (this._problem) {
      return;
    }
    await Promise.all([...this._open].map(name => this._look(name)));
  }

  isOpen(name: string): boolean {
    return this._open.has(name);
  }

  /** Show what there is to know of a dataset, or hide it. */
  toggle(name: string, open: boolean): void {
    if (open === this._open.has(name)) {
      return;
    }
    if (open) {
      this._open.add(name);
      void this._look(name);
    } else {
      this._open.delete(name);
    }
    this._emit();
  }

  /** The policy of an open dataset, for each class. */
  seen(name: string): IAnswer<readonly ISeen[]> {
    return this._seen.get(name) ?? { value: null, problem: null };
  }

  /** The first rows as the shown class gets them; undefined while nobody asked for them. */
  preview(name: string): IAnswer<IPreview> | undefined {
    return this._previews.get(this._key(name));
  }

  /** Ask for the first rows. Never rejects. */
  async askForRows(name: string): Promise<void> {
    const key = this._key(name);
    const asked: IAnswer<IPreview> = { value: null, problem: null };
    this._previews.set(key, asked);
    this._emit();
    const found = await answered(this._data.preview(name, this.runtimeClass));
    if (this._previews.get(key) === asked) {
      this._previews.set(key, found);
      this._emit();
    }
  }

  private async _look(name: string): Promise<void> {
    this._seen.set(name, await answered(this._data.seen(name)));
    this._emit();
  }

  private _key(name: string): string {
    return `${name} ${this.runtimeClass}`;
  }

  private _emit(): void {
    if (!this._isDisposed) {
      this._changed.emit();
    }
  }

  private readonly _changed = new Signal<this, void>(this);
  private readonly _open = new Set<string>();
  private readonly _seen = new Map<string, IAnswer<readonly ISeen[]>>();
  private readonly _previews = new Map<string, IAnswer<IPreview>>();
  private _datasets: readonly IDataset[] | null = null;
  private _problem: IApiError | null = null;
  private _chosen: RuntimeClass | null = null;
  private _isDisposed = false;
}

async function answered<T>(asking: Promise<T>): Promise<IAnswer<T>> {
  try {
    return { value: await asking, problem: null };
  } catch (reason) {
    return { value: null, problem: ApiError.from(reason) };
  }
}
