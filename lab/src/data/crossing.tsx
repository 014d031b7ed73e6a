import { PathExt } from '@jupyterlab/coreutils';
import * as React from 'react';

import { IApiError } from '../api';
import { Problem } from '../problem';
import { ILedgerEntry, ITransfer } from './wire';
import { bytes, count, moment } from './words';

export interface ICrossingProps {
  what: ITransfer | ILedgerEntry;
  name: string;
  time: Date;
  size: number;
  /** Who asked, where that is known. */
  user?: string;
  problem: IApiError | null;
  children?: React.ReactNode;
}

/** One thing that crossed, crosses or was refused. */
export function Crossing(props: ICrossingProps): JSX.Element {
  const { what, problem } = props;
  const came = ['put', 'artefact'].includes(what.what);
  const isCopy = what.what === 'copy';
  const way = came ? 'from' : isCopy ? 'files from elsewhere, for' : 'to';
  const where = what.runtime && `${way} ${what.runtime} (${what.runtime_class})`;
  const value = 'value' in what && what.value ? what : null;
  const whose = [value && `from ${value.source}`, where, props.user, PathExt.basename(what.notebook), what.road];
  // The rows of a table that comes home are counted at its end.
  const isComing = (came && what.state === 'running') || isCopy;
  const much = value ? value.type : isComing ? '' : count(what.rows, 'row');
  const figures = [much, bytes(props.size), `${what.seconds.toFixed(2)} s`];
  return (
    <article className="rw-Crossing">
      <div className="rw-Crossing-head">
        <h4>{props.name}</h4>
        <span className="rw-State" data-state={what.state}>
          {what.state}
        </span>
      </div>
      <div className="rw-Crossing-note">{moment(props.time)}</div>
      <div title={what.notebook || undefined}>{whose.filter(part => part).join(' · ')}</div>
      <div className="rw-Crossing-figures">{figures.filter(each => each).join(' · ')}</div>
      {what.sql && (
        <details className="rw-Crossing-sql">
          <summary>
            <code>{what.sql.trim().split('\n', 1)[0]}</code>
          </summary>
          <pre tabIndex={0}>{what.sql}</pre>
        </details>
      )}
      {problem && <Problem problem={problem} />}
      {props.children}
    </article>
  );
}
