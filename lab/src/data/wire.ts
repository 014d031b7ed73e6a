/** What the workspace says of the data at home. */

/** What policies tell runtimes apart by; `here` is this machine alone. */
export type RuntimeClass = 'here' | 'own' | 'shared' | 'public';

/** A column; `type` in DuckDB's words. */
export interface IColumn {
  name: string;
  type: string;
}

/** A named table at home; `error` says why it cannot be read, else it is empty. */
export interface IDataset {
  name: string;
  columns: IColumn[];
  error: string;
}

/** What one class of runtimes sees of a dataset; `words` are the policy in sentences. */
export interface ISeen {
  runtime_class: RuntimeClass;
  /** Empty where the policy is wrong: see `error`. */
  allow: 'rows' | 'aggregates' | 'nothing' | '';
  columns: IColumn[];
  words: string[];
  error: string;
}

/** The first rows of a dataset, as short texts. */
export interface IPreview {
  columns: IColumn[];
  preview: string[][];
}

/** What is known of what crosses or crossed: sizes in bytes, times in seconds. */
interface ICrossing {
  id: string;
  /** `query`, `put`, or `copy` of files from elsewhere for a query; in the ledger there is more. */
  what: string;
  datasets: string[];
  sql: string;
  notebook: string;
  runtime: string;
  runtime_class: RuntimeClass;
  road: string;
  rows: number;
  seconds: number;
}

/** A query or put under way, or that was since the data service started. */
export interface ITransfer extends ICrossing {
  state: 'running' | 'done' | 'failed' | 'cancelled' | 'refused';
  /** Seconds since 1970. */
  began: number;
  /** Of a put and of a copy, what came home. */
  bytes_sent: number;
  /** Of a copy, the bytes in all; 0 where nobody knows. */
  size: number;
  error: { message: string; hint: string; code: string } | null;
}

/** What the ledger says of a query, a put or a refusal. */
export interface ILedgerEntry extends ICrossing {
  state: string;
  user: string;
  bytes_crossed: number;
  /** Why it was refused, or how it failed. */
  reason: string;
  /** Of a value between kernels: where it came from, its name, and its type; else empty. */
  source: string;
  value: string;
  type: string;
}

export interface ILedgerRecord {
  number: number;
  /** ISO 8601. */
  time: string;
  entry: ILedgerEntry;
}

/** Which records; what is empty holds nothing back. */
export interface ILedgerFilter {
  dataset: string;
  runtime: string;
  state: string;
  /** How many days back, as a number. */
  days: string;
}
