/** The options of forms, which people write as they like: `{type:"raw", 'allow-input': true}`. */

/** One entry of a list. */
export interface IChoice {
  text: string;
  isQuoted: boolean;
}

const QUOTED = /"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'/y;
const BARE_ITEM = /(?:\([^()]*\)|\[[^[\]]*\]|[^,()[\]])+/y;
const BARE_VALUE = /[^\s,{}"']+/y;
const KEY = /[\w-]+/y;
const BETWEEN = /[\s,]*/y;
const COLON = /\s*:\s*/y;

/** The list that the text begins with, as far as it can be read; null where it begins with none. */
export function readList(text: string): { items: IChoice[]; end: number } | null {
  if (!text.startsWith('[')) {
    return null;
  }
  const items: IChoice[] = [];
  let at = 1;
  for (;;) {
    at += found(BETWEEN, text, at).length;
    const quoted = found(QUOTED, text, at);
    const item = quoted || found(BARE_ITEM, text, at);
    if (!item) {
      return { items, end: text[at] === ']' ? at + 1 : at };
    }
    items.push({ text: quoted ? unquoted(quoted) : item.trim(), isQuoted: quoted !== '' });
    at += item.length;
  }
}

/**
 * The object that the text begins with, as far as it can be read, each value as text; null where it
 * begins with none. `isWhole` says whether all of it was read.
 */
export function readObject(
  text: string
): { entries: Map<string, string>; isWhole: boolean } | null {
  if (!text.startsWith('{')) {
    return null;
  }
  const entries = new Map<string, string>();
  let at = 1;
  for (;;) {
    at += found(BETWEEN, text, at).length;
    const quotedKey = found(QUOTED, text, at);
    const key = quotedKey || found(KEY, text, at);
    const colon = found(COLON, text, at + key.length);
    const start = at + key.length + colon.length;
    const quoted = found(QUOTED, text, start);
    const value = quoted || found(BARE_VALUE, text, start);
    if (!key || !colon || !value) {
      return { entries, isWhole: text.slice(at).trim() === '}' };
    }
    entries.set(quotedKey ? unquoted(quotedKey) : key, quoted ? unquoted(quoted) : value);
    at = start + value.length;
  }
}

function found(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? '';
}

function unquoted(text: string): string {
  const inner = text.slice(1, -1);
  return inner.replace(/\\(?:u([\da-fA-F]{4})|(.))/g, (_, code?: string, one?: string) => {
    if (code) {
      return String.fromCharCode(parseInt(code, 16));
    }
    return one === 'n' ? '\n' : one === 't' ? '\t' : (one ?? '');
  });
}
