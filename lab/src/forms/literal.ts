/** Python's literals within one line, and where in a line what begins. */

/** Where in a line of code its assignment's `=` and its comment's `#` stand; -1 for none. */
export interface IMarks {
  equals: number;
  comment: number;
}

const STRING =
  /"""(?:\\.|[^\\])*?"""|'''(?:\\.|[^\\])*?'''|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'/y;
const WHOLE = /^([rRuU]?)("""|'''|"|')([^]*)\2$/;
const ESCAPE = /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{1,3})|([^]))/g;
const NAMED: Record<string, string> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"'
};
const NUMBER = /^[+-]?(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?$/;

/** What stands in a line outside its strings; null where a string does not end in it. */
export function marksOf(line: string): IMarks | null {
  let equals = -1;
  let depth = 0;
  for (let at = 0; at < line.length; at++) {
    const char = line[at];
    if (char === '#') {
      return { equals, comment: at };
    } else if (char === '"' || char === "'") {
      STRING.lastIndex = at;
      const length = STRING.exec(line)?.[0].length;
      if (length === undefined) {
        return null;
      }
      at += length - 1;
    } else if ('([{'.includes(char)) {
      depth++;
    } else if (')]}'.includes(char)) {
      depth--;
    } else if (char === '=' && depth === 0 && equals < 0) {
      equals = at;
    }
  }
  return { equals, comment: -1 };
}

export function isNumber(code: string): boolean {
  return NUMBER.test(code) && !/^[+-]?0\d*[1-9]\d*$/.test(code); // 05 is no number in Python
}

export function isString(code: string): boolean {
  return readString(code) !== null;
}

/** What a string literal says; null for f-strings, bytes and all other code. */
export function readString(code: string): string | null {
  const [, prefix, quote, inner] = WHOLE.exec(code) ?? [];
  if (quote === undefined || !isOne(code.slice(prefix.length))) {
    return null;
  }
  if (prefix.toLowerCase() === 'r') {
    return inner;
  }
  if (/(?<!\\)(?:\\\\)*\\N/.test(inner)) {
    return null; // a character by its name: Python knows them, the page does not
  }
  return inner.replace(ESCAPE, decoded);
}

/** A string literal, with the quotes of the one in whose place it comes. */
export function writeString(value: string, before: string): string {
  const quote = /^[rRuU]?'/.test(before) ? "'" : '"';
  const isPlain = !value.includes(quote) && !/\\$|[\0-\x1f\x7f\ud800-\udfff]/u.test(value);
  if (/^[rR]/.test(before) && isPlain && value.includes('\\')) {
    return `${before[0]}${quote}${value}${quote}`;
  }
  const inner = value.replace(/[\\"'\0-\x1f\x7f]|[\ud800-\udfff]/gu, char => {
    if (char === '"' || char === "'") {
      return char === quote ? `\\${char}` : char;
    }
    return { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' }[char] ?? hex(char);
  });
  return `${quote}${inner}${quote}`;
}

/** Whether all of the code is one string: `"a" "b"` is two. */
function isOne(code: string): boolean {
  STRING.lastIndex = 0;
  return STRING.exec(code)?.[0].length === code.length;
}

function decoded(
  whole: string,
  x?: string,
  u?: string,
  U?: string,
  octal?: string,
  other?: string
): string {
  const code = x ?? u ?? U;
  if (code !== undefined) {
    const point = parseInt(code, 16);
    return point > 0x10ffff ? whole : String.fromCodePoint(point);
  }
  return octal ? String.fromCharCode(parseInt(octal, 8)) : (NAMED[other ?? ''] ?? whole);
}

function hex(char: string): string {
  const code = char.charCodeAt(0).toString(16);
  return code.length > 2 ? `\\u${code}` : `\\x${code.padStart(2, '0')}`;
}
