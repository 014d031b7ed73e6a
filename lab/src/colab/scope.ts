import { CodeCell } from '@jupyterlab/cells';

/** The page's part of Colab's JavaScript interface, `google`. */
export interface IGoogle {
  readonly colab: object;
}

declare global {
  interface Window {
    /** Where the script that runs may draw, in Colab. */
    element?: HTMLElement;
  }
}

interface IEvaluated {
  value?: unknown;
  error?: unknown;
}

type Keeper = Generator<IEvaluated | undefined, void, { code: string; element: HTMLElement }>;
type MakeKeeper = (
  google: IGoogle,
  own: Document,
  element: HTMLElement,
  url: typeof URL
) => Keeper;

/**
 * One call that never ends: what a script declares stands in its variables, where the cell's next
 * script finds it. Not in strict mode, in which an `eval` keeps its declarations to itself.
 */
const makeKeeper = new Function(
  `return function* (google, document, element, URL) {
     var $rw_said, $rw_given;
     for (;;) {
       $rw_given = yield $rw_said;
       element = $rw_given.element;
       try {
         $rw_said = { value: eval($rw_given.code) };
       } catch (error) {
         $rw_said = { error };
       }
     }
   }`
)() as MakeKeeper;

const SERVED = /^.*\/ropeway\/kernels\/[^/]+\/ports\/\d+\/[0-9a-f]+\//;

/**
 * In Colab a served page stands at the root of its address, and scripts write `new URL('/', base)`.
 */
class ServedUrl extends URL {
  constructor(url: string | URL, base?: string | URL) {
    const below = URL.canParse(String(base)) ? SERVED.exec(new URL(String(base)).pathname) : null;
    const rooted = /^\/(?!\/)/.test(String(url));
    super(below && rooted ? below[0] + String(url).slice(1) : url, base);
  }
}

/**
 * What the scripts of one run of a cell share. In Colab that is an iframe; here it is a document
 * whose body stands among the cell's outputs, in front of the page's own.
 */
export class Scope {
  /** `google` is bound to the cell. */
  constructor(
    private readonly _cell: CodeCell,
    google: IGoogle
  ) {
    this.run = runOf(_cell);
    this._body.className = 'rw-Colab-body';
    this._keeper = makeKeeper(google, this._document(), this._body, ServedUrl);
    this._keeper.next();
  }

  /** The run that it belongs to. */
  readonly run: string | undefined;

  /** The value of a script, or what it throws. `await` may stand in it. */
  evaluate(code: string, element?: HTMLElement): unknown {
    this._show();
    window.element = element ?? this._body;
    const { value, error } = this._ask(code, element ?? this._body);
    if (error instanceof SyntaxError && /\bawait\b/.test(code)) {
      const again = this._ask(`(async () => (${code}\n))()`, element ?? this._body);
      return settled(
        again.error instanceof SyntaxError
          ? this._ask(`(async () => {${code}\n})()`, element ?? this._body)
          : again
      );
    }
    return settled({ value, error });
  }

  /** Take away what scripts have put among the outputs. */
  dispose(): void {
    this._body.remove();
  }

  private _ask(code: string, element: HTMLElement): IEvaluated {
    return this._keeper.next({ code, element }).value ?? {};
  }

  /** Behind the outputs: their area counts its children from the beginning. */
  private _show(): void {
    if (!this._body.isConnected) {
      this._cell.outputArea.node.appendChild(this._body);
    }
  }

  private _document(): Document {
    const area = this._cell.outputArea.node;
    const named: Record<string, HTMLElement> = {
      body: this._body,
      '#output-area': area,
      '#output-body': area,
      '#output-header': part(this._body, 'rw-Colab-header'),
      '#output-footer': part(this._body, 'rw-Colab-footer')
    };
    const find = (selector: string): Element | null =>
      named[selector] ?? area.querySelector(selector) ?? document.querySelector(selector);
    const own: Record<string | symbol, unknown> = {
      body: this._body,
      documentElement: this._body,
      querySelector: find,
      getElementById: (id: string) => find(`#${CSS.escape(id)}`),
      querySelectorAll: (selector: string) => {
        const found = area.querySelectorAll(selector);
        return found.length ? found : document.querySelectorAll(selector);
      }
    };
    return new Proxy(document, {
      get: (page, name) => {
        if (Object.hasOwn(own, name)) {
          return own[name];
        }
        const value: unknown = Reflect.get(page, name, page);
        return typeof value === 'function' ? value.bind(page) : value;
      },
      set: (page, name, value) => Reflect.set(page, name, value, page)
    });
  }

  private readonly _body = document.createElement('div');
  private readonly _keeper: Keeper;
}

/** The run whose outputs a cell shows. */
export function runOf(cell: CodeCell): string | undefined {
  return cell.outputArea.future?.msg.header.msg_id;
}

function settled({ value, error }: IEvaluated): unknown {
  if (error !== undefined) {
    throw error;
  }
  return value;
}

function part(body: HTMLElement, name: string): HTMLElement {
  const made = document.createElement('div');
  made.className = name;
  body.appendChild(made);
  return made;
}
