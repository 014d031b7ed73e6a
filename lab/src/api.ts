/** The workspace's REST interface, `BASE/ropeway/api/…`. No other file calls the server. */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import { JSONObject, PartialJSONValue } from '@lumino/coreutils';

import {
  IDataset,
  ILedgerFilter,
  ILedgerRecord,
  IPreview,
  ISeen,
  ITransfer,
  RuntimeClass
} from './data/wire';

/** A kind of kernel that a runtime offers; `name` is the kernelspec's name in this workspace. */
export interface IKernel {
  name: string;
  display_name: string;
  language: string;
  runtime: string;
}

export type RuntimeState = 'connected' | 'connecting' | 'unreachable' | 'refused' | 'stopped';

/** What becomes of a runtime's kernels, or of its whole server, when it is disconnected. */
export type Parting = 'keep' | 'shutdown' | 'stop';

/** A place where code runs. `detail` is a sentence when the state is not `connected`. */
export interface IRuntime {
  name: string;
  address: string;
  /** `here`, or how it is reached. */
  kind: string;
  state: RuntimeState;
  detail: string;
  agent: boolean;
  kernels: IKernel[];
  default_kernel: string | null;
  sessions: number;
  /** Whether it can be stopped and started from here. */
  stoppable: boolean;
  /** Seconds without a running cell after which it ends by itself; 0: never, or unknown. */
  stop_idle: number;
  runtime_class: RuntimeClass;
}

/** A runtime that is being connected; the last of its steps is under way. */
export interface IAttempt {
  id: string;
  state: 'running' | 'connected' | 'failed' | 'cancelled';
  steps: string[];
  runtime: IRuntime | null;
  error: { message: string; hint: string; code: string } | null;
}

/** A secret without its value: `runtime_class` is how far the notebook that was asked about may take
 * it, empty for nowhere. */
export interface ISecret {
  name: string;
  runtime_class: RuntimeClass | '';
  notebooks: number;
}

/** A notebook waits for somebody to say whether it may read a secret. */
export interface ISecretQuestion {
  id: string;
  name: string;
  notebook: string;
  runtime: string;
  runtime_class: RuntimeClass;
}

export interface ISecrets {
  secrets: ISecret[];
  questions: ISecretQuestion[];
}

/** What a cell has for the page that shows its notebook. */
export interface IOffer {
  id: string;
  kind: 'download' | 'view';
  notebook: string;
  name: string;
  size: number;
  path: string;
}

/** A running kernel; `id` is this workspace's own, null for a kernel that others started. */
export interface ISession {
  remote_id: string;
  name: string;
  state: string;
  id: string | null;
  path: string | null;
  last_activity: string | null;
}

/** Bytes in use out of a total. */
export interface IAmount {
  used: number;
  total: number;
}

/** One GPU: memory in bytes, `busy` a share from 0 to 1 where it is known. */
export interface IGpu extends IAmount {
  name: string;
  busy: number | null;
}

/** Bytes that a kernel holds, by the runtime's id; `gpu` is null where nobody tells. */
export interface IKernelUsage {
  id: string;
  ram: number;
  gpu: number | null;
}

/** What a runtime uses now; null where it cannot be measured. */
export interface IUsage {
  ram: IAmount | null;
  disk: IAmount | null;
  gpus: IGpu[];
  kernels: IKernelUsage[];
}

/** What a runtime used so many seconds ago; kernels are left out. */
export interface ISample {
  ago: number;
  usage: IUsage;
}

/** What a notebook's metadata ask for, in Colab's words. */
export interface IWish {
  accelerator: string;
  gpu_type: string;
}

/** A runtime for what needs a GPU; `told` is what is known of its GPUs, for people. */
export interface IChoice {
  runtime: string;
  told: string;
  /** Whether it has what is needed. */
  fits: boolean;
  /** Whether it is the one that is taken without a question. */
  picked: boolean;
  /** Whether the notebook runs there. */
  own: boolean;
  /** Whether anybody can tell what GPUs it has. */
  known: boolean;
}

/** An invitation; its token is told this once. */
export interface IInvitation {
  id: string;
  token: string;
  /** Of the workspace's certificate, where no authority vouches for it; else empty. */
  fingerprint: string;
}

/** One execution of a cell that the notebook's file may not hold yet. */
export interface ICellRun {
  /** The id of the message that started it. */
  request: string;
  cell: string;
  kernel: string;
  running: boolean;
  count: number | null;
  /** Whether a page heard its end. */
  followed: boolean;
}

/** A part of what a run said; ask again after `last` where there is `more`. */
export interface IRecorded {
  messages: IRecordedMessage[];
  running: boolean;
  last: number;
  more: boolean;
}

/** A kernel message as it is kept, its buffers in base64. */
export interface IRecordedMessage {
  channel: string;
  header: JSONObject;
  parent_header: JSONObject;
  metadata: JSONObject;
  content: JSONObject;
  buffers: string[];
}

/** A kept version of a notebook. */
export interface IVersion {
  id: number;
  path: string;
  /** ISO 8601. */
  time: string;
  why: string;
  /** Bytes of the document. */
  size: number;
  cells: number;
  outputs: number;
  /** What changed since the version before, in a few words. */
  changed: string;
}

/** One cell that differs; places count from 0 and are null where the cell is not there. */
export interface IChange {
  kind: 'added' | 'removed' | 'edited' | 'outputs' | 'moved' | 'metadata';
  old: number | null;
  new: number | null;
  /** The cell's type, or `notebook`. */
  type: string;
  /** Lines that begin with a blank, `+` or `-`; `@` alone where some were left out. */
  source: string[];
  outputs: string[];
}

export interface IDiff {
  changes: IChange[];
  summary: string;
}

export interface IConnectRequest {
  url: string;
  token?: string;
  name?: string;
  /** The one TLS certificate to accept, as `sha256:AB:CD:…`. */
  fingerprint?: string;
  /** What this kind of runtime is told besides: `stop_idle`, as `2h`, over SSH; at Colab `gpu` too. */
  options?: Record<string, string>;
  /** Without it: what is usual for the way it is reached. */
  runtime_class?: string;
}

/** Why a call failed, in words for people. */
export interface IApiError {
  readonly message: string;
  readonly hint: string;
  readonly code: string;
}

export class ApiError extends Error implements IApiError {
  constructor(
    message: string,
    readonly hint = '',
    readonly code = 'failed'
  ) {
    super(message);
    this.name = 'ApiError';
  }

  /** Any thrown value as an error with a message and a hint. */
  static from(reason: unknown): IApiError {
    if (reason instanceof ApiError) {
      return reason;
    }
    return new ApiError(reason instanceof Error ? reason.message : String(reason));
  }
}

/** A look may be repeated soon; a change may have to dial another machine, or wait for one. */
const LOOK_MS = 10_000;
const CHANGE_MS = 60_000;
/** A piece of a file may have to wait for a slow runtime. */
const PIECE_MS = 180_000;
/** A machine that is reached for the first time may have to install Jupyter. */
const START_MS = 30 * 60_000;
/** Data may be large: a first look reads its beginning, and the ledger is read from end to end. */
const DATA = { limit: 60_000 };

export class Api {
  constructor(private readonly _settings: ServerConnection.ISettings) {}

  async runtimes(): Promise<IRuntime[]> {
    const body = (await this._call('GET', ['runtimes'])) as { runtimes: IRuntime[] };
    return body.runtimes;
  }

  /** Begin to connect a runtime; `attempt` tells how far that is. */
  async connect(request: IConnectRequest): Promise<IAttempt> {
    return (await this._call('POST', ['attempts'], { body: request })) as IAttempt;
  }

  async attempt(id: string): Promise<IAttempt> {
    return (await this._call('GET', ['attempts', id])) as IAttempt;
  }

  async giveUp(id: string): Promise<void> {
    await this._call('DELETE', ['attempts', id]);
  }

  async invite(name: string): Promise<IInvitation> {
    return (await this._call('POST', ['invites'], { body: { name } })) as IInvitation;
  }

  async disconnect(name: string, parting: Parting): Promise<void> {
    const query: Record<string, string> = parting === 'keep' ? {} : { [parting]: '1' };
    await this._call('DELETE', ['runtimes', name], { query, limit: 3 * CHANGE_MS });
  }

  async start(name: string): Promise<void> {
    await this._call('POST', ['runtimes', name, 'start'], { body: {}, limit: START_MS });
  }

  async restart(name: string): Promise<void> {
    await this._call('POST', ['runtimes', name, 'restart'], { body: {} });
  }

  async usage(name: string, kernel: string | null): Promise<IUsage> {
    const query: Record<string, string> = kernel ? { kernel } : {};
    return (await this._call('GET', ['runtimes', name, 'usage'], { query })) as IUsage;
  }

  /** What was measured within the last ten minutes, the oldest first. */
  async past(name: string): Promise<ISample[]> {
    const body = (await this._call('GET', ['runtimes', name, 'usage', 'past'])) as {
      samples: ISample[];
    };
    return body.samples;
  }

  /** Where a notebook on this runtime may run that wants an accelerator, the best first. */
  async choices(name: string, wish: IWish): Promise<IChoice[]> {
    const query = { ...wish };
    const options = { query, limit: CHANGE_MS }; // each runtime may have to be measured
    const body = (await this._call('GET', ['runtimes', name, 'choices'], options)) as {
      choices: IChoice[];
    };
    return body.choices;
  }

  async sessions(name: string): Promise<ISession[]> {
    const body = (await this._call('GET', ['runtimes', name, 'kernels'])) as {
      kernels: ISession[];
    };
    return body.kernels;
  }

  async shutDown(name: string, remoteId: string): Promise<void> {
    await this._call('DELETE', ['runtimes', name, 'kernels', remoteId]);
  }

  async restartKernel(name: string, remoteId: string): Promise<void> {
    const path = ['runtimes', name, 'kernels', remoteId, 'restart'];
    await this._call('POST', path, { body: {}, limit: 3 * CHANGE_MS });
  }

  /** What the file may lack, and what has ended within so many seconds. */
  async runs(path: string, since: number): Promise<ICellRun[]> {
    const query = { path, since: String(since) };
    const body = (await this._call('GET', ['runs'], { query })) as { runs: ICellRun[] };
    return body.runs;
  }

  async heard(requests: string[]): Promise<void> {
    await this._call('POST', ['runs', 'heard'], { body: { requests } });
  }

  async recorded(request: string, after: number): Promise<IRecorded> {
    const query = { after: String(after) };
    const options = { query, limit: CHANGE_MS }; // a flood takes a while to be read
    return (await this._call('GET', ['runs', request, 'messages'], options)) as IRecorded;
  }

  /** The last run of a cell that is kept, whether the file holds its outputs or not. */
  async lastRun(path: string, cell: string): Promise<ICellRun | undefined> {
    const query = { path, cell };
    const body = (await this._call('GET', ['runs'], { query })) as { runs: ICellRun[] };
    return body.runs[0];
  }

  /** Where a browser finds everything that a run printed. */
  outputUrl(request: string): string {
    return this._url(['runs', request, 'output']);
  }

  /** Where a browser finds the page that a kernel serves at a port of its machine. */
  async portUrl(kernel: string, port: number): Promise<string> {
    const path = ['kernels', kernel, 'ports', String(port)];
    const body = (await this._call('GET', path)) as { url: string };
    return body.url;
  }

  /** Whether the kernel is there; then it says `ropeway_followed` to the page. */
  async follow(request: string, client: string): Promise<boolean> {
    const path = ['runs', request, 'client'];
    const body = (await this._call('POST', path, { body: { client } })) as { live: boolean };
    return body.live;
  }

  async versions(path: string): Promise<IVersion[]> {
    const body = (await this._call('GET', ['history'], { query: { path } })) as {
      versions: IVersion[];
    };
    return body.versions;
  }

  /** From a version to what lies on disk now. */
  async diff(version: number): Promise<IDiff> {
    return (await this._call('GET', ['history', String(version), 'diff'])) as IDiff;
  }

  /** Keep a notebook that only this page has. */
  async keep(path: string, content: PartialJSONValue): Promise<void> {
    await this._call('POST', ['history'], { body: { path, content } });
  }

  async restore(version: number): Promise<void> {
    await this._call('POST', ['history', String(version), 'restore'], { body: {} });
  }

  async datasets(): Promise<IDataset[]> {
    const body = (await this._call('GET', ['datasets'], DATA)) as { datasets: IDataset[] };
    return body.datasets;
  }

  async seen(name: string): Promise<ISeen[]> {
    const body = (await this._call('GET', ['datasets', name], DATA)) as { seen: ISeen[] };
    return body.seen;
  }

  async preview(name: string, runtimeClass: RuntimeClass): Promise<IPreview> {
    const query = { runtime_class: runtimeClass };
    return (await this._call('GET', ['datasets', name, 'preview'], { ...DATA, query })) as IPreview;
  }

  async transfers(): Promise<ITransfer[]> {
    const body = (await this._call('GET', ['transfers'])) as { transfers: ITransfer[] };
    return body.transfers;
  }

  async cancelTransfer(id: string): Promise<void> {
    await this._call('DELETE', ['transfers', id]);
  }

  async ledger(filter: ILedgerFilter): Promise<ILedgerRecord[]> {
    const query = Object.fromEntries(Object.entries(filter).filter(([, value]) => value));
    const body = (await this._call('GET', ['ledger'], { ...DATA, query })) as {
      records: ILedgerRecord[];
    };
    return body.records;
  }

  async secrets(notebook: string): Promise<ISecrets> {
    return (await this._call('GET', ['secrets'], { query: { notebook } })) as ISecrets;
  }

  async setSecret(name: string, value: string): Promise<void> {
    await this._call('PUT', ['secrets', name], { body: { value } });
  }

  async removeSecret(name: string): Promise<void> {
    await this._call('DELETE', ['secrets', name]);
  }

  async allowSecret(name: string, notebook: string, farthest: RuntimeClass | ''): Promise<void> {
    await this._call('PATCH', ['secrets', name], { body: { notebook, runtime_class: farthest } });
  }

  async answerSecret(question: string, allowed: boolean): Promise<void> {
    await this._call('POST', ['secret-questions', question], { body: { allowed } });
  }

  async uploadWaits(id: string): Promise<boolean> {
    return this._isThere('GET', ['uploads', id]);
  }

  async uploadPiece(
    id: string,
    name: string,
    at: number,
    size: number,
    piece: Blob
  ): Promise<void> {
    const query = { name, at: String(at), size: String(size) };
    await this._call('POST', ['uploads', id], { query, bytes: piece, limit: PIECE_MS });
  }

  async endUpload(id: string): Promise<void> {
    await this._isThere('DELETE', ['uploads', id]);
  }

  /** Where a browser finds a file that a cell has for it. */
  downloadUrl(id: string): string {
    return this._url(['downloads', id]);
  }

  async offers(): Promise<IOffer[]> {
    return ((await this._call('GET', ['offers'])) as { offers: IOffer[] }).offers;
  }

  /** Whether it is this page that has it now. */
  async takeOffer(id: string): Promise<boolean> {
    return this._isThere('DELETE', ['offers', id]);
  }

  /** Whether it was still there. */
  private async _isThere(method: 'GET' | 'DELETE', path: string[]): Promise<boolean> {
    try {
      await this._call(method, path);
    } catch (reason) {
      if (reason instanceof ApiError && reason.code === 'not_found') {
        return false;
      }
      throw reason;
    }
    return true;
  }

  private _url(path: string[]): string {
    const parts = path.map(part => encodeURIComponent(part));
    return URLExt.join(this._settings.baseUrl, 'ropeway/api', ...parts);
  }

  private async _call(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string[],
    options: { body?: object; bytes?: Blob; query?: Record<string, string>; limit?: number } = {}
  ): Promise<unknown> {
    const query = options.query ? URLExt.objectToQueryString(options.query) : '';
    const url = this._url(path) + query;
    const limit = options.limit ?? (method === 'GET' ? LOOK_MS : CHANGE_MS);
    const giveUp = new AbortController();
    const timer = setTimeout(() => giveUp.abort(), limit);
    try {
      const response = await ServerConnection.makeRequest(
        url,
        {
          method,
          signal: giveUp.signal,
          ...(options.body ? { body: JSON.stringify(options.body) } : {}),
          ...(options.bytes
            ? { body: options.bytes, headers: { 'Content-Type': 'application/octet-stream' } }
            : {})
        },
        this._settings
      );
      // Read the body before the timer is stopped: a server can also hang half-way.
      const text = await response.text();
      if (!response.ok) {
        throw refusal(response.status, text);
      }
      return text ? JSON.parse(text) : null;
    } catch (reason) {
      if (reason instanceof ApiError) {
        throw reason;
      }
      throw giveUp.signal.aborted
        ? new ApiError(`The workspace did not answer within ${limit / 1000} seconds.`, '', 'timeout')
        : new ApiError(
            'The workspace does not answer.',
            'See whether the ropeway command still runs on the machine of this page.',
            'workspace_unreachable'
          );
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The error in an answer of status 400 and above; a proxy may answer without our JSON. */
function refusal(status: number, text: string): ApiError {
  try {
    const body = JSON.parse(text) as {
      message?: string;
      error?: { message?: string; hint?: string; code?: string };
    };
    const message = body.error?.message ?? body.message;
    if (message) {
      return new ApiError(message, body.error?.hint ?? '', body.error?.code ?? 'failed');
    }
  } catch {
    // Not JSON: fall through to the status, which is all that is known.
  }
  return new ApiError(`The workspace answered with status ${status}.`);
}
