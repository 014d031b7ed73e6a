import { Kernel, KernelMessage } from '@jupyterlab/services';
import { PromiseDelegate } from '@lumino/coreutils';

type Request = KernelMessage.IExecuteRequestMsg;
type Reply = KernelMessage.IExecuteReplyMsg;
type Hook = (msg: KernelMessage.IIOPubMessage) => boolean | PromiseLike<boolean>;

const UPDATE = 'update_display_data';
const CAUGHT = new Set(['stream', 'display_data', 'execute_result', 'error', 'clear_output']);

/** The id under which a message displays something, if it does. */
export function displayId(msg: KernelMessage.IMessage): string | undefined {
  const displaying =
    KernelMessage.isDisplayDataMsg(msg) ||
    KernelMessage.isUpdateDisplayDataMsg(msg) ||
    KernelMessage.isExecuteResultMsg(msg);
  const content = msg.content as { transient?: { display_id?: string } };
  return displaying ? content.transient?.display_id : undefined;
}

/**
 * A run that another page, or this page before it was reloaded, has started.
 *
 * To an output area it is what executing the cell would have given it. Messages are handled one
 * after the other, each id once: the journal and the kernel may both bring the same one.
 *
 * What the cell says while an `Output` widget catches it (`msg_id`) is not the cell's. A widget that
 * began while this page was there has a hook here; one that began before is told by home.
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

  /** Whether this run showed something under a display id. */
  displays(id: string): boolean {
    return this._displays.has(id);
  }

  /** Show what was said before, then what was heard meanwhile, then go on. */
  begin(recorded: KernelMessage.IMessage[]): void {
    const early = this._early ?? [];
    this._early = null;
    recorded.forEach(msg => this.handle(msg));
    early.forEach(work => work());
    this._begun.resolve();
  }

  /** Take a message of this run; it waits until this has begun. */
  handle(msg: KernelMessage.IMessage): void {
    this._inTurn(() => {
      if (!this._seen.has(msg.header.msg_id)) {
        this._seen.add(msg.header.msg_id);
        const display = displayId(msg);
        if (display && msg.header.msg_type !== UPDATE) {
          this._displays.add(display);
        }
        this._queue(() => this._show(msg));
      }
    });
  }

  /** Take what another run says about something that this one displayed. */
  update(msg: KernelMessage.IMessage): void {
    this.handle({ ...msg, header: { ...msg.header, msg_type: UPDATE } } as typeof msg);
  }

  /** The run is over. */
  async finish(): Promise<void> {
    await this._begun.promise;
    await this._last;
    this._done.resolve(this._reply);
  }

  /** Behind what waits to be shown: a hook is for what comes after it. */
  registerMessageHook(hook: Hook): void {
    this._inTurn(() => this._queue(() => void this._hooks.push(hook)));
  }

  removeMessageHook(hook: Hook): void {
    this._inTurn(() =>
      this._queue(() => {
        this._hooks = this._hooks.filter(each => each !== hook);
      })
    );
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

  private _inTurn(work: () => void): void {
    this._early ? this._early.push(work) : work();
  }

  private _queue(work: () => void | Promise<void>): void {
    this._last = this._last.then(work).catch(reason => {
      console.error('A message of a cell cannot be shown', reason);
    });
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
      this._noteCatcher(iopub);
      if (!this._catchers.size || !CAUGHT.has(iopub.header.msg_type)) {
        await this.onIOPub(iopub);
      }
    } else if (msg.channel === 'shell') {
      this._reply = msg as Reply;
      await this.onReply(this._reply);
    }
  }

  /** Note which `Output` widgets catch what this run says. */
  private _noteCatcher(msg: KernelMessage.IIOPubMessage): void {
    if (KernelMessage.isCommCloseMsg(msg)) {
      this._catchers.delete(msg.content.comm_id);
    } else if (KernelMessage.isCommOpenMsg(msg) || KernelMessage.isCommMsgMsg(msg)) {
      const state = (msg.content.data as { state?: { msg_id?: string } }).state;
      if (state?.msg_id === this.msg.header.msg_id) {
        this._catchers.add(msg.content.comm_id);
      } else if (state?.msg_id !== undefined) {
        this._catchers.delete(msg.content.comm_id);
      }
    }
  }

  private readonly _done = new PromiseDelegate<Reply>();
  /** What a kernel that died never said. */
  private _reply = { content: { status: 'aborted' } } as unknown as Reply;
  private readonly _begun = new PromiseDelegate<void>();
  private _early: (() => void)[] | null = [];
  private readonly _seen = new Set<string>();
  private readonly _displays = new Set<string>();
  private readonly _catchers = new Set<string>();
  private _hooks: Hook[] = [];
  private _last: Promise<void> = Promise.resolve();
  private _count: number | null = null;
  private _disposed = false;
}

function nothing(): void {
  // What is not listened to.
}
