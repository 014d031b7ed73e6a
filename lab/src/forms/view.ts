import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { Panel, Widget } from '@lumino/widgets';

import { Field } from './field';
import { IForm, IMarkdown, IParam, View } from './grammar';

/** Where a form's words go. */
export interface IFormActions {
  /** Give a parameter another value; whether it takes it. */
  set(param: IParam, value: string): boolean;
  /** An edit is over. */
  finish(): void;
  /** Show the code where it is hidden, hide it where it is shown. */
  toggle(): void;
  /** A key was pressed in a field. */
  press(event: KeyboardEvent): void;
}

/** A form: its title, its texts and its fields. */
export class FormView extends Panel {
  constructor(
    private readonly _rendermime: IRenderMimeRegistry,
    private readonly _actions: IFormActions
  ) {
    super();
    this.addClass('rw-Form');
    this.node.setAttribute('role', 'group');
    this._title.className = 'rw-Form-title';
    this._title.title = 'Double-click to show or hide the code';
    this._title.addEventListener('dblclick', () => _actions.toggle());
    this._button.type = 'button';
    this._button.className = 'rw-Form-button';
    this._button.dataset.lmSuppressShortcuts = 'true';
    this._button.addEventListener('click', () => _actions.toggle());
    const head = new Widget();
    head.addClass('rw-Form-head');
    head.node.append(this._title, this._button);
    this.addWidget(head);
    this.node.addEventListener('keydown', event => _actions.press(event));
  }

  /** Show what the cell says now. */
  present(form: IForm, view: View, isReadOnly: boolean): void {
    const name = form.title ? `Form: ${form.title}` : 'Form';
    this.node.setAttribute('aria-label', name);
    this._title.textContent = form.title;
    this._button.textContent = view === 'form' ? 'Show code' : 'Hide code';
    this._button.disabled = isReadOnly;
    this.node.style.setProperty('--rw-form-width', form.width || '50%');
    const isTyping = this._fields.some(field => field.isEditing);
    if (!(isTyping && this._order === orderOf(form)) && !this._fits(form)) {
      this._build(form);
    }
    this._params = form.items.filter(item => item.kind === 'param');
    this._params.forEach((param, index) => {
      this._fields[index].present(param);
      this._fields[index].setEnabled(!isReadOnly);
    });
  }

  /** Give the focus to the first field, or to the button where there is none. */
  focus(): void {
    (this._fields.at(0) ?? this._button).focus();
  }

  /** Whether the form is the same but for its values. */
  private _fits(form: IForm): boolean {
    const params = form.items.filter(item => item.kind === 'param');
    return (
      this._order === orderOf(form) &&
      this._texts === textsOf(form) &&
      params.every((param, index) => this._fields[index].fits(param))
    );
  }

  private _build(form: IForm): void {
    this.widgets.slice(1).forEach(widget => widget.dispose());
    this._order = orderOf(form);
    this._texts = textsOf(form);
    this._fields = [];
    for (const item of form.items) {
      if (item.kind === 'markdown') {
        this._addText(item);
      } else {
        this._addField(item);
      }
    }
  }

  private _addField(param: IParam): void {
    const index = this._fields.length;
    const field = new Field(param, {
      set: value => this._actions.set(this._params[index], value),
      finish: () => this._actions.finish()
    });
    this._fields.push(field);
    this.addWidget(field);
  }

  private _addText({ text }: IMarkdown): void {
    const renderer = this._rendermime.createRenderer('text/markdown');
    renderer.addClass('rw-Form-text');
    const data = { 'text/markdown': text };
    void renderer.renderModel(this._rendermime.createModel({ data, trusted: false }));
    this.addWidget(renderer);
  }

  private readonly _title = document.createElement('div');
  private readonly _button = document.createElement('button');
  private _order = '';
  private _texts = '';
  private _fields: Field[] = [];
  private _params: readonly IParam[] = [];
}

/** Which kinds of things the form has, in order. */
function orderOf({ items }: IForm): string {
  return items.map(item => item.kind).join();
}

function textsOf({ items }: IForm): string {
  return JSON.stringify(items.map(item => (item.kind === 'markdown' ? item.text : '')));
}
