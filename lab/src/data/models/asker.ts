import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';

import { IRuntime } from '../../api';
import { findRuntime } from '../../connect/view';
import { IRuntimes } from '../../tokens';

/** The current notebook, which data would be asked for by, and the runtime that it runs on. */
export class Asker implements IDisposable {
  constructor(
    private readonly _notebooks: INotebookTracker | null,
    private readonly _runtimes: IRuntimes
  ) {
    _runtimes.changed.connect(this._emit, this);
    _notebooks?.currentChanged.connect(this._onCurrent, this);
    this._onCurrent();
  }

  /** Emitted when notebook or runtime may be different from before. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  get notebook(): NotebookPanel | null {
    return this._notebooks?.currentWidget ?? null;
  }

  /** Null where there is no notebook, or its runtime is not known. */
  get runtime(): IRuntime | null {
    const kernel = this.notebook?.sessionContext.session?.kernel;
    return kernel ? findRuntime(this._runtimes.runtimes, kernel.name) : null;
  }

  /** The names of all runtimes. */
  get names(): readonly string[] {
    return this._runtimes.runtimes.map(runtime => runtime.name);
  }

  dispose(): void {
    this._isDisposed = true;
    Signal.clearData(this);
  }

  private _onCurrent(): void {
    const { notebook } = this;
    if (notebook && !this._heard.has(notebook)) {
      this._heard.add(notebook);
      notebook.sessionContext.kernelChanged.connect(this._emit, this);
    }
    this._emit();
  }

  private _emit(): void {
    this._changed.emit();
  }

  private readonly _changed = new Signal<this, void>(this);
  private readonly _heard = new WeakSet<NotebookPanel>();
  private _isDisposed = false;
}
