import * as React from 'react';

export interface IQuestionProps {
  text: string;
  /** What can be answered besides "Cancel", and what it does. */
  choices: [string, () => void][];
  onCancel: () => void;
}

/** A question inside a dialog: Lab shows no second dialog before the first one is closed. */
export function Question({ text, choices, onCancel }: IQuestionProps): JSX.Element {
  const cancel = React.useRef<HTMLButtonElement>(null);
  React.useEffect(() => {
    const before = document.activeElement;
    cancel.current?.focus();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) {
        before.focus();
      }
    };
  }, []);
  return (
    <div
      className="rw-Question"
      role="group"
      aria-label={text}
      onKeyDown={event => {
        if (event.key === 'Escape') {
          event.stopPropagation();
          onCancel();
        }
      }}
    >
      <span>{text}</span>
      <span className="rw-Question-choices">
        {choices.map(([label, act]) => (
          <button key={label} type="button" className="rw-Small jp-mod-styled" onClick={act}>
            {label}
          </button>
        ))}
        <button
          ref={cancel}
          type="button"
          className="rw-Small jp-mod-styled"
          onClick={onCancel}
        >
          Cancel
        </button>
      </span>
    </div>
  );
}
