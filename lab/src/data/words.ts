/** Data at home in words: no widgets, no server. */
import { RuntimeClass } from './wire';

/** Every class of runtimes, and whose machines those are. */
export const CLASSES: readonly [RuntimeClass, string][] = [
  ['here', 'this machine'],
  ['own', 'your own machines'],
  ['shared', 'machines that others administer'],
  ['public', 'anybody’s machines']
];

/** `1 row`, `1,234 rows`. */
export function count(amount: number, noun: string): string {
  return amount === 1 ? `1 ${noun}` : `${amount.toLocaleString('en')} ${noun}s`;
}

/** `45 kB`, `12.3 MB`, as the line below a result says it. */
export function bytes(amount: number): string {
  if (amount < 1000) {
    return `${amount} B`;
  }
  const units = ['kB', 'MB', 'GB', 'TB', 'PB'];
  let size = amount / 1000;
  let unit = 0;
  while (size >= (unit === 0 ? 999.5 : 999.95) && unit < units.length - 1) {
    size /= 1000;
    unit++;
  }
  return `${size.toFixed(unit === 0 ? 0 : 1)} ${units[unit]}`;
}

/** A moment in the reader's own time. */
export function moment(time: Date): string {
  return time.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
}
