import { UseSignal } from '@jupyterlab/ui-components';
import * as React from 'react';

import { ApiError, IApiError } from '../api';
import { Problem } from '../problem';
import { Crossing } from './crossing';
import { TransfersModel } from './models/transfers';
import { ITransfer } from './wire';

/** The queries and puts under way, and those that ended last. */
export function Transfers({ model }: { model: TransfersModel }): JSX.Element {
  return (
    <UseSignal signal={model.changed}>
      {() => (
        <>
          <div role="alert">{model.problem && <Problem problem={model.problem} />}</div>
          {!model.transfers && !model.problem && <p>Asking the workspace…</p>}
          {model.transfers?.length === 0 && (
            <p>
              Nothing was asked for since the workspace started. What was before stands in the ledger.
            </p>
          )}
          <ul className="rw-Data-list">
            {model.transfers?.map(transfer => (
              <li key={transfer.id}>
                <Transfer transfer={transfer} onCancel={() => model.cancel(transfer.id)} />
              </li>
            ))}
          </ul>
        </>
      )}
    </UseSignal>
  );
}

interface ITransferProps {
  transfer: ITransfer;
  onCancel: () => Promise<void>;
}

function Transfer({ transfer, onCancel }: ITransferProps): JSX.Element {
  const [problem, setProblem] = React.useState<IApiError | null>(null);
  const cancel = async (): Promise<void> => {
    try {
      setProblem(null);
      await onCancel();
    } catch (reason) {
      setProblem(ApiError.from(reason));
    }
  };
  const name = `${transfer.what} of ${transfer.datasets.join(', ')}`;
  return (
    <Crossing
      what={transfer}
      name={transfer.datasets.join(', ')}
      time={new Date(transfer.began * 1000)}
      size={transfer.bytes_sent}
      problem={problem ?? transfer.error}
    >
      {transfer.state === 'running' && (
        <div className="rw-Crossing-running">
          <progress
            aria-label={`Running: ${name}`}
            {...(transfer.size ? { value: transfer.bytes_sent, max: transfer.size } : {})}
          />
          <button
            type="button"
            className="rw-Small jp-mod-styled"
            aria-label={`Cancel the ${name}`}
            onClick={() => void cancel()}
          >
            Cancel
          </button>
        </div>
      )}
    </Crossing>
  );
}
