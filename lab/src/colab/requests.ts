import { NotebookPanel } from '@jupyterlab/notebook';
import { Kernel, KernelMessage } from '@jupyterlab/services';

const REQUEST = 'colab_request';
const EVALUATE = 'cell_javascript_eval';

interface IAsked {
  colab_request_type?: string;
  colab_msg_id?: number;
  /** The page that is to answer; home says so, since every page hears it. */
  ropeway_client?: string;
}

/** So long a page that was reloaded may take to show the cell that asks. */
const SHOWN_MS = 20_000;

/** Answers what the kernel of one notebook asks of Colab's page: the value of a script. */
export class Requests {
  /**
   * `evaluate` runs a script for the request that the kernel handles, `shows` tells whether a cell
   * shows what that says, or called it.
   */
  constructor(
    private readonly _panel: NotebookPanel,
    private readonly _evaluate: (code: string, request: string) => unknown,
    private readonly _shows: (request: string) => boolean
  ) {
    const session = _panel.sessionContext;
    session.kernelChanged.connect(this._listen, this);
    this._listen();
    _panel.disposed.connect(() => session.kernelChanged.disconnect(this._listen, this));
  }

  private _listen(): void {
    const kernel = this._panel.sessionContext.session?.kernel ?? null;
    if (kernel !== this._kernel) {
      this._kernel?.iopubMessage.disconnect(this._onMessage, this);
      this._kernel = kernel;
      kernel?.iopubMessage.connect(this._onMessage, this);
    }
  }

  private _onMessage(kernel: Kernel.IKernelConnection, msg: KernelMessage.IMessage): void {
    const asked = msg.metadata as IAsked;
    const mine = asked.ropeway_client === kernel.clientId;
    if ((msg.header.msg_type as string) === REQUEST && mine && !this._met.has(msg.header.msg_id)) {
      this._met.add(msg.header.msg_id); // a page that begins to follow a run may hear it twice
      void this._answer(kernel, msg, asked);
    }
  }

  private async _answer(
    kernel: Kernel.IKernelConnection,
    msg: KernelMessage.IMessage,
    { colab_request_type: kind, colab_msg_id: number }: IAsked
  ): Promise<void> {
    const { request } = msg.content as unknown as { request?: { script?: unknown } };
    const said: Record<string, unknown> = { type: 'colab_reply', colab_msg_id: number };
    try {
      if (kind !== EVALUATE) {
        throw new Error(`This page does not know ${kind}.`);
      }
      const parent = msg.parent_header as KernelMessage.IHeader;
      const until = Date.now() + SHOWN_MS;
      while (!this._shows(parent.msg_id)) {
        if (Date.now() > until) {
          throw new Error('No cell of this page shows what asks.');
        }
        await new Promise(resolve => setTimeout(resolve, 100));
      }
      const value = await this._evaluate(String(request?.script ?? ''), parent.msg_id);
      said.data = JSON.parse(JSON.stringify(value ?? null));
    } catch (reason) {
      said.error = reason instanceof Error ? `${reason.name}: ${reason.message}` : String(reason);
    }
    if (number !== undefined) {
      kernel.sendInputReply(
        { status: 'ok', value: said } as unknown as KernelMessage.IInputReplyMsg['content'],
        msg.parent_header as KernelMessage.IInputReplyMsg['parent_header']
      );
    }
  }

  private _kernel: Kernel.IKernelConnection | null = null;
  private readonly _met = new Set<string>();
}
