import { IDisposable } from '@lumino/disposable';

const INTERVAL_MS = 5_000;
const LONGEST_MS = 30_000;

/**
 * Looks again and again: one look at a time, at longer intervals while looks fail, and not at
 * all while the page is hidden or nobody is interested.
 */
export class Polling implements IDisposable {
  /** `look` rejects when it failed; `active` says whether anybody is interested. */
  constructor(
    private readonly _look: () => Promise<void>,
    private readonly _active: () => boolean,
    private readonly _interval = INTERVAL_MS
  ) {
    document.addEventListener('visibilitychange', this._onVisibility);
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  dispose(): void {
    this._disposed = true;
    this.stop();
    document.removeEventListener('visibilitychange', this._onVisibility);
  }

  /** Look now, and again and again from then on while somebody is interested. */
  start(): void {
    if (!this._running && !this._disposed) {
      this._running = true;
      if (!document.hidden && !this._current) {
        void this._run();
      }
    }
  }

  /** Somebody is interested again: look now, unless the last look is recent. */
  wake(): void {
    if (this._running && Date.now() - this._lookedAt > this._interval) {
      this._tick();
    }
  }

  stop(): void {
    this._running = false;
    clearTimeout(this._timer);
  }

  /**
   * Look now, whoever is interested. Resolves after a look that began after this call, so that
   * it sees what was changed just before; never rejects.
   */
  now(): Promise<void> {
    if (!this._current) {
      return this._run();
    }
    this._next ??= this._current.then(() => {
      this._next = null;
      return this._run();
    });
    return this._next;
  }

  private async _run(): Promise<void> {
    clearTimeout(this._timer);
    this._lookedAt = Date.now();
    const settled = this._look().then(
      () => void (this._failures = 0),
      () => void this._failures++
    );
    this._current = settled;
    await settled;
    this._current = null;
    this._schedule();
  }

  private _schedule(): void {
    clearTimeout(this._timer);
    if (this._running) {
      const delay = Math.min(this._interval * 2 ** Math.max(0, this._failures - 1), LONGEST_MS);
      this._timer = setTimeout(() => this._tick(), delay);
    }
  }

  private _tick(): void {
    if (document.hidden || !this._active()) {
      this._schedule();
    } else if (!this._current) {
      void this._run();
    }
  }

  private readonly _onVisibility = (): void => {
    this.wake();
  };

  private _current: Promise<void> | null = null;
  private _next: Promise<void> | null = null;
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _lookedAt = 0;
  private _failures = 0;
  private _running = false;
  private _disposed = false;
}
