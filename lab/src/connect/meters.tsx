import * as React from 'react';

import { IMeter } from './view';

/** Shares above which a bar warns; the figures say the same in words. */
const HIGH = 0.8;
const FULL = 0.95;

/** Small bars for memory, disk and GPU. */
export function Meters({ meters }: { meters: IMeter[] }): JSX.Element {
  return (
    <>
      {meters.map(({ label, share, text }) => (
        <span key={label} className="rw-Meter">
          <span className="rw-Meter-label" aria-hidden="true">
            {label}
          </span>
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
              data-level={share > FULL ? 'full' : share > HIGH ? 'high' : 'fine'}
              style={{ width: `${share * 100}%` }}
            />
          </span>
        </span>
      ))}
    </>
  );
}
