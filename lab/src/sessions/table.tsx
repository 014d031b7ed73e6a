import { PathExt, Time } from '@jupyterlab/coreutils';
import * as React from 'react';

import { IRuntime, ISession } from '../api';
import { Question } from './question';

export interface ISessionTableProps {
  runtime: IRuntime;
  /** Null while they are not known yet. */
  sessions: readonly ISession[] | null;
  onShutDown: (remoteId: string) => Promise<void>;
}

/** The running kernels of one runtime. */
export function SessionTable({ runtime, sessions, onShutDown }: ISessionTableProps): JSX.Element {
  const [asking, ask] = React.useState<string | null>(null);
  if (!sessions) {
    return <p>Asking {runtime.name}…</p>;
  }
  if (sessions.length === 0) {
    return <p>Nothing runs here.</p>;
  }
  const end = (session: ISession): void => {
    ask(null);
    void onShutDown(session.remote_id);
  };
  return (
    <table className="rw-Sessions">
      <thead>
        <tr>
          <th scope="col">Notebook</th>
          <th scope="col">Kernel</th>
          <th scope="col">State</th>
          <th scope="col">Last activity</th>
          <th>
            <span className="rw-Hidden">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {sessions.map(session => (
          <React.Fragment key={session.remote_id}>
            <tr>
              <td title={session.path ?? undefined}>{notebookOf(session)}</td>
              <td>{kernelOf(runtime, session)}</td>
              <td>{session.state}</td>
              <td title={session.last_activity ?? undefined}>{activityOf(session)}</td>
              <td>
                <button
                  type="button"
                  className="rw-Small jp-mod-styled"
                  aria-label={`Shut down ${notebookOf(session)}`}
                  // A kernel that was started elsewhere may be somebody else's work.
                  onClick={() => (session.id ? end(session) : ask(session.remote_id))}
                >
                  Shut down
                </button>
              </td>
            </tr>
            {asking === session.remote_id && (
              <tr>
                <td colSpan={5}>
                  <Question
                    text="This kernel was not started from this workspace. Shut it down?"
                    choices={[['Shut down', () => end(session)]]}
                    onCancel={() => ask(null)}
                  />
                </td>
              </tr>
            )}
          </React.Fragment>
        ))}
      </tbody>
    </table>
  );
}

/** The notebook that a kernel belongs to, in a few words. */
export function notebookOf(session: ISession): string {
  if (session.path) {
    return PathExt.basename(session.path);
  }
  return session.id ? 'a kernel without a notebook' : 'started elsewhere';
}

function kernelOf(runtime: IRuntime, session: ISession): string {
  const kernel = runtime.kernels.find(
    k => k.name === session.name || k.name === `${runtime.name}.${session.name}`
  );
  return kernel?.display_name ?? session.name;
}

function activityOf(session: ISession): string {
  const when = session.last_activity ? new Date(session.last_activity) : null;
  return when && !Number.isNaN(when.getTime()) ? Time.formatHuman(when) : '';
}
