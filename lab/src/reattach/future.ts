import { Kernel, KernelMessage } from '@jupyterlab/services';
import { PromiseDelegate } from '@lumino/coreutils';

type Request = KernelMessage.IExecuteRequestMsg;
type Reply = KernelMessage.IExecuteReplyMsg;
type Hook = (msg: KernelMessage.IIOPubMessage) => boolean | PromiseLike<boolean>;

/**
 * A run that another page, or this page before it was reloaded, has started.
 *
 * To an output area it is what executing the cell would have given it. Messages are handled one
 * after the other, each id once: the journal and the kernel may both bring the same one.
 */
export class RunFuture implements Kernel.IShellFuture<Request, Reply> {
  readonly msg: Request;
  onReply: (msg: Reply) => void | PromiseLike<void> = nothing;
  onIOPub: (msg: KernelMessage.IIOPubMessage) => void | PromiseLike<void> = nothing;
  onStdin: (msg: KernelMessage.IStdinMessage) => void | PromiseLike<void> = nothing;

  constructor(
    private readonly _kernel: Kernel.IKernelConnection,
    request: string
  ) {
    this.msg = {
      channel: 'shell',
      header: { msg_id: request, msg_type: 'execute_request' },
      parent_header: {},
      metadata: {},
      content: {}
    } as unknown as Request;
    // Nobody may be waiting for it.
    this._done.promise.catch(nothing);
  }

  get done(): Promise<Reply> {
    return this._done.promise;
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  /** The number in the cell's brackets, once it is known. */
  get count(): number | null {
    return this._count;
  }

  /** Take a message of this run; resolves once it is shown. */
  handle(msg: KernelMessage.IMessage): Promise<void> {
    if (!this._seen.has(msg.header.msg_id)) {
      this._seen.add(msg.header.msg_id);
      this._last = this._last.then(() => this._show(msg)).catch(reason => {
        console.error('A message of a cell cannot be shown', reason);
      });
    }
    return this._last;
  }

  /** The run is over. */
  async finish(): Promise<void> {
    await this._last;
    this._done.resolve(this._reply);
  }

  registerMessageHook(hook: Hook): void {
    this._hooks.push(hook);
  }

  removeMessageHook(hook: Hook): void {
    this._hooks = this._hooks.filter(each => each !== hook);
  }

  sendInputReply(
    content: KernelMessage.IInputReplyMsg['content'],
    parent: KernelMessage.IInputReplyMsg['parent_header']
  ): void {
    this._kernel.sendInputReply(content, parent);
  }

  dispose(): void {
    if (!this._disposed) {
      this._disposed = true;
      this._done.reject(new Error('Canceled: something else is shown in this cell'));
    }
  }

  private async _show(msg: KernelMessage.IMessage): Promise<void> {
    if (this._disposed) {
      return;
    }
    if (msg.channel === 'stdin') {
      await this.onStdin(msg as KernelMessage.IStdinMessage);
    } else if (msg.channel === 'iopub') {
      const iopub = msg as KernelMessage.IIOPubMessage;
      if (KernelMessage.isExecuteInputMsg(iopub)) {
        this._count = iopub.content.execution_count;
      }
      for (const hook of [...this._hooks].reverse()) {
        if ((await hook(iopub)) === false) {
          return;
        }
      }
      await this.onIOPub(iopub);
    } else if (msg.channel === 'shell') {
      this._reply = msg as Reply;
      await this.onReply(this._reply);
    }
  }

  private readonly _done = new PromiseDelegate<Reply>();
  /** What a kernel that died never said. */
  private _reply = { content: { status: 'aborted' } } as unknown as Reply;
  private readonly _seen = new Set<string>();
  private _hooks: Hook[] = [];
  private _last: Promise<void> = Promise.resolve();
  private _count: number | null = null;
  private _disposed = false;
}

function nothing(): void {
  // What is not listened to.
}
