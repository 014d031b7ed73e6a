/** The workspace's REST interface, `BASE/ropeway/api/…`. No other file calls the server. */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import { JSONObject, PartialJSONValue } from '@lumino/coreutils';

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

/** What a runtime uses now; null where it cannot be measured. */
export interface IUsage {
  ram: IAmount | null;
  disk: IAmount | null;
  gpus: IGpu[];
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
/** A machine that is reached for the first time may have to install Jupyter. */
const START_MS = 30 * 60_000;

export class Api {
  constructor(private readonly _settings: ServerConnection.ISettings) {}

  async runtimes(): Promise<IRuntime[]> {
    const body = (await this._call('GET', ['runtimes'])) as { runtimes: IRuntime[] };
    return body.runtimes;
  }

  async connect(request: IConnectRequest): Promise<IRuntime> {
    const options = { body: request, limit: START_MS };
    return (await this._call('POST', ['runtimes'], options)) as IRuntime;
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

  async sessions(name: string): Promise<ISession[]> {
    const body = (await this._call('GET', ['runtimes', name, 'kernels'])) as {
      kernels: ISession[];
    };
    return body.kernels;
  }

  async shutDown(name: string, remoteId: string): Promise<void> {
    await this._call('DELETE', ['runtimes', name, 'kernels', remoteId]);
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
    return (await this._call('GET', ['runs', request, 'messages'], { query })) as IRecorded;
  }

  async follow(request: string, client: string): Promise<void> {
    await this._call('POST', ['runs', request, 'client'], { body: { client } });
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

  private async _call(
    method: 'GET' | 'POST' | 'DELETE',
    path: string[],
    options: { body?: object; query?: Record<string, string>; limit?: number } = {}
  ): Promise<unknown> {
    const url =
      URLExt.join(
        this._settings.baseUrl,
        'ropeway/api',
        ...path.map(part => encodeURIComponent(part))
      ) + (options.query ? URLExt.objectToQueryString(options.query) : '');
    const limit = options.limit ?? (method === 'GET' ? LOOK_MS : CHANGE_MS);
    const giveUp = new AbortController();
    const timer = setTimeout(() => giveUp.abort(), limit);
    try {
      const response = await ServerConnection.makeRequest(
        url,
        {
          method,
          signal: giveUp.signal,
          ...(options.body ? { body: JSON.stringify(options.body) } : {})
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
