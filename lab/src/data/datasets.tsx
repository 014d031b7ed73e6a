import { refreshIcon, UseSignal } from '@jupyterlab/ui-components';
import * as React from 'react';

import { Command } from '../connect/command';
import { Problem } from '../problem';
import { Choice } from './choice';
import { Dataset } from './dataset';
import { DatasetsModel } from './models/datasets';
import { RuntimeClass } from './wire';
import { CLASSES } from './words';

export interface IDatasetsProps {
  model: DatasetsModel;
  /** Write a text into the current notebook. */
  onInsert: (text: string) => void;
}

/** The datasets, each of which opens. */
export function Datasets({ model, onInsert }: IDatasetsProps): JSX.Element {
  return (
    <UseSignal signal={model.changed}>
      {() => (
        <>
          <Head model={model} />
          <div role="alert">{model.problem && <Problem problem={model.problem} />}</div>
          {!model.datasets && !model.problem && <p>Asking the workspace…</p>}
          {model.datasets?.length === 0 && <Empty />}
          <ul className="rw-Data-list">
            {model.datasets?.map(dataset => (
              <li key={dataset.name}>
                <Dataset dataset={dataset} model={model} onInsert={onInsert} />
              </li>
            ))}
          </ul>
        </>
      )}
    </UseSignal>
  );
}

function Head({ model }: { model: DatasetsModel }): JSX.Element {
  const { runtime } = model.asker;
  return (
    <>
      <div className="rw-Data-head">
        <Choice
          label="As seen from"
          value={model.runtimeClass}
          options={CLASSES.map(([name, whose]) => [name, `${name}: ${whose}`])}
          onChoose={name => model.choose(name as RuntimeClass)}
        />
        <Refresh what="datasets" onPress={() => void model.load()} />
      </div>
      {runtime && runtime.name !== 'here' && (
        <p className="rw-Field-help">
          This notebook runs on {runtime.name}, of the class {runtime.runtime_class}.
        </p>
      )}
    </>
  );
}

export function Refresh({ what, onPress }: { what: string; onPress: () => void }): JSX.Element {
  const name = `Refresh the ${what}`;
  return (
    <button
      type="button"
      className="rw-Small jp-mod-styled"
      aria-label={name}
      title={name}
      onClick={onPress}
    >
      <refreshIcon.react tag="span" width="14px" height="14px" />
    </button>
  );
}

function Empty(): JSX.Element {
  return (
    <>
      <p>No dataset was added yet. In a shell at home, in this folder:</p>
      <Command text="ropeway data add sales data/sales.csv" />
      <p>Nothing is copied: cells ask for what they need, and only that leaves home.</p>
    </>
  );
}
