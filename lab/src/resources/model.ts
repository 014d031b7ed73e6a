import { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';

import { ApiError, IApiError, ISession, IUsage } from '../api';
import { EachRuntime } from '../runtimes/each';
import { IRuntimes } from '../tokens';
import { SPAN_MS } from './graph';

/** What was used at a time of this page's clock, in milliseconds. */
export interface IPoint {
  time: number;
  usage: IUsage;
}

/** What is known of one runtime. */
export interface IResources {
  /** The newest measurement; null before the first. */
  usage: IUsage | null;
  /** Those of the last ten minutes, the oldest first. */
  points: readonly IPoint[];
  sessions: readonly ISession[];
  problem: IApiError | null;
}

const NOTHING: IResources = { usage: null, points: [], sessions: [], problem: null };

/** What runtimes and their kernels use, measured again and again while somebody looks. */
export class ResourcesModel implements IDisposable {
  /** `restartHere` restarts a kernel of a notebook that is open; it says whether there is one. */
  constructor(
    readonly runtimes: IRuntimes,
    private readonly _restartHere: (kernel: string) => Promise<boolean>
  ) {
    runtimes.changed.connect(this._emit, this);
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    this.stop();
    Signal.clearData(this);
  }

  /** Somebody looks from now on. */
  start(): void {
    this.stop();
    this._known.clear(); // the workspace knows what was meanwhile
    const each: EachRuntime = new EachRuntime(this.runtimes, name => {
      return this._look(name, () => this._each === each && each.has(name));
    });
    this._each = each;
  }

  /** Nobody looks any more: nothing is measured for this page. */
  stop(): void {
    this._each?.dispose();
    this._each = null;
  }

  of(name: string): IResources {
    return this._known.get(name) ?? NOTHING;
  }

  /** Restart a kernel, which frees what it holds. */
  async restart(name: string, { id, remote_id }: ISession): Promise<void> {
    if (!(id && (await this._restartHere(id)))) {
      await this.runtimes.restartKernel(name, remote_id);
    }
    await this._each?.now(name);
  }

  /** `wanted` says afterwards whether somebody still looks. */
  private async _look(name: string, wanted: () => boolean): Promise<void> {
    const before = this._known.get(name);
    const [past, usage, sessions] = await Promise.allSettled([
      before ? before.points : this._past(name),
      this.runtimes.usage(name, null),
      this.runtimes.sessions(name)
    ]);
    if (!wanted()) {
      return;
    }
    const points = past.status === 'fulfilled' ? [...past.value] : [];
    const now = Date.now();
    if (usage.status === 'fulfilled') {
      points.push({ time: now, usage: usage.value });
    }
    const failed = [usage, sessions].find(answer => answer.status === 'rejected');
    this._known.set(name, {
      usage: usage.status === 'fulfilled' ? usage.value : null,
      points: points.filter(point => point.time > now - SPAN_MS),
      sessions: sessions.status === 'fulfilled' ? sessions.value : [],
      problem: failed ? ApiError.from(failed.reason) : null
    });
    this._emit();
    if (sessions.status === 'rejected') {
      throw sessions.reason; // so that the next look comes later
    }
  }

  private async _past(name: string): Promise<IPoint[]> {
    const samples = await this.runtimes.past(name);
    const now = Date.now();
    return samples.map(({ ago, usage }) => ({ time: now - ago * 1000, usage }));
  }

  private _emit(): void {
    this._changed.emit();
  }

  private readonly _changed = new Signal<this, void>(this);
  private readonly _known = new Map<string, IResources>();
  private _each: EachRuntime | null = null;
  private _isDisposed = false;
}
