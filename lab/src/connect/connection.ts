import { ISessionContext } from '@jupyterlab/apputils';
import { INotebookModel, NotebookPanel } from '@jupyterlab/notebook';
import { Kernel } from '@jupyterlab/services';
import { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';

import { ApiError, IApiError, IKernel, IRuntime, IUsage } from '../api';
import { UsageModel } from '../runtimes/usage';
import { IRuntimes } from '../tokens';
import { chooseKernel } from './choose';
import { Progress } from './progress';
import { describe, findRuntime, IView } from './view';

/** A kernel on a machine that has to be woken may take long, but not for ever. */
const START_MS = 90_000;
/** A shorter run is not worth a word: the button would flicker with every cell. */
const BUSY_MS = 1_000;

/** The connection of one notebook to the runtime it runs on. */
export class Connection implements IDisposable {
  constructor(
    private readonly _panel: NotebookPanel,
    private readonly _runtimes: IRuntimes
  ) {
    const active = (): boolean => this._panel.isVisible;
    this._usage = new UsageModel(_runtimes, active);
    this._watching = _runtimes.watch(active);
    _runtimes.changed.connect(this._update, this);
    this._usage.changed.connect(this._update, this);
    const session = this.session;
    session.kernelChanged.connect(this._update, this);
    session.statusChanged.connect(this._update, this);
    session.connectionStatusChanged.connect(this._update, this);
    const model = _panel.content.model;
    model?.metadataChanged.connect(this._update, this);
    _panel.disposed.connect(this.dispose, this);
    this._update();
  }

  get view(): IView {
    return this._view;
  }

  get usage(): IUsage | null {
    return this._usage.value;
  }

  get usageProblem(): IApiError | null {
    return this._usage.problem;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._watching.isDisposed;
  }

  /** The kernelspec's name of this notebook's kernel, or null. */
  get kernelName(): string | null {
    return this.session.session?.kernel?.name ?? null;
  }

  private get session(): ISessionContext {
    return this._panel.sessionContext;
  }

  dispose(): void {
    if (this.isDisposed) {
      return;
    }
    clearTimeout(this._busyTimer);
    this._watching.dispose();
    this._usage.dispose();
    Signal.clearData(this);
  }

  /** The notebook is shown again: bring what it shows up to date. */
  wake(): void {
    this._runtimes.wake();
    this._usage.wake();
  }

  /** Run this notebook on `name`, with the kernel that fits or the one that is named. */
  async use(name: string, kernelName?: string): Promise<void> {
    if (this._switchingTo) {
      return;
    }
    const progress = new Progress(`Starting a kernel on ${name}…`);
    this._switchingTo = name;
    this._update();
    try {
      const kernel = this._pick(await this._reachable(name), kernelName);
      await this._change(kernel);
      progress.succeed(`This notebook runs on ${name} now.`);
    } catch (reason) {
      const { message, hint } = ApiError.from(reason);
      progress.fail(`No kernel on ${name}: ${[message, hint].filter(part => part).join(' ')}`);
    } finally {
      this._switchingTo = null;
      this._update();
      void this._runtimes.refresh();
    }
  }

  /** The runtime, looked at again when it was not connected the last time. */
  private async _reachable(name: string): Promise<IRuntime> {
    const find = (): IRuntime | undefined => this._runtimes.runtimes.find(r => r.name === name);
    if (find()?.state !== 'connected') {
      await this._runtimes.refresh();
    }
    const runtime = find();
    if (!runtime) {
      throw new ApiError('No runtime of that name is connected.', 'Add it first.');
    }
    if (runtime.state !== 'connected') {
      throw new ApiError(`It is ${runtime.state}.`, runtime.detail);
    }
    return runtime;
  }

  private _pick(runtime: IRuntime, kernelName?: string): IKernel {
    const kernel = kernelName
      ? runtime.kernels.find(k => k.name === kernelName)
      : chooseKernel(runtime, this._currentKernel());
    if (!kernel) {
      throw new ApiError(
        'It offers no fitting kernel.',
        'Install one there, for instance with pip install ipykernel.'
      );
    }
    return kernel;
  }

  private _currentKernel(): IKernel | null {
    const name = this.kernelName;
    const runtime = name ? findRuntime(this._runtimes.runtimes, name) : null;
    return runtime?.kernels.find(k => k.name === name) ?? null;
  }

  private async _change({ name }: IKernel): Promise<void> {
    const session = this.session.session;
    // A session that fails to change keeps its kernel; the session context would drop it.
    const kernel = await (session ?? this.session).changeKernel({ name });
    if (!kernel) {
      throw new ApiError('The kernel was not started.');
    }
    await answered(kernel);
  }

  private _update(): void {
    if (this.isDisposed) {
      return;
    }
    const status = this._status();
    // Before there is a session, the notebook's own wish says which kernel is on its way.
    const name =
      this.kernelName ??
      (status === 'initializing' ? this.session.kernelPreference.name : null) ??
      null;
    this._view = describe({
      loaded: this._runtimes.loaded,
      runtimes: this._runtimes.runtimes,
      problem: this._runtimes.problem,
      kernel: name ? { name, status } : null,
      switchingTo: this._switchingTo,
      wants: wantedRuntime(this._panel.content.model)
    });
    this._measure(status);
    this._changed.emit();
  }

  /** Without the agent a runtime is measured by its kernel, which has to be up for that. */
  private _measure(status: string): void {
    const runtime = this._view.runtime;
    const canMeasure =
      runtime?.state === 'connected' &&
      !this._switchingTo &&
      (runtime.agent || status === 'idle' || status === 'busy');
    const kernel = this.session.session?.kernel?.id ?? null;
    this._usage.aim(canMeasure ? runtime.name : null, canMeasure ? kernel : null);
  }

  /** The kernel's status, `busy` only when it has lasted. */
  private _status(): string {
    const status = this.session.kernelDisplayStatus;
    if (status !== 'busy') {
      clearTimeout(this._busyTimer);
      this._busyTimer = undefined;
      this._busyLong = false;
      return status;
    }
    this._busyTimer ??= setTimeout(() => {
      this._busyLong = true;
      this._update();
    }, BUSY_MS);
    return this._busyLong ? 'busy' : 'idle';
  }

  private readonly _usage: UsageModel;
  private readonly _watching: IDisposable;
  private readonly _changed = new Signal<this, void>(this);
  private _view!: IView;
  private _switchingTo: string | null = null;
  private _busyTimer: ReturnType<typeof setTimeout> | undefined;
  private _busyLong = false;
}

/** Resolves when the kernel has answered once; rejects when it died or takes too long. */
async function answered(kernel: Kernel.IKernelConnection): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let onStatus: ((sender: Kernel.IKernelConnection, status: Kernel.Status) => void) | undefined;
  try {
    await Promise.race([
      kernel.info,
      new Promise<never>((_, reject) => {
        onStatus = (_sender, status) => {
          if (status === 'dead') {
            reject(new ApiError('The kernel died while it started.'));
          }
        };
        kernel.statusChanged.connect(onStatus);
        timer = setTimeout(() => {
          const hint = 'It may still be starting: see Manage runtimes and sessions.';
          reject(new ApiError(`The kernel has not answered for ${START_MS / 1000} s.`, hint));
        }, START_MS);
      })
    ]);
  } finally {
    clearTimeout(timer);
    if (onStatus) {
      kernel.statusChanged.disconnect(onStatus);
    }
  }
}

/** `metadata.ropeway.runtime`, or null. Files come from anywhere, so nothing is taken on trust. */
function wantedRuntime(model: INotebookModel | null): string | null {
  const ropeway: unknown = model?.getMetadata('ropeway');
  if (typeof ropeway === 'object' && ropeway !== null && 'runtime' in ropeway) {
    // Anybody's notebook: what is no name must not become part of a shown command.
    const name = ropeway.runtime;
    return typeof name === 'string' && /^[a-z0-9][a-z0-9-]{0,39}$/.test(name) ? name : null;
  }
  return null;
}
