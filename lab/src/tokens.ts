/** What the plugins offer one another, and the commands they share. */
import { PartialJSONValue, Token } from '@lumino/coreutils';
import { IDisposable } from '@lumino/disposable';
import { ISignal } from '@lumino/signaling';

import {
  IApiError,
  IConnectRequest,
  IDiff,
  IInvitation,
  IRuntime,
  ISession,
  IUsage,
  IVersion,
  Parting
} from './api';

/** The runtimes of this workspace, kept up to date while somebody looks. */
export interface IRuntimes {
  /** What the last answer said; empty until `loaded`. */
  readonly runtimes: readonly IRuntime[];
  /** Whether the workspace has answered at least once. */
  readonly loaded: boolean;
  /** Why the workspace gave no answer the last time, or null when it did. */
  readonly problem: IApiError | null;
  /** Emitted when `runtimes`, `loaded` or `problem` are different from before. */
  readonly changed: ISignal<IRuntimes, void>;
  /** Emitted when kernels came or went, so that the list of kernelspecs is out of date. */
  readonly kernelsChanged: ISignal<IRuntimes, void>;

  /** Look now; never rejects: see `problem`. */
  refresh(): Promise<void>;
  /** Keep looking as long as `active()` is true, until disposed. */
  watch(active: () => boolean): IDisposable;
  /** Some `active()` became true: look now unless the last look is recent. */
  wake(): void;

  connect(request: IConnectRequest): Promise<IRuntime>;
  invite(name: string): Promise<IInvitation>;
  disconnect(name: string, parting: Parting): Promise<void>;
  start(name: string): Promise<void>;
  restart(name: string): Promise<void>;
  usage(name: string, kernel: string | null): Promise<IUsage>;
  sessions(name: string): Promise<ISession[]>;
  shutDown(name: string, remoteId: string): Promise<void>;
}

export const IRuntimes = new Token<IRuntimes>(
  'ropeway:IRuntimes',
  'The runtimes of this workspace: where notebooks can run.'
);

/** The kept versions of this workspace's notebooks. */
export interface IHistory {
  /** Those of a notebook, the newest first. */
  versions(path: string): Promise<IVersion[]>;
  /** What changed from a version to what lies on disk now. */
  diff(version: number): Promise<IDiff>;
  /** Keep what only this page has of a notebook. */
  keep(path: string, content: PartialJSONValue): Promise<void>;
  /** Write a version over its notebook; what is there is kept first. */
  restore(version: number): Promise<void>;
}

export const IHistory = new Token<IHistory>(
  'ropeway:IHistory',
  "The kept versions of this workspace's notebooks."
);

export namespace CommandIDs {
  /** Show the kept versions of the current notebook. */
  export const history = 'ropeway:history';
  /** Run the current notebook on `{runtime, kernel?}`. */
  export const use = 'ropeway:use-runtime';
  /** Ask for a runtime's URL and connect it; `{name?}` fills in the name. */
  export const add = 'ropeway:add-runtime';
  /** Show every runtime with what runs on it. */
  export const manage = 'ropeway:manage-runtimes';
}
