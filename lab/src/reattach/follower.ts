import { CodeCell } from '@jupyterlab/cells';
import { NotebookPanel } from '@jupyterlab/notebook';
import { Kernel, KernelMessage } from '@jupyterlab/services';

import { Api, ICellRun, IRecordedMessage } from '../api';
import { RunFuture } from './future';

/**
 * Shows in one notebook what its cells said, and go on to say, though this page did not start them
 * or was away: everything from the journal, then the kernel's own messages.
 */
export class Follower {
  constructor(
    private readonly _panel: NotebookPanel,
    private readonly _api: Api
  ) {
    const session = _panel.sessionContext;
    session.connectionStatusChanged.connect(this._onConnection, this);
    void session.ready.then(() => this._follow());
    _panel.disposed.connect(() => {
      session.connectionStatusChanged.disconnect(this._onConnection, this);
      this._kernel?.anyMessage.disconnect(this._onMessage, this);
    });
  }

  private _onConnection(_: unknown, status: Kernel.ConnectionStatus): void {
    if (status === 'connected') {
      void this._follow();
    }
  }

  /** Ask what this page lacks, and show it. */
  private async _follow(): Promise<void> {
    const kernel = this._panel.sessionContext.session?.kernel ?? null;
    if (this._panel.isDisposed || !kernel || this._busy) {
      return;
    }
    this._busy = true;
    try {
      await this._panel.revealed;
      this._listen(kernel);
      const runs = await this._api.runs(this._panel.context.path);
      await Promise.all(
        runs
          // What a page has heard to its end is that page's to keep, or to clear.
          .filter(run => run.kernel === kernel.id && (run.running || !run.followed))
          .map(run => this._show(kernel, run))
      );
    } catch (reason) {
      console.warn('What cells said meanwhile cannot be shown', reason);
    } finally {
      this._busy = false;
    }
  }

  /** From now on keep what the kernel says: the journal is asked while it goes on. */
  private _listen(kernel: Kernel.IKernelConnection): void {
    if (this._kernel !== kernel) {
      this._kernel?.anyMessage.disconnect(this._onMessage, this);
      this._kernel = kernel;
      this._futures.clear();
      kernel.anyMessage.connect(this._onMessage, this);
    }
  }

  private _onMessage(_: unknown, { msg, direction }: Kernel.IAnyMessageArgs): void {
    const parent = msg.parent_header as { msg_id?: string };
    const future = direction === 'recv' && parent.msg_id ? this._futures.get(parent.msg_id) : null;
    if (!future) {
      return;
    }
    void future.handle(msg);
    if (KernelMessage.isStatusMsg(msg) && msg.content.execution_state === 'idle') {
      void this._finish(parent.msg_id!, future);
    }
  }

  private async _show(kernel: Kernel.IKernelConnection, run: ICellRun): Promise<void> {
    const cell = this._cell(run.cell);
    if (!cell) {
      return;
    }
    const future = new RunFuture(kernel, run.request);
    const early: KernelMessage.IMessage[] = [];
    const keep = (_: unknown, { msg, direction }: Kernel.IAnyMessageArgs): void => {
      const parent = msg.parent_header as { msg_id?: string };
      if (direction === 'recv' && parent.msg_id === run.request) {
        early.push(msg);
      }
    };
    kernel.anyMessage.connect(keep);
    try {
      await this._api.follow(run.request, kernel.clientId);
      cell.outputArea.future = future;
      cell.model.trusted = true;
      cell.model.executionCount = null;
      cell.model.executionState = 'running';
      const running = await this._replay(run.request, future);
      for (const msg of early) {
        void future.handle(msg);
      }
      this._futures.set(run.request, future);
      const over = early.some(
        msg => KernelMessage.isStatusMsg(msg) && msg.content.execution_state === 'idle'
      );
      if (!running || over) {
        await this._finish(run.request, future);
      }
    } finally {
      kernel.anyMessage.disconnect(keep);
    }
  }

  /** Everything that the journal has; whether the cell still ran when it was asked last. */
  private async _replay(request: string, future: RunFuture): Promise<boolean> {
    let after = 0;
    for (;;) {
      const part = await this._api.recorded(request, after);
      for (const message of part.messages) {
        void future.handle(restored(message));
      }
      if (!part.more) {
        return part.running;
      }
      after = part.last;
    }
  }

  private async _finish(request: string, future: RunFuture): Promise<void> {
    this._futures.delete(request);
    await future.finish();
    const cell = this._panel.content.widgets.find(
      widget => widget instanceof CodeCell && widget.outputArea.future === future
    ) as CodeCell | undefined;
    if (cell) {
      cell.model.executionState = 'idle';
      cell.model.executionCount = future.count;
    }
  }

  private _cell(id: string): CodeCell | null {
    const found = this._panel.content.widgets.find(widget => widget.model.id === id);
    return found instanceof CodeCell ? found : null;
  }

  private _kernel: Kernel.IKernelConnection | null = null;
  private readonly _futures = new Map<string, RunFuture>();
  private _busy = false;
}

function restored(message: IRecordedMessage): KernelMessage.IMessage {
  const buffers = message.buffers.map(
    text => Uint8Array.from(atob(text), character => character.charCodeAt(0)).buffer
  );
  return { ...message, buffers } as unknown as KernelMessage.IMessage;
}
