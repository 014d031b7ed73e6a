import * as React from 'react';

import { Command } from '../connect/command';
import { Problem } from '../problem';
import { DatasetsModel } from './models/datasets';
import { Columns, Rows } from './rows';
import { snippetFor } from './snippet';
import { IDataset, ISeen } from './wire';
import { count } from './words';

export interface IDatasetProps {
  dataset: IDataset;
  model: DatasetsModel;
  onInsert: (text: string) => void;
}

/** One dataset, which can be dragged into a cell; opened, what there is to know of it. */
export function Dataset({ dataset, model, onInsert }: IDatasetProps): JSX.Element {
  const { name, error } = dataset;
  const { value, problem } = model.seen(name);
  const seen = value?.find(each => each.runtime_class === model.runtimeClass) ?? null;
  const columns = seen?.columns ?? dataset.columns;
  const snippet = snippetFor(name, seen?.allow ?? '');
  return (
    <details
      className="rw-Dataset"
      open={model.isOpen(name)}
      onToggle={event => model.toggle(name, event.currentTarget.open)}
    >
      <summary
        draggable
        title="Drag it into a cell to ask for it"
        onDragStart={event => {
          event.dataTransfer.setData('text/plain', snippet);
          event.dataTransfer.effectAllowed = 'copy';
        }}
      >
        <span className="rw-Dataset-name">{name}</span>
        <span className="rw-Dataset-note">
          {error ? 'cannot be read' : count(columns.length, 'column')}
        </span>
      </summary>
      {error && <Problem problem={unreadable(dataset)} />}
      {problem && <Problem problem={problem} />}
      {!value && !problem && <p>Asking the workspace…</p>}
      {value && !error && (
        <>
          <Command text={snippet} label="Copy snippet">
            <button
              type="button"
              className="rw-Small jp-mod-styled"
              disabled={!model.asker.notebook}
              title={model.asker.notebook ? undefined : 'Open a notebook first'}
              onClick={() => onInsert(snippet)}
            >
              Insert into cell
            </button>
          </Command>
          {seen && <Visible name={name} seen={seen} model={model} />}
        </>
      )}
      {value && <Policy name={name} seen={value} current={model.runtimeClass} />}
    </details>
  );
}

function unreadable({ name, error }: IDataset): { message: string; hint: string; code: string } {
  return {
    message: `${name} cannot be read: ${error}.`,
    hint: `Correct it in ropeway.toml or add it anew; ropeway data show ${name} says more.`,
    code: 'failed'
  };
}

interface IVisibleProps {
  name: string;
  seen: ISeen;
  model: DatasetsModel;
}

/** The columns and the first rows, as the shown class gets them. */
function Visible({ name, seen, model }: IVisibleProps): JSX.Element {
  const preview = model.preview(name);
  return (
    <>
      {seen.columns.length > 0 && <Columns name={name} columns={seen.columns} />}
      {seen.allow === 'rows' && !preview && (
        <p>
          <button
            type="button"
            className="rw-Small jp-mod-styled"
            title="A look is a query: it stands in the ledger"
            onClick={() => void model.askForRows(name)}
          >
            Show first rows
          </button>
        </p>
      )}
      <div role="status">{preview && !preview.value && !preview.problem && 'Asking for rows…'}</div>
      <div role="alert">{preview?.problem && <Problem problem={preview.problem} />}</div>
      {preview?.value && <Rows name={name} preview={preview.value} />}
    </>
  );
}

interface IPolicyProps {
  name: string;
  seen: readonly ISeen[];
  current: string;
}

/** What each class of runtimes may have of a dataset, in words. */
function Policy({ name, seen, current }: IPolicyProps): JSX.Element {
  return (
    <>
      <h4 id={`rw-policy-${name}`}>Policy</h4>
      <dl className="rw-Policy" aria-labelledby={`rw-policy-${name}`}>
        {seen.map(each => (
          <div key={each.runtime_class} data-current={each.runtime_class === current}>
            <dt>
              {each.runtime_class} <span className="rw-State">{each.allow || 'wrong'}</span>
            </dt>
            <dd>{each.error || each.words.join(' ')}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}
