/** What the plugins offer one another, and the commands they share. */
import { PartialJSONValue, Token } from '@lumino/coreutils';
import { IDisposable } from '@lumino/disposable';
import { ISignal } from '@lumino/signaling';

import {
  IApiError,
  IChoice,
  IConnectRequest,
  IDiff,
  IInvitation,
  IRuntime,
  ISample,
  ISecrets as ISecretsTold,
  ISession,
  IUsage,
  IVersion,
  IWish,
  Parting
} from './api';
import {
  IDataset,
  ILedgerFilter,
  ILedgerRecord,
  IPreview,
  ISeen,
  ITransfer,
  RuntimeClass
} from './data/wire';

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

  /** Connect a runtime; `told` hears its steps, each time all of them, and `signal` gives up. */
  connect(
    request: IConnectRequest,
    told: (steps: readonly string[]) => void,
    signal: AbortSignal
  ): Promise<IRuntime>;
  invite(name: string): Promise<IInvitation>;
  disconnect(name: string, parting: Parting): Promise<void>;
  start(name: string): Promise<void>;
  restart(name: string): Promise<void>;
  usage(name: string, kernel: string | null): Promise<IUsage>;
  /** What was measured within the last ten minutes, the oldest first. */
  past(name: string): Promise<ISample[]>;
  /** Where a notebook on this runtime may run that wants an accelerator, the best first. */
  choices(name: string, wish: IWish): Promise<IChoice[]>;
  sessions(name: string): Promise<ISession[]>;
  shutDown(name: string, remoteId: string): Promise<void>;
  restartKernel(name: string, remoteId: string): Promise<void>;
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

/** The data at home: what there is, what of it may leave, what does and what did. */
export interface IData {
  datasets(): Promise<IDataset[]>;
  /** The policy of a dataset, for each class of runtimes. */
  seen(name: string): Promise<ISeen[]>;
  /** The first rows as a class of runtimes gets them. It is a query, and the ledger knows it. */
  preview(name: string, runtimeClass: RuntimeClass): Promise<IPreview>;
  /** The queries that run and those that ended last, the newest first. */
  transfers(): Promise<ITransfer[]>;
  /** Stop a query at home. */
  cancelTransfer(id: string): Promise<void>;
  /** What crossed and what was refused, the newest first, 100 at most. */
  ledger(filter: ILedgerFilter): Promise<ILedgerRecord[]>;
}

export const IData = new Token<IData>(
  'ropeway:IData',
  'The data at home: datasets, policies, transfers and the ledger.'
);

/** The secrets at home; a value goes there and never comes back. */
export interface ISecrets {
  /** As a notebook may have them, and what waits for an answer. */
  secrets(notebook: string): Promise<ISecretsTold>;
  setSecret(name: string, value: string): Promise<void>;
  removeSecret(name: string): Promise<void>;
  /** Let a notebook read it on runtimes up to that class; no more where it is empty. */
  allowSecret(name: string, notebook: string, farthest: RuntimeClass | ''): Promise<void>;
  answerSecret(question: string, allowed: boolean): Promise<void>;
}

/** Files between this page and cells. */
export interface IFiles {
  /** Whether a cell still waits for that upload. */
  uploadWaits(id: string): Promise<boolean>;
  /** Resolves when there is room for the next piece. */
  uploadPiece(id: string, name: string, at: number, size: number, piece: Blob): Promise<void>;
  /** There are no more files. */
  endUpload(id: string): Promise<void>;
  downloadUrl(id: string): string;
}

export namespace CommandIDs {
  /** Show the data at home in the sidebar. */
  export const data = 'ropeway:data';
  /** Show the secrets in the sidebar. */
  export const secrets = 'ropeway:secrets';
  /** Show what runtimes and kernels use in the sidebar. */
  export const resources = 'ropeway:resources';
  /** Show the kept versions of the current notebook. */
  export const history = 'ropeway:history';
  /** Show everything that the active cell printed. */
  export const output = 'ropeway:show-output';
  /** Run the active cell on `{runtime}`; the empty name is the notebook's own runtime. */
  export const place = 'ropeway:place-cell';
  /** Show where the active cell can run, to choose. */
  export const choose = 'ropeway:choose-place';
  /** Show of the active cell its `-form`, its `-code` or `-both`. */
  export const form = 'ropeway:show';
  /** Run the current notebook, or the one in `panel`, on `{runtime, kernel?, panel?}`. */
  export const use = 'ropeway:use-runtime';
  /**
   * Ask for a runtime's URL and connect it; `{name?}` fills in the name, with `{use: false}` it is
   * not offered to the current notebook.
   */
  export const add = 'ropeway:add-runtime';
  /** Show every runtime with what runs on it. */
  export const manage = 'ropeway:manage-runtimes';
}
