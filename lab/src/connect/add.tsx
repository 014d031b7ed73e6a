import { Dialog, ReactWidget } from '@jupyterlab/apputils';
import { Signal } from '@lumino/signaling';
import { UseSignal } from '@jupyterlab/ui-components';
import * as React from 'react';

import { ApiError, IApiError, IRuntime } from '../api';
import { WorkDialog } from '../dialog';
import { Problem } from '../problem';
import { IRuntimes } from '../tokens';
import { Command } from './command';
import { Invite } from './invite';

export interface IAddOptions {
  /** A name to begin with. */
  name: string;
  /** Whether there is a notebook that could run on the new runtime. */
  offerUse: boolean;
}

export interface IAddAnswer {
  runtime: IRuntime;
  /** Whether the notebook shall run on it. */
  use: boolean;
}

/** Ask for a runtime's URL until it is connected; null when the user gave up. */
export async function askForRuntime(
  runtimes: IRuntimes,
  options: IAddOptions
): Promise<IAddAnswer | null> {
  const form = new AddForm(runtimes, options);
  const dialog = new WorkDialog<IAddAnswer | null>(
    {
      title: 'Add a runtime',
      body: form,
      buttons: [Dialog.cancelButton(), Dialog.okButton({ label: 'Connect' })],
      focusNodeSelector: 'input'
    },
    () => form.submit()
  );
  const result = await dialog.launch();
  return result.button.accept ? form.getValue() : null;
}

class AddForm extends ReactWidget {
  constructor(
    private readonly _runtimes: IRuntimes,
    private readonly _options: IAddOptions
  ) {
    super();
    this.addClass('rw-Add');
  }

  getValue(): IAddAnswer | null {
    return this._answer;
  }

  /** Whether the runtime is connected now; if not, the form says why and keeps its fields. */
  async submit(): Promise<boolean> {
    const url = this._field('url');
    if (!url) {
      this._show(new ApiError('The URL is missing.', 'Paste what the other machine printed.'));
      return false;
    }
    const token = this._field('token');
    const name = this._field('name');
    const fingerprint = this._field('fingerprint');
    this._show(null, true);
    try {
      const runtime = await this._runtimes.connect({
        url,
        ...(token ? { token } : {}),
        ...(name ? { name } : {}),
        ...(fingerprint ? { fingerprint } : {})
      });
      const use = this.node.querySelector<HTMLInputElement>('input[name=use]');
      this._answer = { runtime, use: use?.checked ?? false };
      return true;
    } catch (reason) {
      this._show(ApiError.from(reason));
      return false;
    }
  }

  protected override render(): JSX.Element {
    return (
      <UseSignal signal={this._changed}>
        {() => (
          <Form
            {...this._options}
            runtimes={this._runtimes}
            typedName={() => this._field('name')}
            problem={this._problem}
            working={this._working}
          />
        )}
      </UseSignal>
    );
  }

  private _field(name: string): string {
    return this.node.querySelector<HTMLInputElement>(`input[name=${name}]`)?.value.trim() ?? '';
  }

  private _show(problem: IApiError | null, working = false): void {
    this._problem = problem;
    this._working = working;
    this._changed.emit();
  }

  private readonly _changed = new Signal<this, void>(this);
  private _problem: IApiError | null = null;
  private _working = false;
  private _answer: IAddAnswer | null = null;
}

interface IFormProps extends IAddOptions {
  runtimes: IRuntimes;
  typedName: () => string;
  problem: IApiError | null;
  working: boolean;
}

/** The fields keep their own values: React would write a token into the page's attributes. */
function Form(props: IFormProps): JSX.Element {
  const { name, offerUse, problem, working } = props;
  return (
    <>
      <Field
        label="URL of its Jupyter server"
        name="url"
        placeholder="http://gpu-box:8888/lab?token=…"
        help="As the server printed it, with or without a token. A JupyterHub starts your server for hub+https://HUB?server=NAME&profile=SLUG."
      />
      <Field label="Token" name="token" type="password" help="Only if the URL has none." />
      <Field
        label="Name"
        name="name"
        placeholder="gpu"
        value={name}
        help="What to call it here; optional."
      />
      <Field
        label="Fingerprint"
        name="fingerprint"
        placeholder="sha256:…"
        help="Of its TLS certificate, only if the server printed one."
      />
      {offerUse && (
        <label className="rw-Check">
          <input type="checkbox" name="use" defaultChecked /> Use it in this notebook
        </label>
      )}
      <p className="rw-Field-help">
        Its owner can read what runs there, and what a cell shows may hold scripts that act as you
        in this page: add only machines of people you trust.
      </p>
      <div role="alert">{problem && <Problem problem={problem} />}</div>
      <div role="status" className="rw-Working">
        {working && (
          <>
            <span className="rw-Spinner" /> Connecting…
          </>
        )}
      </div>
      <details className="rw-Help">
        <summary>No server there yet?</summary>
        <p>Run this on the other machine; it prints the URL to paste above:</p>
        <Command text="ropeway runtime" />
        <p>Or connect it from a shell at home:</p>
        <Command text={`ropeway connect URL --name ${name || 'gpu'}`} />
        <Invite runtimes={props.runtimes} name={props.typedName} />
      </details>
    </>
  );
}

function Field(props: {
  label: string;
  name: string;
  help: string;
  type?: string;
  placeholder?: string;
  value?: string;
}): JSX.Element {
  const id = `rw-add-${props.name}`;
  return (
    <div className="rw-Field">
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
        aria-describedby={`${id}-help`}
        autoComplete="off"
        autoCapitalize="off"
        spellCheck={false}
      />
      <span className="rw-Field-help" id={`${id}-help`}>
        {props.help}
      </span>
    </div>
  );
}
