import { JSONExt, ReadonlyJSONValue } from '@lumino/coreutils';
import { DisposableDelegate, IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';

import {
  Api,
  ApiError,
  IApiError,
  IChoice,
  IConnectRequest,
  IInvitation,
  IRuntime,
  ISample,
  ISession,
  IUsage,
  IWish,
  Parting
} from '../api';
import { Polling } from '../polling';
import { IRuntimes } from '../tokens';
import { attempted } from './attempt';

export class RuntimesModel implements IRuntimes, IDisposable {
  constructor(private readonly _api: Api) {
    this._polling = new Polling(
      () => this._look(),
      () => [...this._watchers].some(active => active())
    );
  }

  get runtimes(): readonly IRuntime[] {
    return this._runtimes;
  }

  get loaded(): boolean {
    return this._loaded;
  }

  get problem(): IApiError | null {
    return this._problem;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get kernelsChanged(): ISignal<this, void> {
    return this._kernelsChanged;
  }

  get isDisposed(): boolean {
    return this._polling.isDisposed;
  }

  dispose(): void {
    if (!this.isDisposed) {
      this._polling.dispose();
      Signal.clearData(this);
    }
  }

  refresh(): Promise<void> {
    return this._polling.now();
  }

  watch(active: () => boolean): IDisposable {
    this._watchers.add(active);
    this._polling.start();
    return new DisposableDelegate(() => {
      this._watchers.delete(active);
      if (this._watchers.size === 0) {
        this._polling.stop();
      }
    });
  }

  wake(): void {
    this._polling.wake();
  }

  async connect(
    request: IConnectRequest,
    told: (steps: readonly string[]) => void,
    signal: AbortSignal
  ): Promise<IRuntime> {
    const runtime = await attempted(this._api, request, told, signal);
    await this.refresh();
    return runtime;
  }

  invite(name: string): Promise<IInvitation> {
    return this._api.invite(name);
  }

  async disconnect(name: string, parting: Parting): Promise<void> {
    await this._api.disconnect(name, parting);
    await this.refresh();
  }

  async start(name: string): Promise<void> {
    try {
      await this._api.start(name);
    } finally {
      await this.refresh();
    }
  }

  async restart(name: string): Promise<void> {
    await this._api.restart(name);
    await this.refresh();
  }

  usage(name: string, kernel: string | null): Promise<IUsage> {
    return this._api.usage(name, kernel);
  }

  past(name: string): Promise<ISample[]> {
    return this._api.past(name);
  }

  choices(name: string, wish: IWish): Promise<IChoice[]> {
    return this._api.choices(name, wish);
  }

  sessions(name: string): Promise<ISession[]> {
    return this._api.sessions(name);
  }

  async shutDown(name: string, remoteId: string): Promise<void> {
    await this._api.shutDown(name, remoteId);
    await this.refresh();
  }

  restartKernel(name: string, remoteId: string): Promise<void> {
    return this._api.restartKernel(name, remoteId);
  }

  private async _look(): Promise<void> {
    let runtimes: IRuntime[];
    try {
      runtimes = await this._api.runtimes();
    } catch (reason) {
      this._set(this._runtimes, ApiError.from(reason));
      throw reason; // so that the next look comes later
    }
    this._set(runtimes, null);
  }

  private _set(runtimes: readonly IRuntime[], problem: IApiError | null): void {
    if (this.isDisposed) {
      return;
    }
    const before = this._runtimes;
    const hadProblem = this._problem;
    const wasLoaded = this._loaded;
    this._runtimes = runtimes;
    this._problem = problem;
    this._loaded = wasLoaded || !problem;
    if (wasLoaded && !same(kernelNames(before), kernelNames(runtimes))) {
      this._kernelsChanged.emit();
    }
    if (
      wasLoaded !== this._loaded ||
      hadProblem?.message !== problem?.message ||
      !same(before, runtimes)
    ) {
      this._changed.emit();
    }
  }

  private readonly _polling: Polling;
  private readonly _watchers = new Set<() => boolean>();
  private readonly _changed = new Signal<this, void>(this);
  private readonly _kernelsChanged = new Signal<this, void>(this);
  private _runtimes: readonly IRuntime[] = [];
  private _problem: IApiError | null = null;
  private _loaded = false;
}

function kernelNames(runtimes: readonly IRuntime[]): string[] {
  return runtimes.flatMap(runtime => runtime.kernels.map(kernel => kernel.name)).sort();
}

function same(a: unknown, b: unknown): boolean {
  return JSONExt.deepEqual(a as ReadonlyJSONValue, b as ReadonlyJSONValue);
}
