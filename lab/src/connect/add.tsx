import { Dialog, ReactWidget } from '@jupyterlab/apputils';
import { Signal } from '@lumino/signaling';
import { UseSignal } from '@jupyterlab/ui-components';
import * as React from 'react';

import { ApiError, IApiError, IConnectRequest, IRuntime } from '../api';
import { WorkDialog } from '../dialog';
import { Choice, Field } from '../fields';
import { Problem } from '../problem';
import { IRuntimes } from '../tokens';
import { Command } from './command';
import { Invite } from './invite';
import { Steps } from './steps';

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
  form.giveUp();
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
    this._show(null, []);
    try {
      const runtime = await this._runtimes.connect(
        {
          url,
          ...this._filled('name'),
          ...this._filled('runtime_class'),
          ...this._ofKind(kindOf(url))
        },
        steps => this._show(null, steps),
        this._giveUp.signal
      );
      const use = this.node.querySelector<HTMLInputElement>('input[name=use]');
      this._answer = { runtime, use: use?.checked ?? false };
      return true;
    } catch (reason) {
      this._show(ApiError.from(reason));
      return false;
    }
  }

  /** The dialog is closed: what is under way is not wanted any more. */
  giveUp(): void {
    this._giveUp.abort();
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
            steps={this._steps}
          />
        )}
      </UseSignal>
    );
  }

  private _field(name: string): string {
    const field = this.node.querySelector<HTMLInputElement>(`.rw-Field [name=${name}]`);
    return field?.value.trim() ?? '';
  }

  /** `{name: value}`, nothing where the field is empty. */
  private _filled(name: string): Record<string, string> {
    const value = this._field(name);
    return value ? { [name]: value } : {};
  }

  /** What only this kind of runtime is asked for. */
  private _ofKind(kind: Kind): Partial<IConnectRequest> {
    if (kind === 'url') {
      return { ...this._filled('token'), ...this._filled('fingerprint') };
    }
    const options = kind === 'colab' ? this._filled('gpu') : {};
    const stop_idle = this._field(kind === 'colab' ? 'stop_idle_colab' : 'stop_idle');
    return { options: stop_idle ? { ...options, stop_idle } : options };
  }

  private _show(problem: IApiError | null, steps: readonly string[] | null = null): void {
    if (!this.isDisposed) {
      this._problem = problem;
      this._steps = steps;
      this._changed.emit();
    }
  }

  private readonly _changed = new Signal<this, void>(this);
  private _problem: IApiError | null = null;
  /** What is under way; null while nothing is. */
  private _steps: readonly string[] | null = null;
  private readonly _giveUp = new AbortController();
  private _answer: IAddAnswer | null = null;
}

type Kind = 'url' | 'ssh' | 'colab';

function kindOf(url: string): Kind {
  if (url.trim() === 'colab') {
    return 'colab';
  }
  return /^ssh:/i.test(url.trim()) ? 'ssh' : 'url';
}

interface IFormProps extends IAddOptions {
  runtimes: IRuntimes;
  typedName: () => string;
  problem: IApiError | null;
  steps: readonly string[] | null;
}

/** The fields keep their own values: React would write a token into the page's attributes. */
function Form(props: IFormProps): JSX.Element {
  const { name, offerUse, problem, steps } = props;
  const [kind, setKind] = React.useState<Kind>('url');
  return (
    <>
      <Field
        label="URL of its Jupyter server, or ssh://…"
        name="url"
        placeholder="http://gpu-box:8888/lab?token=…"
        help="As the server printed it, with or without a token. With ssh://USER@HOST a runtime is installed and started there. A JupyterHub starts your server for hub+https://HUB?server=NAME&profile=SLUG. The word colab asks Google for a VM."
        onInput={url => setKind(kindOf(url))}
      />
      <Field
        label="Token"
        name="token"
        type="password"
        help="Only if the URL has none."
        hidden={kind !== 'url'}
      />
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
        hidden={kind !== 'url'}
      />
      <Choice
        label="Whose machine is it?"
        name="runtime_class"
        help="Policies of datasets know it by that: what of your data may go there."
        options={CLASSES}
      />
      <Choice
        label="Stop when idle"
        name="stop_idle"
        help="Then it ends by itself, but not while a cell runs or what it printed is not here yet."
        options={STOP_IDLE}
        hidden={kind !== 'ssh'}
      />
      <Choice
        label="Hardware"
        name="gpu"
        help="Google charges your account while the VM runs. The first time, run ropeway connect colab in a terminal at home: it signs you in."
        options={HARDWARE}
        hidden={kind !== 'colab'}
      />
      <Choice
        label="Give back when idle"
        name="stop_idle_colab"
        help="By this workspace, while it is open, and not while a cell runs. What is on the VM is lost then."
        options={STOP_IDLE_COLAB}
        hidden={kind !== 'colab'}
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
      <div role="status">{steps && <Steps steps={steps} />}</div>
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

const CLASSES = [
  { value: '', label: 'Decide by how it is reached' },
  { value: 'own', label: 'My own' },
  { value: 'shared', label: 'Shared: others administer it' },
  { value: 'public', label: 'Public: Colab, a rented server' }
];

/** Only a runtime that is started from here can be told when to end. */
const STOP_IDLE = [
  { value: '', label: 'Never' },
  { value: '30m', label: 'After 30 minutes' },
  { value: '1h', label: 'After 1 hour' },
  { value: '2h', label: 'After 2 hours' },
  { value: '8h', label: 'After 8 hours' },
  { value: '1d', label: 'After 1 day' }
];

const HARDWARE = [
  { value: '', label: 'CPU' },
  ...['T4', 'L4', 'G4', 'A100', 'H100'].map(gpu => ({ value: gpu, label: `GPU ${gpu}` }))
];

const STOP_IDLE_COLAB = [
  { value: '', label: 'After 1 hour' },
  { value: '30m', label: 'After 30 minutes' },
  { value: '2h', label: 'After 2 hours' },
  { value: '8h', label: 'After 8 hours' },
  { value: 'never', label: 'Never' }
];
