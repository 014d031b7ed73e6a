import { HTMLSelect } from '@jupyterlab/ui-components';
import * as React from 'react';

export interface IChoiceProps {
  label: string;
  value: string;
  /** Each value with its words. */
  options: readonly (readonly [string, string])[];
  onChoose: (value: string) => void;
}

/** One of several, in a list that opens. */
export function Choice({ label, value, options, onChoose }: IChoiceProps): JSX.Element {
  const id = React.useId();
  return (
    <div className="rw-Choice">
      <label htmlFor={id}>{label}</label>
      <HTMLSelect
        id={id}
        value={value}
        options={options.map(([each, words]) => ({ value: each, label: words }))}
        onChange={event => onChoose(event.currentTarget.value)}
      />
    </div>
  );
}
