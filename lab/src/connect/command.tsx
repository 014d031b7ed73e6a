import { copyIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

/** A command to run in a shell, with a button that copies it. */
export function Command({ text }: { text: string }): JSX.Element {
  const [said, say] = React.useState('');
  const code = React.useRef<HTMLElement>(null);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      say('Copied');
    } catch {
      // Pages without TLS have no clipboard; a selection is one key away from it.
      if (code.current) {
        window.getSelection()?.selectAllChildren(code.current);
      }
      say('Selected: copy it with Ctrl+C');
    }
  };
  return (
    <div className="rw-Command">
      <code ref={code}>{text}</code>
      <button
        type="button"
        className="rw-Small jp-mod-styled"
        aria-label={`Copy ${text}`}
        onClick={() => void copy()}
      >
        <copyIcon.react tag="span" width="14px" height="14px" /> Copy
      </button>
      <span role="status">{said}</span>
    </div>
  );
}
