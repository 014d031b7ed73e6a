import { checkIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

/** What was done already, and what is under way. */
export function Steps({ steps }: { steps: readonly string[] }): JSX.Element {
  const list = React.useRef<HTMLOListElement>(null);
  const shown = steps.length > 0 ? steps : ['Connecting…'];
  const last = shown.length - 1;
  React.useEffect(() => {
    list.current?.lastElementChild?.scrollIntoView({ block: 'nearest' });
  }, [last]);
  return (
    <ol className="rw-Steps" ref={list}>
      {shown.map((step, index) => (
        <li key={index} aria-current={index === last ? 'step' : undefined}>
          {index === last ? (
            <span className="rw-Spinner" />
          ) : (
            <checkIcon.react tag="span" className="rw-Steps-done" width="14px" height="14px" />
          )}
          {step}
        </li>
      ))}
    </ol>
  );
}
