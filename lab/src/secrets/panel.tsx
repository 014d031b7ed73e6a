import { ReactWidget } from '@jupyterlab/apputils';
import { closeIcon, UseSignal } from '@jupyterlab/ui-components';
import { Message } from '@lumino/messaging';
import * as React from 'react';

import { ISecret } from '../api';
import { Field } from '../fields';
import { secretsIcon } from '../icons';
import { Problem } from '../problem';
import { SecretsModel } from './model';

/** The sidebar's view of the secrets: names and who may read them, never a value. */
export class SecretsPanel extends ReactWidget {
  constructor(private readonly _model: SecretsModel) {
    super();
    this.id = 'ropeway-secrets';
    this.addClass('rw-Secrets');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', 'Secrets');
    this.title.caption = 'Secrets';
    this.title.icon = secretsIcon;
  }

  protected override render(): JSX.Element {
    const model = this._model;
    return (
      <UseSignal signal={model.changed}>
        {() => (
          <>
            <List model={model} />
            <div role="alert">{model.problem && <Problem problem={model.problem} />}</div>
            <Add model={model} />
          </>
        )}
      </UseSignal>
    );
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    void this._model.load();
  }
}

function List({ model }: { model: SecretsModel }): JSX.Element {
  const { notebook, secrets } = model;
  const name = notebook.split('/').pop();
  return (
    <>
      <p>{name ? `${name} may read` : 'Open a notebook to let it read secrets.'}</p>
      {secrets?.length === 0 && <p className="rw-Field-help">No secret is kept yet.</p>}
      <ul className="rw-Data-list">
        {secrets?.map(secret => (
          <li key={secret.name}>
            <Secret secret={secret} model={model} />
          </li>
        ))}
      </ul>
    </>
  );
}

function Secret({ secret, model }: { secret: ISecret; model: SecretsModel }): JSX.Element {
  const { name, runtime_class: farthest } = secret;
  const remove = `Remove ${name}`;
  return (
    <div className="rw-Secret">
      <label>
        <input
          type="checkbox"
          role="switch"
          checked={farthest !== ''}
          disabled={!model.notebook}
          onChange={event => void model.allow(name, event.currentTarget.checked)}
        />
        <span className="rw-Secret-name">{name}</span>
      </label>
      {farthest && <span className="rw-Field-help">on runtimes up to {farthest}</span>}
      <button
        type="button"
        className="rw-Small jp-mod-styled"
        aria-label={remove}
        title={remove}
        onClick={() => void model.remove(name)}
      >
        <closeIcon.react tag="span" width="14px" height="14px" />
      </button>
    </div>
  );
}

function Add({ model }: { model: SecretsModel }): JSX.Element {
  const submit = async (event: React.FormEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    const form = event.currentTarget;
    const told = new FormData(form);
    if (await model.add(String(told.get('name')).trim(), String(told.get('value')))) {
      form.reset();
    }
  };
  return (
    <form className="rw-Secrets-add" onSubmit={event => void submit(event)}>
      <Field label="Name" name="name" placeholder="HF_TOKEN" required />
      <Field label="Value" name="value" type="password" required />
      <button type="submit" className="jp-mod-styled">
        Keep at Home
      </button>
      <p className="rw-Field-help">
        It stays at home and is not shown again. In a cell: userdata.get(&quot;NAME&quot;), from
        google.colab.
      </p>
    </form>
  );
}
