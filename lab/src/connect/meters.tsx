import * as React from 'react';

import { IMeter } from './view';

/** Shares above which a bar warns; the figures say the same in words. */
const HIGH = 0.8;
const FULL = 0.95;

/** Whether a share is worth a warning. */
export function level(share: number): 'fine' | 'high' | 'full' {
  return share > FULL ? 'full' : share > HIGH ? 'high' : 'fine';
}

/** Small bars for memory, disk and GPU. */
export function Meters({ meters }: { meters: IMeter[] }): JSX.Element {
  return (
    <>
      {meters.map(meter => (
        <span key={meter.label} className="rw-Meter">
          <span className="rw-Meter-label" aria-hidden="true">
            {meter.label}
          </span>
          <Bar meter={meter} />
        </span>
      ))}
    </>
  );
}

/** A bar as long as the share. */
export function Bar({ meter: { label, share, text } }: { meter: IMeter }): JSX.Element {
  return (
    <span
      className="rw-Meter-track"
      role="meter"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(share * 100)}
      aria-valuetext={text}
    >
      <span
        className="rw-Meter-fill"
        data-level={level(share)}
        style={{ width: `${share * 100}%` }}
      />
    </span>
  );
}
