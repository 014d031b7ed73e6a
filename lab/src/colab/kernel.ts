import { CodeCell } from '@jupyterlab/cells';
import { Kernel, KernelMessage } from '@jupyterlab/services';
import { JSONObject, JSONValue } from '@lumino/coreutils';

import { Api } from '../api';
import { IPlace, kernelOf } from './places';

type Output = Parameters<CodeCell['outputArea']['model']['add']>[0];

/** By request, the cells whose outputs have called the kernel, as long as it is at it. */
const callers = new Map<string, CodeCell>();

/** The cell whose output sent this request to the kernel, if one did. */
export function callerOf(request: string): CodeCell | null {
  return callers.get(request) ?? null;
}

/** What a script gets of a message of the kernel's. */
interface IHeard {
  data: JSONValue;
  buffers: (ArrayBuffer | ArrayBufferView)[];
}

/** `google.colab.kernel`; `place` says for which output it is asked. */
export function kernelInterface(place: () => IPlace, api: Api): object {
  return {
    /** JupyterLab runs scripts of trusted outputs only: those may speak to the kernel. */
    accessAllowed: true,
    invokeFunction: (name: string, args: unknown[] = [], kwargs: object = {}) =>
      invoke(place(), name, args, kwargs),
    proxyPort: async (port: number) => {
      const url = await api.portUrl(kernelOf(place()).id, Number(port));
      return new URL(url, window.location.href).href;
    },
    disconnect: () => place().panel.sessionContext.shutdown(),
    comms: {
      open: async (target: string, data: JSONValue, buffers?: ArrayBuffer[]) => {
        const comm = kernelOf(place()).createComm(target);
        const opened = channel(comm);
        comm.open(data, undefined, buffers);
        return opened;
      },
      registerTarget: (target: string, heard: (comm: object, message: IHeard) => void) =>
        kernelOf(place()).registerCommTarget(target, (comm, msg) =>
          heard(channel(comm), heardIn(msg))
        )
    }
  };
}

/** Call what `output.register_callback` knows under a name; the result in its forms. */
async function invoke(
  place: IPlace,
  name: string,
  args: unknown[],
  kwargs: object
): Promise<{ data: JSONObject }> {
  // A JSON text is a text of Python too.
  const given = [name, JSON.stringify(args), JSON.stringify(kwargs)].map(each =>
    JSON.stringify(each)
  );
  const module = "__import__('google.colab.output._js', fromlist=['_js'])";
  const future = kernelOf(place).requestExecute({
    code: '',
    store_history: false,
    allow_stdin: false,
    user_expressions: { result: `${module}._invoke_function(${given.join(', ')})` }
  });
  const request = future.msg.header.msg_id;
  place.cell && callers.set(request, place.cell);
  void future.done.finally(() => callers.delete(request)).catch(() => undefined);
  future.onIOPub = msg => show(place, msg);
  const { content } = await future.done;
  const result =
    content.status === 'ok'
      ? (content.user_expressions.result as { data: JSONObject } & Partial<KernelMessage.IReplyErrorContent>)
      : undefined;
  if (!result?.data) {
    throw new Error(result ? `${result.ename}: ${result.evalue}` : `${name} could not be called`);
  }
  return { data: result.data };
}

/** What a callback prints and displays stands in the cell whose output called it. */
function show({ cell }: IPlace, msg: KernelMessage.IIOPubMessage): void {
  const kind = msg.header.msg_type;
  if (kind === 'clear_output') {
    cell?.outputArea.model.clear((msg as KernelMessage.IClearOutputMsg).content.wait);
  } else if (kind === 'stream' || kind === 'display_data' || kind === 'error') {
    const output = { ...msg.content, output_type: kind } as Output;
    delete output.transient;
    cell?.outputArea.model.add(output);
  }
}

/** A comm as Colab's scripts know it. */
function channel(comm: Kernel.IComm): object {
  const waiting: IHeard[] = [];
  let closed = false;
  let wake = (): void => undefined;
  comm.onMsg = msg => {
    waiting.push(heardIn(msg));
    wake();
  };
  comm.onClose = () => {
    closed = true;
    wake();
  };
  return {
    send: async (data: JSONValue, options: { buffers?: ArrayBuffer[] } = {}) => {
      await comm.send(data, undefined, options.buffers).done;
    },
    close: () => {
      closed = true;
      comm.close();
      wake();
    },
    messages: {
      async *[Symbol.asyncIterator](): AsyncGenerator<IHeard> {
        while (waiting.length || !closed) {
          while (waiting.length) {
            yield waiting.shift()!;
          }
          if (!closed) {
            await new Promise<void>(resolve => (wake = resolve));
          }
        }
      }
    }
  };
}

function heardIn(msg: KernelMessage.ICommOpenMsg | KernelMessage.ICommMsgMsg): IHeard {
  return { data: msg.content.data, buffers: msg.buffers ?? [] };
}
