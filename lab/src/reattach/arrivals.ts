import { Kernel, KernelMessage } from '@jupyterlab/services';
import { IDisposable } from '@lumino/disposable';

/** A message that the page has not handled by then it has dropped. */
const DROPPED_MS = 2_000;

/**
 * What a kernel says, once the page has dealt with it: by then widgets have heard of it, and set
 * their hooks. A message that the page drops comes with the next one, or a moment later.
 */
export class Arrivals implements IDisposable {
  constructor(
    private readonly _kernel: Kernel.IKernelConnection,
    private readonly _wanted: (msg: KernelMessage.IMessage) => boolean,
    private readonly _handle: (msg: KernelMessage.IMessage) => void
  ) {
    _kernel.anyMessage.connect(this._onMessage, this);
    _kernel.iopubMessage.connect(this._onHandled, this);
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  dispose(): void {
    this._disposed = true;
    this._waiting = [];
    clearTimeout(this._timer);
    this._kernel.anyMessage.disconnect(this._onMessage, this);
    this._kernel.iopubMessage.disconnect(this._onHandled, this);
  }

  private _onMessage(_: unknown, { msg, direction }: Kernel.IAnyMessageArgs): void {
    if (direction === 'send' || !this._wanted(msg)) {
      return;
    }
    if (msg.channel !== 'iopub') {
      this._handle(msg);
      return;
    }
    this._waiting.push(msg);
    this._look();
  }

  private _onHandled(_: unknown, msg: KernelMessage.IIOPubMessage): void {
    this._pass(this._waiting.indexOf(msg) + 1);
  }

  private _pass(count: number): void {
    this._waiting.splice(0, count).forEach(msg => this._handle(msg));
  }

  private _look(): void {
    const last = this._waiting[this._waiting.length - 1];
    if (last && this._timer === undefined) {
      this._timer = setTimeout(() => {
        this._timer = undefined;
        this._pass(this._waiting.indexOf(last) + 1);
        this._look();
      }, DROPPED_MS);
    }
  }

  private _waiting: KernelMessage.IMessage[] = [];
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _disposed = false;
}
