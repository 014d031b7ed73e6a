import * as React from 'react';

import { ApiError, IApiError, IRuntime, Parting } from '../api';
import { inWords } from '../duration';
import { Problem } from '../problem';
import { ISessionList } from './model';
import { IQuestionProps, Question } from './question';
import { SessionTable } from './table';

export interface IRuntimeSectionProps {
  runtime: IRuntime;
  list: ISessionList;
  onShutDown: (remoteId: string) => Promise<void>;
  onDisconnect: (parting: Parting) => Promise<void>;
  onStart: () => Promise<void>;
  onRestart: () => Promise<void>;
}

/** One runtime: where it is, how it is, what runs on it, and what can be done about that. */
export function RuntimeSection(props: IRuntimeSectionProps): JSX.Element {
  const { runtime, list } = props;
  const [asking, ask] = React.useState<'disconnect' | 'restart' | null>(null);
  const [working, setWorking] = React.useState(false);
  const [problem, setProblem] = React.useState<IApiError | null>(null);
  const alive = React.useRef(true);
  React.useEffect(() => {
    alive.current = true;
    return () => void (alive.current = false);
  }, []);

  const run = async (work: () => Promise<void>): Promise<void> => {
    ask(null);
    setProblem(null);
    setWorking(true);
    let found: IApiError | null = null;
    try {
      await work();
    } catch (reason) {
      found = ApiError.from(reason);
    }
    if (alive.current) {
      setProblem(found);
      setWorking(false);
    }
  };

  const heading = `rw-runtime-${runtime.name}`;
  return (
    <section className="rw-Runtime" aria-labelledby={heading} aria-busy={working}>
      <div className="rw-Runtime-head">
        <h3 id={heading}>{runtime.name}</h3>
        <span className="rw-State" data-state={runtime.state}>
          {runtime.state}
        </span>
        <span className="rw-Runtime-address">
          {runtime.address}
          {runtime.kind !== 'here' && ` · class ${runtime.runtime_class}`}
          {runtime.state === 'connected' &&
            runtime.stop_idle > 0 &&
            ` · stops after ${inWords(runtime.stop_idle)} idle`}
        </span>
        {working && <span className="rw-Spinner" role="status" aria-label="Working" />}
        {runtime.state === 'stopped' && (
          <button
            type="button"
            className="rw-Small jp-mod-styled"
            disabled={working}
            onClick={() => void run(props.onStart)}
          >
            Start
          </button>
        )}
        <button
          type="button"
          className="rw-Small jp-mod-styled"
          disabled={working}
          onClick={() => ask(runtime.kind === 'here' ? 'restart' : 'disconnect')}
        >
          {runtime.kind === 'here' ? 'Restart' : 'Disconnect'}
        </button>
      </div>
      {runtime.detail && runtime.state !== 'connected' && (
        <p className="rw-Runtime-detail">{runtime.detail}</p>
      )}
      {asking === 'disconnect' && (
        <Question
          {...disconnectQuestion(runtime, parting => void run(() => props.onDisconnect(parting)))}
          onCancel={() => ask(null)}
        />
      )}
      {asking === 'restart' && (
        <Question
          text="Restart the runtime here? All its kernels end, and their variables are lost."
          choices={[['Restart', () => void run(props.onRestart)]]}
          onCancel={() => ask(null)}
        />
      )}
      <div role="alert">{problem && <Problem problem={problem} />}</div>
      {list.problem && <Problem problem={list.problem} />}
      {runtime.state === 'connected' && (
        <SessionTable
          runtime={runtime}
          sessions={list.sessions}
          onShutDown={id => run(() => props.onShutDown(id))}
        />
      )}
    </section>
  );
}

/** Kernels can only be shut down where they can be reached. */
function disconnectQuestion(
  { name, state, stoppable }: IRuntime,
  disconnect: (parting: Parting) => void
): Pick<IQuestionProps, 'text' | 'choices'> {
  const stop: IQuestionProps['choices'] =
    stoppable && state !== 'stopped' ? [['Stop it', () => disconnect('stop')]] : [];
  if (state !== 'connected') {
    return {
      text: `Disconnect ${name}, for all your workspaces? Kernels that still run there go on.`,
      choices: [[`Disconnect ${name}`, () => disconnect('keep')], ...stop]
    };
  }
  return {
    text: `Disconnect ${name}, for all your workspaces? Its kernels can go on.`,
    choices: [
      ['Keep kernels running', () => disconnect('keep')],
      ['Shut kernels down', () => disconnect('shutdown')],
      ...stop
    ]
  };
}
