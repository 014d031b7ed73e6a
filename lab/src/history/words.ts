/** Versions and changes in words: no widgets, no server. */
import { IChange, IVersion } from '../api';

const REASONS: Record<string, string> = {
  saved: 'saved',
  run: 'written after a run',
  found: 'found on disk',
  dropped: 'dropped in the page',
  restored: 'restored',
  replaced: 'before a restore'
};

export function reasonOf(version: IVersion): string {
  return REASONS[version.why] ?? version.why;
}

/** When a version was kept, in the reader's own time. */
export function timeOf(version: IVersion): string {
  return new Date(version.time).toLocaleString(undefined, {
    dateStyle: 'medium',
    timeStyle: 'medium'
  });
}

/** `3 cells, 2 outputs, 12 kB`. */
export function sizeOf(version: IVersion): string {
  const size =
    version.size < 999_500
      ? `${Math.ceil(version.size / 1000)} kB`
      : `${(version.size / 1e6).toFixed(1)} MB`;
  return `${count(version.cells, 'cell')}, ${count(version.outputs, 'output')}, ${size}`;
}

function count(amount: number, noun: string): string {
  return amount === 1 ? `1 ${noun}` : `${amount} ${noun}s`;
}

const KINDS: Record<IChange['kind'], string> = {
  added: 'added since',
  removed: 'removed since',
  edited: 'edited since',
  outputs: 'other outputs since',
  moved: 'moved since',
  metadata: 'other metadata since'
};

/** `Code cell 3: edited since`; cells are counted as they stand now, removed ones as they stood. */
export function titleOf(change: IChange): string {
  const place = change.new ?? change.old;
  const type = change.type.charAt(0).toUpperCase() + change.type.slice(1);
  const what = place === null ? type : `${type} cell ${place + 1}`;
  return `${what}: ${KINDS[change.kind]}`;
}
