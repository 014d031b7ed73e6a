import { UseSignal } from '@jupyterlab/ui-components';
import * as React from 'react';

import { IApiError } from '../api';
import { Problem } from '../problem';
import { Choice } from './choice';
import { Crossing } from './crossing';
import { Refresh } from './datasets';
import { DatasetsModel } from './models/datasets';
import { LedgerModel } from './models/ledger';
import { ILedgerRecord } from './wire';

/** As many as the workspace gives. */
const MOST = 100;

const STATES = ['done', 'cached', 'refused', 'failed', 'cancelled', 'unfinished'];

const DAYS: readonly [string, string][] = [
  ['1', '1 day'],
  ['7', '7 days'],
  ['31', '31 days'],
  ['365', '1 year'],
  ['', 'all']
];

export interface ILedgerProps {
  model: LedgerModel;
  datasets: DatasetsModel;
}

/** What crossed and what was refused, as it is written down. */
export function Ledger({ model, datasets }: ILedgerProps): JSX.Element {
  React.useEffect(() => void model.load(), [model]);
  return (
    <UseSignal signal={model.changed}>
      {() => (
        <>
          <Filter model={model} datasets={datasets} />
          <div role="alert">{model.problem && <Problem problem={model.problem} />}</div>
          {!model.records && !model.problem && <p>Asking the workspace…</p>}
          {model.records?.length === 0 && <p>No record fits. What crosses is written down here.</p>}
          <ul className="rw-Data-list">
            {model.records?.map(record => (
              <li key={record.number}>
                <Record record={record} />
              </li>
            ))}
          </ul>
          {model.records?.length === MOST && (
            <p>These are the newest {MOST}; ropeway ledger lists all.</p>
          )}
        </>
      )}
    </UseSignal>
  );
}

function Filter({ model, datasets }: ILedgerProps): JSX.Element {
  const { filter } = model;
  const names = datasets.datasets?.map(dataset => dataset.name) ?? [];
  return (
    <div className="rw-Data-head">
      <Choice
        label="Dataset"
        value={filter.dataset}
        options={anyOf([...names, ...model.datasets])}
        onChoose={dataset => model.narrow({ dataset })}
      />
      <Choice
        label="Runtime"
        value={filter.runtime}
        options={anyOf([...datasets.asker.names, ...model.runtimes])}
        onChoose={runtime => model.narrow({ runtime })}
      />
      <Choice
        label="State"
        value={filter.state}
        options={anyOf(STATES)}
        onChoose={state => model.narrow({ state })}
      />
      <Choice
        label="Last"
        value={filter.days}
        options={DAYS}
        onChoose={days => model.narrow({ days })}
      />
      <Refresh what="ledger" onPress={() => void model.load()} />
    </div>
  );
}

function anyOf(values: readonly string[]): (readonly [string, string])[] {
  return [['', 'any'], ...[...new Set(values)].map(value => [value, value] as const)];
}

function Record({ record: { time, entry } }: { record: ILedgerRecord }): JSX.Element {
  const problem: IApiError | null = entry.reason
    ? { message: entry.reason, hint: '', code: entry.state }
    : null;
  return (
    <Crossing
      what={entry}
      name={`${entry.what} ${entry.value || entry.datasets.join(', ')}`}
      time={new Date(time)}
      size={entry.bytes_crossed}
      user={entry.user}
      problem={problem}
    />
  );
}
