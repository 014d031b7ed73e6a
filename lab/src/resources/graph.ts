/** The lines of a small graph: no widgets, no server. */

/** How far back a graph goes. */
export const SPAN_MS = 600_000;
/** The box that it is drawn in. */
export const WIDTH = 600;
export const HEIGHT = 40;
/** Farther apart than this, nobody knows what was between two dots. */
const GAP_MS = 40_000;

/** A share from 0 to 1 at a time in milliseconds. */
export interface IDot {
  time: number;
  share: number;
}

export interface ILines {
  /** The curve, as the `d` of an SVG path. */
  line: string;
  /** What is below it. */
  area: string;
}

/** The graph of what was until `now`, with a gap wherever nothing was measured. */
export function drawn(dots: readonly IDot[], now: number): ILines {
  const stretches = stretchesOf(dots.filter(dot => dot.time > now - SPAN_MS));
  const line: string[] = [];
  const area: string[] = [];
  for (const stretch of stretches) {
    const places = stretch.map(({ time, share }): [number, number] => [
      WIDTH * (1 - (now - time) / SPAN_MS),
      HEIGHT - 1 - share * (HEIGHT - 2)
    ]);
    if (places.length === 1) {
      places.unshift([places[0][0] - 1, places[0][1]]); // a dot alone would not be seen
    }
    const curve = places.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join('L');
    const first = places[0][0].toFixed(1);
    const last = places[places.length - 1][0].toFixed(1);
    line.push(`M${curve}`);
    area.push(`M${first} ${HEIGHT}L${curve}L${last} ${HEIGHT}Z`);
  }
  return { line: line.join(''), area: area.join('') };
}

function stretchesOf(dots: readonly IDot[]): IDot[][] {
  const stretches: IDot[][] = [];
  let before = -Infinity;
  for (const dot of dots) {
    if (dot.time - before > GAP_MS) {
      stretches.push([]);
    }
    stretches[stretches.length - 1].push(dot);
    before = dot.time;
  }
  return stretches;
}
