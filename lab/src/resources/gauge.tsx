import * as React from 'react';

import { Bar, level } from '../connect/meters';
import { drawn, HEIGHT, IDot, WIDTH } from './graph';

export interface IGaugeProps {
  label: string;
  /** What is used now, in words. */
  text: string;
  /** The same from 0 to 1. */
  share: number;
  /** What it is called where it stands alone, as for a screen reader. */
  name?: string;
}

/** One figure with a bar. */
export function Gauge({ label, text, share, name = label }: IGaugeProps): JSX.Element {
  return (
    <div className="rw-Gauge">
      <Figures label={label} text={text} />
      <Bar meter={{ label: name, share, text }} />
    </div>
  );
}

/** One figure with the curve of its last ten minutes. */
export function GraphGauge(props: IGaugeProps & { dots: readonly IDot[]; now: number }): JSX.Element {
  const { label, text, share, name = label, dots, now } = props;
  const { line, area } = drawn(dots, now);
  return (
    <div className="rw-Gauge">
      <Figures label={label} text={text} />
      <svg
        className="rw-Graph"
        data-level={level(share)}
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${name}: ${text}; ${extremes(dots)} in the last 10 minutes`}
      >
        <path className="rw-Graph-area" d={area} />
        <path className="rw-Graph-line" d={line} vectorEffect="non-scaling-stroke" />
      </svg>
    </div>
  );
}

function Figures({ label, text }: { label: string; text: string }): JSX.Element {
  return (
    <div className="rw-Gauge-head">
      <span>{label}</span>
      <span>{text}</span>
    </div>
  );
}

/** `12% to 40%`. */
function extremes(dots: readonly IDot[]): string {
  const shares = dots.map(dot => Math.round(dot.share * 100));
  return `${Math.min(...shares)}% to ${Math.max(...shares)}%`;
}
