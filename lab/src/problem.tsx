import * as React from 'react';

import { IApiError } from './api';

/** An error in words: what happened, and what to do about it. */
export function Problem({ message, hint }: Pick<IApiError, 'message' | 'hint'>): JSX.Element {
  return (
    <div className="rw-Problem">
      <div className="rw-Problem-message">{message}</div>
      {hint && <div className="rw-Problem-hint">{hint}</div>}
    </div>
  );
}
