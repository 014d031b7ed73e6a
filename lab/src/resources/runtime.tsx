import * as React from 'react';

import { IAmount, IRuntime, ISession, IUsage } from '../api';
import { figures, share } from '../connect/view';
import { Problem } from '../problem';
import { Gauge, GraphGauge } from './gauge';
import { IDot } from './graph';
import { KernelTable } from './kernels';
import { IPoint, IResources } from './model';

export interface IRuntimeResourcesProps {
  runtime: IRuntime;
  resources: IResources;
  onRestart: (session: ISession) => Promise<void>;
}

/** One runtime: its memory, disk and GPUs, and what each kernel holds of them. */
export function RuntimeResources(props: IRuntimeResourcesProps): JSX.Element {
  const { runtime, resources, onRestart } = props;
  const { usage, points, sessions, problem } = resources;
  const heading = `rw-resources-${runtime.name}`;
  return (
    <section className="rw-Runtime" aria-labelledby={heading}>
      <div className="rw-Runtime-head">
        <h3 id={heading}>{runtime.name}</h3>
        <span className="rw-Runtime-address">{runtime.address}</span>
      </div>
      {problem && <Problem problem={problem} />}
      {!usage && !problem && <p>Asking {runtime.name}…</p>}
      {usage && <Machine usage={usage} points={points} />}
      <KernelTable
        sessions={sessions}
        held={usage?.kernels ?? []}
        hasGpu={(usage?.gpus.length ?? 0) > 0}
        onRestart={onRestart}
      />
    </section>
  );
}

function Machine({ usage, points }: { usage: IUsage; points: readonly IPoint[] }): JSX.Element {
  const now = points[points.length - 1]?.time ?? 0;
  const dots = (share: (usage: IUsage) => number | null | undefined): IDot[] =>
    points.flatMap(({ time, usage }) => {
      const found = share(usage);
      return found === null || found === undefined ? [] : [{ time, share: found }];
    });
  return (
    <>
      {usage.ram && (
        <GraphGauge
          label="RAM"
          {...figured(usage.ram)}
          dots={dots(({ ram }) => ram && share(ram))}
          now={now}
        />
      )}
      {usage.gpus.map((gpu, index) => {
        const name = usage.gpus.length > 1 ? `GPU ${index}` : 'GPU';
        return (
          <React.Fragment key={index}>
            <GraphGauge
              label={`${name} · ${gpu.name}`}
              name={`Memory of ${name}, ${gpu.name}`}
              {...figured(gpu)}
              dots={dots(({ gpus }) => gpus[index] && share(gpus[index]))}
              now={now}
            />
            {gpu.busy !== null && (
              <GraphGauge
                label={`${name} busy`}
                text={`${Math.round(gpu.busy * 100)}%`}
                share={0} // much to do is nothing to warn of
                dots={dots(({ gpus }) => gpus[index]?.busy)}
                now={now}
              />
            )}
          </React.Fragment>
        );
      })}
      {usage.disk && <Gauge label="Disk" {...figured(usage.disk)} />}
    </>
  );
}

function figured(amount: IAmount): { text: string; share: number } {
  return { text: figures(amount), share: share(amount) };
}
