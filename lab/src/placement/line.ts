/** The first line of a cell that runs elsewhere, `%%on gpu …`: no widgets, no server. */

/** What the line says, as `kernel/on.py` reads it. */
export interface ILine {
  /** The runtime; empty where the line names none. */
  runtime: string;
  /** The memory that a GPU has to have, empty for any; null where the line asks for no GPU. */
  gpu: string | null;
  /** Why the kernel will refuse the line, in a sentence; empty where it will not. */
  problem: string;
}

/** In the place of a runtime's name: whichever has a GPU. */
export const ANY_GPU = '--gpu';

/** Put `text` in the place of what is between `start` and `end`. */
export interface IEdit {
  start: number;
  end: number;
  text: string;
}

/** IPython skips empty lines and indentation before a cell magic, and wants a blank behind it. */
const MAGIC = /^\s*%%on(?= |[^\S\n]*(?:\n|$))/;
/** A word as Python's `shlex.split(…, comments=True)` finds it, with its quotes. */
const WORD = /(?:[^ \t\r'"\\#]|\\[^]|'[^']*'|"(?:\\[^]|[^"\\])*")+/y;
const QUOTED = /\\([^])|'([^']*)'|"((?:\\[^]|[^"\\])*)"/g;
const VARIABLE = /^[\p{XID_Start}_]\p{XID_Continue}*$/u;
const AMOUNT = /^(\d+(?:\.\d+)?)\s*([kMGT])(i?)B$/i;
const OPTIONS = ['--send', '--get', '--gpu', '--fallback'];
const FALLBACKS = ['', 'cpu', 'ask', 'error'];

interface IWord {
  text: string;
  start: number;
  end: number;
}

interface IReading extends ILine {
  /** The words that say where the cell runs: a runtime's name, or what is needed. */
  where: IWord[];
}

/** The first line of a cell that begins with `%%on`; null for any other cell. */
export function read(source: string): ILine | null {
  const place = find(source);
  return place && parse(source.slice(place.start, place.end));
}

/**
 * The source of the same cell on another runtime, `ANY_GPU` for one that has a GPU and null for the
 * notebook's own: the other words of its line and everything below stay.
 */
export function withRuntime(source: string, runtime: string | null): string {
  const place = find(source);
  if (!place) {
    return runtime === null ? source : `%%on ${runtime}\n${source}`;
  }
  const { start, end } = place;
  if (runtime === null) {
    const line = source.lastIndexOf('\n', start - 1) + 1;
    return source.slice(0, line) + source.slice(end + 1);
  }
  let rest = source.slice(start, end);
  for (const word of parse(rest).where.reverse()) {
    rest = rest.slice(0, word.start).trimEnd() + rest.slice(word.end);
  }
  return `${source.slice(0, start)} ${runtime}${rest}${source.slice(end)}`;
}

/** The one place where two texts differ. */
export function difference(before: string, after: string): IEdit {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) {
    start++;
  }
  let same = 0;
  while (same < shorter - start && before.at(-1 - same) === after.at(-1 - same)) {
    same++;
  }
  return { start, end: before.length - same, text: after.slice(start, after.length - same) };
}

/** `16 GB` for `16gb`; null for what is no amount. */
export function amountText(text: string): string | null {
  const [, number, kind, binary] = AMOUNT.exec(text) ?? [];
  if (!Number(number)) {
    return null;
  }
  const unit = kind.toLowerCase() === 'k' && !binary ? 'k' : kind.toUpperCase();
  return `${number} ${unit}${binary.toLowerCase()}B`;
}

/** Where the words behind `%%on` begin and where they end. */
function find(source: string): { start: number; end: number } | null {
  const start = MAGIC.exec(source)?.[0].length;
  if (start === undefined) {
    return null;
  }
  const end = source.indexOf('\n', start);
  return { start, end: end < 0 ? source.length : end };
}

function parse(text: string): IReading {
  const { words, problem } = split(text.trimEnd());
  const found: IReading = { runtime: '', gpu: null, problem, where: [] };
  const refuse = (why: string): void => void (found.problem ||= why);
  let option = '';
  let fallback: string | null = null;
  for (const word of words) {
    const [, key = word.text, value = ''] = /^([^=]*)=([^]*)$/.exec(word.text) ?? [];
    const begins = OPTIONS.includes(key);
    const said = begins ? value : word.text;
    option = begins ? key : option;
    if (!begins && word.text.startsWith('-')) {
      refuse(`%%on has no option ${word.text}.`);
    } else if (option === '--gpu') {
      found.gpu = `${found.gpu ?? ''} ${said}`.trim();
      found.where.push(word);
    } else if (option === '--fallback') {
      fallback = `${fallback ?? ''} ${said}`.trim();
      found.where.push(word);
    } else if (option) {
      const wrong = said.split(',').find(name => name.trim() && !VARIABLE.test(name.trim()));
      refuse(wrong === undefined ? '' : `${wrong.trim()} is not the name of a variable.`);
    } else if (found.runtime) {
      refuse(`%%on wants one runtime, not ${found.runtime} and ${word.text}.`);
    } else {
      found.runtime = word.text;
      found.where.push(word);
    }
  }
  refuse(whyIncomplete(found, fallback));
  return found;
}

function whyIncomplete({ runtime, gpu }: ILine, fallback: string | null): string {
  if (gpu === null) {
    const wanting = runtime ? '' : '%%on wants the name of a runtime.';
    return fallback === null ? wanting : '--fallback belongs to %%on --gpu.';
  }
  if (runtime) {
    return `%%on wants the name of a runtime or --gpu, not ${runtime} and --gpu.`;
  }
  if (gpu && amountText(gpu) === null) {
    return `${gpu} is no amount of memory.`;
  }
  const known = FALLBACKS.includes(fallback ?? '');
  return known ? '' : `--fallback is cpu, ask or error, not ${fallback}.`;
}

/** The words of a line up to its comment, or up to where it cannot be read. */
function split(line: string): { words: IWord[]; problem: string } {
  const words: IWord[] = [];
  let at = 0;
  for (;;) {
    while (at < line.length && ' \t\r'.includes(line[at])) {
      at++;
    }
    if (at === line.length || line[at] === '#') {
      return { words, problem: '' };
    }
    WORD.lastIndex = at;
    const found = WORD.exec(line)?.[0] ?? '';
    const end = at + found.length;
    if (end < line.length && !' \t\r#'.includes(line[end])) {
      return { words, problem: 'The line %%on cannot be read: a quote or a backslash is left open.' };
    }
    words.push({ text: unquoted(found), start: at, end });
    at = end;
  }
}

function unquoted(word: string): string {
  return word.replace(
    QUOTED,
    (_, escaped?: string, single?: string, double?: string) =>
      escaped ?? single ?? double?.replace(/\\(["\\])/g, '$1') ?? ''
  );
}
