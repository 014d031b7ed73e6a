import * as React from 'react';

import { IChange, IDiff } from '../api';
import { titleOf } from './words';

const KINDS: Record<string, string> = { '+': 'added', '-': 'removed', '@': 'gap' };

/** What changed from a version to the present, cell by cell. */
export function Difference({ diff }: { diff: IDiff }): JSX.Element {
  if (!diff.changes.length) {
    return <p>This is what the notebook holds now.</p>;
  }
  return (
    <>
      <p className="rw-Difference-summary">Since then: {diff.summary}.</p>
      {diff.changes.map((change, number) => (
        <Cell key={number} change={change} />
      ))}
    </>
  );
}

function Cell({ change }: { change: IChange }): JSX.Element {
  return (
    <article className="rw-Difference-cell" data-kind={change.kind}>
      <h4>{titleOf(change)}</h4>
      {change.source.length > 0 && <Lines lines={change.source} />}
      {change.outputs.length > 0 && (
        <>
          <h5>Outputs</h5>
          <Lines lines={change.outputs} />
        </>
      )}
    </article>
  );
}

function Lines({ lines }: { lines: readonly string[] }): JSX.Element {
  return (
    <pre className="rw-Lines">
      {lines.map((line, number) => (
        <div key={number} data-kind={KINDS[line[0]] ?? 'same'}>
          {line === '@' ? '⋯' : line}
        </div>
      ))}
    </pre>
  );
}
