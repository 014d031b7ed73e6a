/** What a cell's badge shows, from what is known: no widgets, no server. */
import { IRuntime } from '../api';
import { amountText, ILine } from './line';

export interface IBadge {
  /** The runtime, or what it has to have. */
  text: string;
  /** Whether the cell cannot run as things are. */
  warns: boolean;
  /** Everything in sentences, with what to do. */
  title: string;
}

export interface IKnown {
  /** Whether the workspace has told its runtimes. */
  loaded: boolean;
  runtimes: readonly IRuntime[];
}

export function describe(line: ILine, { loaded, runtimes }: IKnown): IBadge {
  const { runtime, gpu, problem } = line;
  if (problem) {
    const text = runtime || (gpu === null ? 'no runtime' : 'GPU');
    return { text, warns: true, title: `${problem} Press to choose where this cell runs.` };
  }
  if (!runtime) {
    const memory = amountText(gpu ?? '');
    const wanted = memory ? `a GPU that has ${memory} free` : 'a GPU';
    const title = `This cell runs on a runtime with ${wanted}, which Ropeway picks.`;
    return { text: memory ? `GPU ${memory}` : 'GPU', warns: false, title };
  }
  const found = runtimes.find(each => each.name === runtime);
  if (!loaded || found?.state === 'connected') {
    const address = found ? ` (${found.address})` : '';
    return { text: runtime, warns: false, title: `This cell runs on ${runtime}${address}.` };
  }
  const state = found?.state ?? 'not connected';
  const why = found
    ? `The runtime ${runtime} is ${state}. ${found.detail}`.trim()
    : `No runtime ${runtime} is connected.`;
  const title = `${why} Press to choose another one or to add it.`;
  return { text: `${runtime} · ${state}`, warns: true, title };
}
