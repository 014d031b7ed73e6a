import * as React from 'react';

import { IApiError } from './api';

/** An error in words: what happened, and what to do about it. */
export function Problem({ problem }: { problem: IApiError }): JSX.Element {
  return (
    <div className="rw-Problem">
      <div className="rw-Problem-message">{problem.message}</div>
      {problem.hint && <div className="rw-Problem-hint">{problem.hint}</div>}
    </div>
  );
}
