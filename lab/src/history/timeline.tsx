import * as React from 'react';

import { IVersion } from '../api';
import { reasonOf, sizeOf, timeOf } from './words';

export interface ITimelineProps {
  versions: readonly IVersion[];
  chosen: IVersion;
  onChoose: (version: IVersion) => void;
}

/** The versions, the newest first, of which one is chosen. */
export function Timeline({ versions, chosen, onChoose }: ITimelineProps): JSX.Element {
  return (
    <div className="rw-Timeline" role="radiogroup" aria-label="Versions">
      {versions.map(version => (
        <label key={version.id} className="rw-Timeline-version">
          <input
            type="radio"
            name="rw-version"
            checked={version.id === chosen.id}
            onChange={() => onChoose(version)}
          />
          <span>
            <span className="rw-Timeline-time">{timeOf(version)}</span>
            <span className="rw-Timeline-changed">{version.changed}</span>
            <span className="rw-Timeline-size">
              {reasonOf(version)} · {sizeOf(version)}
            </span>
          </span>
        </label>
      ))}
    </div>
  );
}
