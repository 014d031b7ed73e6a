import { Styling } from '@jupyterlab/ui-components';
import { Widget } from '@lumino/widgets';

import { IParam } from './grammar';

/** Where a field's words go. */
export interface IFieldActions {
  /** Give the parameter another value; whether it takes it. */
  set(value: string): boolean;
  /** An edit is over: the field was left, or something was chosen. */
  finish(): void;
}

type Control = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;
type Kind = 'checkbox' | 'number' | 'date' | 'range' | 'select' | 'text' | 'lines';

/** One parameter of a form: its name, and what its value is changed with. */
export class Field extends Widget {
  constructor(param: IParam, actions: IFieldActions) {
    super();
    this.addClass('rw-Param');
    this._kind = kindOf(param);
    this._key = keyOf(param);
    this._control = createControl(this._kind, param);
    this._control.id = `rw-param-${Field._count++}`;
    this._control.classList.add('jp-mod-styled');
    const label = document.createElement('label');
    label.className = 'rw-Param-name';
    label.htmlFor = this._control.id;
    label.textContent = param.name;
    this.node.append(label, this._place(param));
    this._listen(actions);
    this.present(param);
  }

  /** Whether this field can show the parameter as well. */
  fits(param: IParam): boolean {
    return keyOf(param) === this._key;
  }

  /** Show its value, unless another is being typed. */
  present(param: IParam): void {
    const control = this._control;
    if (this._isEditing) {
      return;
    }
    control.removeAttribute('aria-invalid');
    if (control instanceof HTMLSelectElement) {
      const choices = new Set([...(param.choices ?? []), param.value]);
      control.replaceChildren(...[...choices].map(choice => new Option(choice, choice)));
    }
    if (control instanceof HTMLInputElement && this._kind === 'checkbox') {
      control.checked = param.value === 'True';
    } else if (control.value !== param.value) {
      control.value = param.value;
    }
    this._shown.value = param.value;
  }

  /** Whether another value is being typed. */
  get isEditing(): boolean {
    return this._isEditing;
  }

  setEnabled(isEnabled: boolean): void {
    this._control.disabled = !isEnabled;
  }

  focus(): void {
    this._control.focus();
  }

  override dispose(): void {
    this._isEditing = false; // it loses the focus as it goes, and that is no end of an edit
    super.dispose();
  }

  private _place(param: IParam): HTMLElement {
    const control = this._control;
    if (control instanceof HTMLSelectElement) {
      return Styling.wrapSelect(control);
    }
    const place = document.createElement('div');
    place.className = 'rw-Param-control';
    place.append(control);
    if (this._kind === 'range') {
      this._shown.htmlFor.add(control.id);
      place.append(this._shown);
    } else if (this._kind === 'text' && param.choices) {
      const list = document.createElement('datalist');
      list.id = `${control.id}-choices`;
      list.append(...[...new Set(param.choices)].map(choice => new Option(choice, choice)));
      control.setAttribute('list', list.id);
      place.append(list);
    }
    return place;
  }

  private _listen(actions: IFieldActions): void {
    const control = this._control;
    const isBox = this._kind === 'checkbox';
    control.addEventListener('input', () => {
      this._isEditing = true;
      const isChecked = (control as HTMLInputElement).checked ? 'True' : 'False';
      const isTaken = actions.set(isBox ? isChecked : control.value);
      control.setAttribute('aria-invalid', String(!isTaken));
      this._shown.value = control.value;
    });
    const finish = (): void => {
      if (this._isEditing) {
        this._isEditing = false;
        actions.finish();
      }
    };
    control.addEventListener('change', finish);
    control.addEventListener('blur', finish);
  }

  private readonly _kind: Kind;
  private readonly _key: string;
  private readonly _control: Control;
  private readonly _shown = document.createElement('output');
  private _isEditing = false;
  private static _count = 0;
}

function kindOf({ choices, isOpen, isCode, type, value }: IParam): Kind {
  if (choices?.length) {
    return isOpen ? 'text' : 'select';
  }
  if (isCode) {
    return 'text';
  }
  switch (type) {
    case 'boolean':
      return 'checkbox';
    case 'number':
    case 'integer':
      return 'number';
    case 'slider':
      return 'range';
    case 'date':
      return /^(\d{4}-\d\d-\d\d)?$/.test(value) ? 'date' : 'text';
    default:
      return value.includes('\n') ? 'lines' : 'text';
  }
}

/** All that a field is made for, in one text. */
function keyOf(param: IParam): string {
  const { name, type, choices, isOpen, isCode, min, max, step, placeholder } = param;
  const made = [name, type, choices, isOpen, isCode, min, max, step, placeholder, kindOf(param)];
  return JSON.stringify(made);
}

function createControl(kind: Kind, param: IParam): Control {
  if (kind === 'select') {
    return suppressing(document.createElement('select'));
  }
  if (kind === 'lines') {
    return document.createElement('textarea');
  }
  const input = document.createElement('input');
  input.type = kind;
  if (kind === 'number' || kind === 'range') {
    const isWhole = param.type === 'integer';
    const { min, max, step } = param;
    Object.assign(input, { min, max, step: step || (kind === 'range' || isWhole ? '1' : 'any') });
  }
  if (kind === 'text') {
    input.placeholder = param.placeholder;
    input.spellcheck = param.type === 'string' && !param.isCode;
    input.autocomplete = 'off';
    input.classList.toggle('rw-mod-code', param.isCode || param.type === 'raw');
  }
  return kind === 'checkbox' || kind === 'range' ? suppressing(input) : input;
}

/**
 * Keys that this control wants are commands of the notebook's to JupyterLab, as arrows and letters
 * are: of what has the focus it knows text fields alone.
 */
function suppressing<T extends HTMLElement>(node: T): T {
  node.dataset.lmSuppressShortcuts = 'true';
  return node;
}
