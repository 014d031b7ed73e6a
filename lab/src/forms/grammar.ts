/**
 * Colab's forms in the source of a cell, line by line: no widgets, no JupyterLab.
 *
 * Lines are read for themselves, since many a cell with a form is no Python: it has `!` and `%`
 * lines, or begins with `%%`.
 */
import type { IEdit } from '../placement/line';
import { isNumber, isString, marksOf, readString, writeString } from './literal.ts';
import { readList, readObject } from './options.ts';

/** What of a cell is shown. */
export type View = 'form' | 'code' | 'both';

/** How a value is written: as a string, or as it is. */
export type Type = 'string' | 'date' | 'number' | 'integer' | 'slider' | 'boolean' | 'raw';

export interface IParam {
  kind: 'param';
  name: string;
  type: Type;
  /** What can be chosen; null where the value is not chosen from a list. */
  choices: readonly string[] | null;
  /** Whether something else than the choices may be typed. */
  isOpen: boolean;
  min: string;
  max: string;
  step: string;
  placeholder: string;
  /** What the field shows. */
  value: string;
  /** Whether that is code, since it is no literal of the type: `f"gs://{name}"` for a string. */
  isCode: boolean;
  /** Where the literal stands: its line, and the columns there. */
  line: number;
  start: number;
  end: number;
}

export interface IMarkdown {
  kind: 'markdown';
  text: string;
}

interface IHead {
  /** Empty where the form has none. */
  title: string;
  /** What the form's title wants shown; null where it does not say. */
  view: View | null;
  /** Whether the cell runs after each edit. */
  runs: boolean;
  /** The form's width beside the code, as CSS has it; empty where the form does not say. */
  width: string;
}

export interface IForm extends IHead {
  items: readonly (IParam | IMarkdown)[];
}

const ANY = /@(?:title|param|markdown)\b/;
const TITLE = /^\s*#\s*@title\b\s*(.*?)\s*$/;
const MARKDOWN = /^\s*#\s*@markdown\b ?(.*?)\s*$/;
const PARAM = /^#\s*@param\b\s*/;
const TARGET = /^\s*([\p{XID_Start}_][\p{XID_Continue}.]*(?:\[.*\])*)\s*(?::.*)?$/u;
const WIDTH = /^\d{1,4}(?:\.\d+)?(?:%|px)$/;
const VIEWS: readonly string[] = ['form', 'code', 'both'];
const TYPES: readonly string[] = [
  'string',
  'date',
  'number',
  'integer',
  'slider',
  'boolean',
  'raw'
];

/** The form of a cell; null where it has none. */
export function parse(source: string): IForm | null {
  if (!ANY.test(source)) {
    return null;
  }
  let head: IHead | null = null;
  const items: (IParam | IMarkdown)[] = [];
  let open: IMarkdown | null = null; // what the next line may go on with
  for (const [number, line] of source.split('\n').entries()) {
    const title = TITLE.exec(line)?.[1];
    const text = MARKDOWN.exec(line)?.[1];
    if (text === undefined) {
      open = null;
    } else if (open) {
      open.text += `\n${asBlock(text)}`;
    } else {
      open = { kind: 'markdown', text: asBlock(text) };
      items.push(open);
    }
    if (title !== undefined) {
      head ??= readTitle(title);
    }
    const param = readParam(line, number);
    if (param) {
      items.push(param);
    }
  }
  return head || items.length ? { ...(head ?? readTitle('')), items } : null;
}

/**
 * The edit that gives a parameter another value; null where the value cannot be written there, as
 * letters in a number. Nothing but the literal changes.
 */
export function edit(source: string, param: IParam, value: string): IEdit | null {
  const lines = source.split('\n');
  const line = lines[param.line] ?? '';
  const text = write(param, value, line.slice(param.start, param.end));
  if (text === null) {
    return null;
  }
  const changed = line.slice(0, param.start) + text + line.slice(param.end);
  const again = readParam(changed, param.line);
  if (again?.start !== param.start || again.end !== param.start + text.length) {
    return null; // a quote is left open, or a # begins a comment
  }
  const before = lines.slice(0, param.line).join('\n').length + (param.line ? 1 : 0);
  return { start: before + param.start, end: before + param.end, text };
}

function write(param: IParam, value: string, before: string): string | null {
  if (param.isCode && !param.choices?.includes(value)) {
    return asCode(value);
  }
  switch (param.type) {
    case 'string':
    case 'date':
      return writeString(value, before);
    case 'integer':
    case 'number':
    case 'slider':
      if (param.type === 'integer' && !param.choices && !/^[+-]?\d+$/.test(value)) {
        return null;
      }
      return isNumber(value) || param.choices?.includes(value) ? value : null;
    case 'boolean':
      return value === 'True' || value === 'False' ? value : null;
    case 'raw':
      return asCode(value);
  }
}

function asCode(value: string): string | null {
  const code = value.trim();
  return code === '' || /[\r\n]/.test(code) ? null : code;
}

function readTitle(text: string): IHead {
  const brace = text.lastIndexOf('{');
  const object = brace < 0 ? null : readObject(text.slice(brace));
  const options = object?.isWhole ? object.entries : null;
  const view = options?.get('display-mode') ?? '';
  const width = options?.get('form-width') ?? '';
  return {
    title: options ? text.slice(0, brace).trim() : text,
    view: VIEWS.includes(view) ? (view as View) : null,
    runs: options?.get('run') === 'auto',
    width: WIDTH.test(width) ? width : ''
  };
}

/** A line of Markdown as Colab reads it: a heading wants no blank, a rule no empty line. */
function asBlock(text: string): string {
  if (/^-{3,}$/.test(text)) {
    return `\n${text}\n`;
  }
  return text.replace(/^(#{1,6})(?=[^#\s])/, '$1 ');
}

/** The parameter of a line, if it has one. */
function readParam(line: string, number: number): IParam | null {
  const marks = marksOf(line);
  if (!marks || marks.comment < 0 || marks.equals < 0) {
    return null;
  }
  const { equals, comment } = marks;
  const head = PARAM.exec(line.slice(comment))?.[0];
  const name = TARGET.exec(line.slice(0, equals))?.[1];
  if (head === undefined || name === undefined || line[equals + 1] === '=') {
    return null;
  }
  const between = line.slice(equals + 1, comment);
  const code = between.trim();
  const blanks = between.length - between.trimStart().length;
  const start = equals + 1 + (code ? blanks : Math.min(blanks, 1));
  const options = readOptions(line.slice(comment + head.length), code);
  const value = valueOf(options.type, code);
  return {
    kind: 'param',
    name,
    ...options,
    value: value ?? code,
    isCode: value === null,
    line: number,
    start,
    end: start + code.length
  };
}

type Options = Pick<
  IParam,
  'type' | 'choices' | 'isOpen' | 'min' | 'max' | 'step' | 'placeholder'
>;

function readOptions(text: string, code: string): Options {
  const list = readList(text);
  const object = readObject(list ? text.slice(list.end).trimStart() : text);
  const get = (key: string): string => object?.entries.get(key) ?? '';
  const number = (key: string): string => (isNumber(get(key)) ? get(key) : '');
  let type = get('type');
  if (!TYPES.includes(type)) {
    type = list ? typeOfList(list.items, code) : typeOf(code);
  }
  return {
    type: type as Type,
    choices: list && list.items.map(item => item.text),
    isOpen: get('allow-input') === 'true',
    min: number('min'),
    max: number('max'),
    step: number('step'),
    placeholder: get('placeholder')
  };
}

function typeOfList(items: readonly { isQuoted: boolean }[], code: string): Type {
  return !isString(code) && items.every(item => !item.isQuoted) ? 'raw' : 'string';
}

/** The type of a parameter that names none, by its literal. */
function typeOf(code: string): Type {
  if (isString(code)) {
    return 'string';
  }
  if (code === 'True' || code === 'False') {
    return 'boolean';
  }
  return isNumber(code) ? 'number' : 'raw';
}

/** What a literal says; null where the code is no literal of that type. */
function valueOf(type: Type, code: string): string | null {
  switch (type) {
    case 'string':
    case 'date':
      return readString(code);
    case 'boolean':
      return code === 'True' || code === 'False' ? code : null;
    case 'raw':
      return code;
    default:
      return isNumber(code) ? code.replaceAll('_', '') : null;
  }
}
