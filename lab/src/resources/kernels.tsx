import { refreshIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import { ApiError, IApiError, IKernelUsage, ISession } from '../api';
import { Problem } from '../problem';
import { Question } from '../sessions/question';
import { notebookOf } from '../sessions/table';

export interface IKernelTableProps {
  sessions: readonly ISession[];
  /** What is known of the memory that they hold. */
  held: readonly IKernelUsage[];
  hasGpu: boolean;
  onRestart: (session: ISession) => Promise<void>;
}

/** The kernels of one runtime with the memory that each holds, and a way to free it. */
export function KernelTable(props: IKernelTableProps): JSX.Element {
  const { sessions, held, hasGpu, onRestart } = props;
  const [problem, setProblem] = React.useState<IApiError | null>(null);
  if (sessions.length === 0) {
    return <p>No kernel runs here.</p>;
  }
  const restart = async (session: ISession): Promise<void> => {
    setProblem(null);
    try {
      await onRestart(session);
    } catch (reason) {
      setProblem(ApiError.from(reason));
    }
  };
  return (
    <>
      <table className="rw-Sessions">
        <thead>
          <tr>
            <th scope="col">Kernel</th>
            <th scope="col">RAM</th>
            {hasGpu && <th scope="col">GPU</th>}
            <th>
              <span className="rw-Hidden">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {sessions.map(session => (
            <KernelRow
              key={session.remote_id}
              session={session}
              memory={held.find(each => each.id === session.remote_id)}
              hasGpu={hasGpu}
              onRestart={() => restart(session)}
            />
          ))}
        </tbody>
      </table>
      <div role="alert">{problem && <Problem problem={problem} />}</div>
    </>
  );
}

interface IKernelRowProps {
  session: ISession;
  /** Undefined where it is not known. */
  memory: IKernelUsage | undefined;
  hasGpu: boolean;
  /** Never rejects. */
  onRestart: () => Promise<void>;
}

function KernelRow({ session, memory, hasGpu, onRestart }: IKernelRowProps): JSX.Element {
  const [restarting, setRestarting] = React.useState(false);
  const [question, setQuestion] = React.useState('');
  const restart = async (): Promise<void> => {
    setQuestion('');
    setRestarting(true);
    await onRestart();
    setRestarting(false);
  };
  const press = (): void => {
    if (restarting) {
      return;
    }
    const why = whyAsk(session);
    setQuestion(why);
    if (!why) {
      void restart();
    }
  };
  return (
    <>
      <tr aria-busy={restarting}>
        <td title={session.path ?? undefined}>{notebookOf(session)}</td>
        <td>{memoryText(memory?.ram)}</td>
        {hasGpu && <td>{memoryText(memory?.gpu)}</td>}
        <td>
          <button
            type="button"
            className="rw-Small jp-mod-styled"
            aria-label={`Restart the kernel of ${notebookOf(session)}`}
            title="Restart this kernel: its memory is freed, its variables are lost"
            aria-disabled={restarting} // a disabled button would lose the focus
            onClick={press}
          >
            {restarting ? (
              <span className="rw-Spinner" role="status" aria-label="Restarting" />
            ) : (
              <refreshIcon.react tag="span" width="14px" height="14px" />
            )}
          </button>
        </td>
      </tr>
      {question && (
        <tr>
          <td colSpan={hasGpu ? 4 : 3}>
            <Question
              text={question}
              choices={[['Restart', () => void restart()]]}
              onCancel={() => setQuestion('')}
            />
          </td>
        </tr>
      )}
    </>
  );
}

/** Why one press is too little: work may be lost. Empty where it is enough. */
function whyAsk({ id, state }: ISession): string {
  if (id === null) {
    return 'This kernel was not started from this workspace. Restart it?';
  }
  return state === 'busy' ? 'A cell runs in this kernel. Restart it all the same?' : '';
}

/** `312 MiB`, `1.2 GiB`; a dash where it is not known. */
function memoryText(bytes: number | null | undefined): string {
  if (bytes === null || bytes === undefined) {
    return '–';
  }
  const mebibytes = bytes / 2 ** 20;
  return mebibytes < 1000 ? `${mebibytes.toFixed(0)} MiB` : `${(mebibytes / 1024).toFixed(1)} GiB`;
}
