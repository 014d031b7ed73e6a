/** What the Connect button shows, from what is known: no widgets, no server. */
import { IAmount, IApiError, IRuntime, IUsage } from '../api';
import { inWords } from '../duration';

export type Tone = 'none' | 'good' | 'busy' | 'warning' | 'error';

export interface IFacts {
  loaded: boolean;
  runtimes: readonly IRuntime[];
  /** Why the workspace does not answer, or null. */
  problem: IApiError | null;
  /** The kernel of this notebook, or null when it has none. */
  kernel: { name: string; status: string } | null;
  /** The runtime that this notebook is being moved to, or null. */
  switchingTo: string | null;
  /** The runtime that the notebook's metadata names, or null. */
  wants: string | null;
}

export interface IView {
  /** The runtime's name, or "Connect". */
  label: string;
  /** The state in words; empty while there is no kernel. */
  word: string;
  tone: Tone;
  /** Everything in sentences. */
  title: string;
  /** The runtime of this notebook, or null. */
  runtime: IRuntime | null;
  /** The runtime that the notebook wants and this workspace does not have, or null. */
  missing: string | null;
}

export function describe(facts: IFacts): IView {
  const runtime = facts.kernel ? findRuntime(facts.runtimes, facts.kernel.name) : null;
  const missing =
    facts.loaded && facts.wants && !facts.runtimes.some(r => r.name === facts.wants)
      ? facts.wants
      : null;
  const base = { runtime, missing };
  if (facts.switchingTo) {
    const title = `Starting a kernel on ${facts.switchingTo}.`;
    return { ...base, label: facts.switchingTo, word: 'starting', tone: 'busy', title };
  }
  const label = runtime?.name ?? guessRuntime(facts) ?? 'Connect';
  if (facts.problem) {
    const title = sentences(facts.problem.message, facts.problem.hint);
    return { ...base, label, word: 'no answer', tone: 'error', title };
  }
  const view = { ...base, label, ...stateOf(facts, runtime) };
  if (missing && view.tone === 'good') {
    view.word = `wants ${missing}`;
  }
  if (missing) {
    view.title = sentences(
      view.title,
      `This notebook wants the runtime ${missing}, which is not connected.`
    );
  }
  return view;
}

function stateOf(
  facts: IFacts,
  runtime: IRuntime | null
): { word: string; tone: Tone; title: string } {
  if (!facts.kernel) {
    const title = 'This notebook has no kernel. Choose where it runs.';
    return { word: '', tone: 'none', title };
  }
  if (!runtime) {
    return facts.loaded
      ? {
          word: 'disconnected',
          tone: 'error',
          title: 'The runtime of this notebook is not connected to this workspace any more.'
        }
      : { word: '', tone: 'none', title: 'Asking the workspace for its runtimes.' };
  }
  if (runtime.state !== 'connected') {
    return {
      word: runtime.state,
      tone: runtime.state === 'connecting' ? 'busy' : 'error',
      title: sentences(`The runtime ${runtime.name} is ${runtime.state}.`, runtime.detail)
    };
  }
  const [word, tone] = KERNEL_WORDS[facts.kernel.status] ?? ['connected', 'good'];
  const name = facts.kernel.name;
  const kernel = runtime.kernels.find(k => k.name === name)?.display_name ?? name;
  const ends = runtime.stop_idle > 0 ? `It stops after ${inWords(runtime.stop_idle)} idle.` : '';
  const title = sentences(
    `This notebook runs on ${runtime.name} (${runtime.address}) with ${kernel}.`,
    ends
  );
  const good = tone === 'good';
  return { word, tone, title: good ? title : sentences(title, `Kernel: ${word}.`) };
}

/** A kernel's status in a word; those that are missing here need none. */
const KERNEL_WORDS: Record<string, [string, Tone]> = {
  unknown: ['connecting', 'busy'],
  connecting: ['connecting', 'busy'],
  initializing: ['starting', 'busy'],
  starting: ['starting', 'busy'],
  busy: ['busy', 'busy'],
  restarting: ['restarting', 'busy'],
  autorestarting: ['kernel died, restarting', 'warning'],
  terminating: ['shutting down', 'busy'],
  disconnected: ['connection lost', 'error'],
  dead: ['kernel died', 'error']
};

export function findRuntime(runtimes: readonly IRuntime[], kernel: string): IRuntime | null {
  return runtimes.find(r => r.kernels.some(k => k.name === kernel)) ?? null;
}

/** The runtime in a kernel's name (`gpu.python3`), for when the runtime itself is gone. */
function guessRuntime(facts: IFacts): string | null {
  if (!facts.kernel) {
    return null;
  }
  const dot = facts.kernel.name.indexOf('.');
  return dot > 0 ? facts.kernel.name.slice(0, dot) : null;
}

function sentences(...parts: string[]): string {
  return parts.filter(part => part).join(' ');
}

/** One bar: a share from 0 to 1, and the figures in words. */
export interface IMeter {
  label: string;
  share: number;
  text: string;
}

export function metersOf(usage: IUsage | null): IMeter[] {
  const meters: IMeter[] = [];
  if (usage?.ram) {
    meters.push(meter('RAM', usage.ram));
  }
  if (usage?.disk) {
    meters.push(meter('Disk', usage.disk));
  }
  if (usage && usage.gpus.length > 0) {
    const total = usage.gpus.reduce((sum, gpu) => sum + gpu.total, 0);
    const used = usage.gpus.reduce((sum, gpu) => sum + gpu.used, 0);
    const text = usage.gpus.map(gpu => {
      const busy = gpu.busy === null ? '' : `, ${Math.round(gpu.busy * 100)}% busy`;
      return `${gpu.name}: ${figures(gpu)}${busy}`;
    });
    meters.push({ label: 'GPU', share: share({ used, total }), text: text.join('; ') });
  }
  return meters;
}

/** Why there are no bars, as a sentence; empty when there are some. */
export function whyUnmeasured(
  runtime: IRuntime | null,
  usage: IUsage | null,
  problem: IApiError | null
): string {
  if (!runtime || runtime.state !== 'connected' || metersOf(usage).length > 0) {
    return '';
  }
  if (problem) {
    return sentences(`Memory and disk are not measured: ${problem.message}`, problem.hint);
  }
  return usage ? `Memory and disk of ${runtime.name} cannot be measured.` : '';
}

function meter(label: string, amount: IAmount): IMeter {
  return { label, share: share(amount), text: figures(amount) };
}

/** The part in use, from 0 to 1. */
export function share({ used, total }: IAmount): number {
  return total > 0 ? Math.min(1, Math.max(0, used / total)) : 0;
}

/** `3.1 of 25.3 GiB`. */
export function figures({ used, total }: IAmount): string {
  return `${gib(used)} of ${gib(total)} GiB`;
}

function gib(bytes: number): string {
  const value = bytes / 2 ** 30;
  return value < 100 ? value.toFixed(1) : value.toFixed(0);
}
