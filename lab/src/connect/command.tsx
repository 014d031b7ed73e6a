import { copyIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

export interface ICommandProps {
  text: string;
  /** The name of the button that copies; without it: `Copy` and the text. */
  label?: string;
  /** Further buttons. */
  children?: React.ReactNode;
}

/** Something to run elsewhere, with a button that copies it. */
export function Command({ text, label, children }: ICommandProps): JSX.Element {
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
        aria-label={label ?? `Copy ${text}`}
        onClick={() => void copy()}
      >
        <copyIcon.react tag="span" width="14px" height="14px" /> {label ?? 'Copy'}
      </button>
      {children}
      <span role="status">{said}</span>
    </div>
  );
}
