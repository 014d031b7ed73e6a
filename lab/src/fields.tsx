import { HTMLSelect } from '@jupyterlab/ui-components';
import * as React from 'react';

interface IFieldProps {
  label: string;
  name: string;
  help?: string;
  hidden?: boolean;
}

export interface ITextProps extends IFieldProps {
  type?: string;
  placeholder?: string;
  value?: string;
  required?: boolean;
  onInput?: (value: string) => void;
}

/** A line to fill in. */
export function Field(props: ITextProps): JSX.Element {
  const id = React.useId();
  return (
    <div className="rw-Field" hidden={props.hidden}>
      <label className="rw-Field-label" htmlFor={id}>
        {props.label}
      </label>
      <input
        className="jp-mod-styled"
        id={id}
        name={props.name}
        type={props.type ?? 'text'}
        placeholder={props.placeholder}
        defaultValue={props.value}
        required={props.required}
        onInput={event => props.onInput?.(event.currentTarget.value)}
        aria-describedby={props.help && `${id}-help`}
        autoComplete="off"
        autoCapitalize="off"
        spellCheck={false}
      />
      <Help id={`${id}-help`} text={props.help} />
    </div>
  );
}

export interface IChoiceProps extends IFieldProps {
  options: { value: string; label: string }[];
}

/** One of several. */
export function Choice(props: IChoiceProps): JSX.Element {
  const id = React.useId();
  return (
    <div className="rw-Field" hidden={props.hidden}>
      <label className="rw-Field-label" htmlFor={id}>
        {props.label}
      </label>
      <HTMLSelect
        id={id}
        name={props.name}
        aria-describedby={props.help && `${id}-help`}
        options={props.options}
      />
      <Help id={`${id}-help`} text={props.help} />
    </div>
  );
}

function Help({ id, text }: { id: string; text?: string }): JSX.Element | null {
  return text ? (
    <span className="rw-Field-help" id={id}>
      {text}
    </span>
  ) : null;
}
