import { CodeCell } from '@jupyterlab/cells';
import { NotebookPanel } from '@jupyterlab/notebook';
import { Kernel, KernelMessage } from '@jupyterlab/services';

import { Api, ICellRun, IRecordedMessage } from '../api';
import { Arrivals } from './arrivals';
import { RunFuture, displayId } from './future';
import { hookRuns } from './hooks';

const AGAIN_MS = 5_000;
const HEARD_MS = 1_000;
/** A connection may have been dead for so long before anybody noticed. */
const UNNOTICED_S = 300;
/** Home's word that this page hears a run comes at once, or was said before the page heard it. */
const FOLLOWED = 'ropeway_followed';
const FOLLOWED_MS = 500;

/**
 * Shows in one notebook what its cells said, and go on to say, though this page did not start them
 * or was away: everything from the journal, then the kernel's own messages. What this page has
 * shown to its end is told to the workspace: from then on it is the user's to keep or to clear.
 */
export class Follower {
  constructor(
    private readonly _panel: NotebookPanel,
    private readonly _api: Api
  ) {
    const session = _panel.sessionContext;
    session.kernelChanged.connect(this._listen, this);
    session.connectionStatusChanged.connect(this._onConnection, this);
    this._listen();
    void session.ready.then(() => this._follow());
    _panel.disposed.connect(() => {
      session.kernelChanged.disconnect(this._listen, this);
      session.connectionStatusChanged.disconnect(this._onConnection, this);
      this._leave();
    });
  }

  private _onConnection(_: unknown, status: Kernel.ConnectionStatus): void {
    if (status === 'connected') {
      void this._follow();
      return;
    }
    // What was followed goes on without this page: when it is back the journal has it.
    this._futures.clear();
    this._connections += 1;
    if (this._met && this._awaySince === null) {
      this._awaySince = Date.now();
      this._sent.clear();
    }
  }

  /** Hear what the kernel says from its first word on. */
  private _listen(): void {
    const kernel = this._panel.sessionContext.session?.kernel ?? null;
    if (this._kernel !== kernel) {
      this._leave();
      this._kernel = kernel;
      this._futures.clear();
      this._shown.clear();
      this._displays.clear();
      this._sent.clear();
      if (kernel) {
        kernel.anyMessage.connect(this._onMessage, this);
        this._arrivals = new Arrivals(
          kernel,
          msg => this._wants(msg),
          msg => this._handle(kernel, msg)
        );
        hookRuns(kernel, request => this._futures.get(request));
      }
    }
  }

  private _leave(): void {
    this._kernel?.anyMessage.disconnect(this._onMessage, this);
    this._arrivals?.dispose();
  }

  private _onMessage(_: unknown, { msg, direction }: Kernel.IAnyMessageArgs): void {
    if (direction === 'send' && msg.header.msg_type === 'execute_request') {
      this._sent.add(msg.header.msg_id);
    }
  }

  private _wants(msg: KernelMessage.IMessage): boolean {
    const ended = msg.header.msg_type === 'status';
    return ended || this._futures.has(requestOf(msg)) || displayId(msg) !== undefined;
  }

  private _handle(kernel: Kernel.IKernelConnection, msg: KernelMessage.IMessage): void {
    const parent = msg.parent_header as Partial<KernelMessage.IHeader>;
    const request = requestOf(msg);
    const future = this._futures.get(request);
    future?.handle(msg);
    this._updateDisplays(request, msg);
    if (KernelMessage.isStatusMsg(msg) && msg.content.execution_state === 'idle') {
      if (future) {
        void this._finish(request, future);
      } else if (parent.msg_type === 'execute_request' && parent.session === kernel.clientId) {
        this._tellHeard(request);
      }
    }
  }

  /** One cell changes what another one displayed, which this page may know from the journal only. */
  private _updateDisplays(request: string, msg: KernelMessage.IMessage): void {
    const id = displayId(msg);
    if (!id) {
      return;
    }
    for (const [other, run] of this._shown) {
      if (run.isDisposed) {
        this._shown.delete(other); // its cell shows something else by now
      } else if (other !== request && run.displays(id)) {
        run.update(msg);
        this._displays.add(id);
      }
    }
    const known = this._displays.has(id) || this._futures.get(request)?.displays(id);
    this._displays.add(id);
    if (!known && KernelMessage.isUpdateDisplayDataMsg(msg)) {
      void this._findDisplay(id);
    }
  }

  /** Show the cells anew that displayed something before this page was there. */
  private async _findDisplay(id: string): Promise<void> {
    const kernel = this._kernel;
    if (!kernel) {
      return;
    }
    try {
      for (const run of await this._api.runs(this._panel.context.path, 0)) {
        const here = this._shown.has(run.request) || this._sent.has(run.request);
        if (!here && !run.running && run.kernel === kernel.id) {
          const { messages } = await this._recorded(run.request);
          if (messages.some(message => displayId(message) === id)) {
            await this._show(kernel, run);
          }
        }
      }
    } catch (reason) {
      this._displays.delete(id);
      console.warn('What a cell displayed cannot be updated yet', reason);
    }
  }

  /** Ask what this page lacks, and show it. */
  private async _follow(): Promise<void> {
    if (this._busy) {
      this._again = true;
      return;
    }
    this._busy = true;
    try {
      do {
        this._again = false;
        await this._panel.revealed;
        this._listen();
        const kernel = this._kernel;
        if (this._panel.isDisposed || !kernel) {
          return;
        }
        const away = this._awaySince;
        const since = away === null ? 0 : (Date.now() - away) / 1000 + UNNOTICED_S;
        const runs = await this._api.runs(this._panel.context.path, since);
        const lacking = runs.filter(run => run.kernel === kernel.id && this._lacks(run));
        await Promise.all(lacking.map(run => this._show(kernel, run)));
        this._awaySince = kernel.connectionStatus === 'connected' ? null : this._awaySince;
        this._met = true;
      } while (this._again);
    } catch (reason) {
      console.warn('What cells said meanwhile cannot be shown yet', reason);
      setTimeout(() => void this._follow(), AGAIN_MS);
    } finally {
      this._busy = false;
    }
  }

  /** Whether this page does not show a run as far as it goes, and will not by itself. */
  private _lacks(run: ICellRun): boolean {
    const known =
      this._heard.has(run.request) || this._sent.has(run.request) || this._futures.has(run.request);
    const cell = this._cell(run.cell);
    if (known || !cell) {
      return false;
    }
    return run.running || cell.model.executionCount !== run.count;
  }

  private async _show(kernel: Kernel.IKernelConnection, run: ICellRun): Promise<void> {
    const future = new RunFuture(kernel, run.request);
    this._futures.set(run.request, future);
    const connections = this._connections;
    try {
      if (run.running) {
        await this._hear(kernel, run.request, connections);
      }
      // Nothing is cleared before everything is here.
      const { messages, running } = await this._recorded(run.request);
      const cell = this._cell(run.cell);
      if (!cell || !this._isWith(kernel, connections)) {
        this._drop(run.request, future);
        return; // a page that was away meanwhile asks again
      }
      cell.outputArea.future = future;
      cell.model.trusted = true;
      cell.model.executionCount = null;
      cell.model.executionState = 'running';
      this._shown.set(run.request, future);
      future.begin(messages);
      if (!running) {
        await this._finish(run.request, future);
      }
    } catch (reason) {
      this._drop(run.request, future);
      throw reason;
    }
  }

  /**
   * Returns once this page hears what a run says. Its socket stands before the server listens to
   * the kernel for it, and what is said between would be missing.
   */
  private async _hear(
    kernel: Kernel.IKernelConnection,
    request: string,
    connections: number
  ): Promise<void> {
    let heard = (): void => undefined;
    const onMessage = (_: unknown, { msg }: Kernel.IAnyMessageArgs): void => {
      const { client, request: of } = msg.content as { client?: string; request?: string };
      const followed = (msg.header.msg_type as string) === FOLLOWED;
      if (followed && client === kernel.clientId && of === request) {
        heard();
      }
    };
    kernel.anyMessage.connect(onMessage);
    try {
      for (let again = true; again && this._isWith(kernel, connections); ) {
        const told = new Promise<boolean>(resolve => {
          heard = () => resolve(false);
        });
        if (!(await this._api.follow(request, kernel.clientId))) {
          return;
        }
        const late = new Promise<boolean>(resolve => setTimeout(() => resolve(true), FOLLOWED_MS));
        again = await Promise.race([told, late]);
      }
    } finally {
      kernel.anyMessage.disconnect(onMessage);
    }
  }

  /** Whether the notebook is open on the kernel, over the connection that it had then. */
  private _isWith(kernel: Kernel.IKernelConnection, connections: number): boolean {
    const same = this._kernel === kernel && this._connections === connections;
    return same && !this._panel.isDisposed;
  }

  /** A future that shows nothing; a later one of the same run may have taken its place. */
  private _drop(request: string, future: RunFuture): void {
    if (this._futures.get(request) === future) {
      this._futures.delete(request);
    }
  }

  /** Everything that the journal has; whether the cell still ran when it was asked last. */
  private async _recorded(
    request: string
  ): Promise<{ messages: KernelMessage.IMessage[]; running: boolean }> {
    const messages: KernelMessage.IMessage[] = [];
    let after = 0;
    for (;;) {
      const part = await this._api.recorded(request, after);
      messages.push(...part.messages.map(restored));
      if (!part.more) {
        return { messages, running: part.running };
      }
      after = part.last;
    }
  }

  private async _finish(request: string, future: RunFuture): Promise<void> {
    await future.finish();
    this._futures.delete(request);
    const cell = this._panel.content.widgets.find(
      widget => widget instanceof CodeCell && widget.outputArea.future === future
    ) as CodeCell | undefined;
    if (cell) {
      cell.model.executionState = 'idle';
      cell.model.executionCount = future.count;
      this._tellHeard(request);
    }
  }

  /** Say, soon and together with others, that a run is shown to its end. */
  private _tellHeard(request: string): void {
    this._heard.add(request);
    this._untold.push(request);
    if (this._untold.length === 1) {
      setTimeout(() => {
        const requests = this._untold;
        this._untold = [];
        // Untold it is brought to the file once more, which does no harm.
        this._api.heard(requests).catch(() => undefined);
      }, HEARD_MS);
    }
  }

  private _cell(id: string): CodeCell | null {
    const found = this._panel.content.widgets.find(widget => widget.model.id === id);
    return found instanceof CodeCell ? found : null;
  }

  private _kernel: Kernel.IKernelConnection | null = null;
  /** Runs from the journal that go on. */
  private readonly _futures = new Map<string, RunFuture>();
  /** Runs from the journal that are in their cells, also once they have ended. */
  private readonly _shown = new Map<string, RunFuture>();
  /** What was displayed by runs that this page knows. */
  private readonly _displays = new Set<string>();
  /** Runs that this page sent since it was connected: it shows them by itself. */
  private readonly _sent = new Set<string>();
  private _arrivals: Arrivals | null = null;
  private readonly _heard = new Set<string>();
  private _untold: string[] = [];
  /** Whether this page has followed before: what it was given as it opened, it has. */
  private _met = false;
  private _awaySince: number | null = null;
  /** How often the connection was lost. */
  private _connections = 0;
  private _busy = false;
  private _again = false;
}

function requestOf(msg: KernelMessage.IMessage): string {
  return (msg.parent_header as Partial<KernelMessage.IHeader>).msg_id ?? '';
}

function restored(message: IRecordedMessage): KernelMessage.IMessage {
  const buffers = message.buffers.map(
    text => Uint8Array.from(atob(text), character => character.charCodeAt(0)).buffer
  );
  return { ...message, buffers } as unknown as KernelMessage.IMessage;
}
