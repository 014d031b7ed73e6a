import { CodeCell } from '@jupyterlab/cells';
import { NotebookActions, NotebookPanel } from '@jupyterlab/notebook';
import { CommandRegistry } from '@lumino/commands';
import { PanelLayout } from '@lumino/widgets';

import { Step } from '../undo';
import { edit, IForm, IParam, parse, View } from './grammar';
import { FormView, IFormActions } from './view';

/** The key of a cell's metadata under which Colab keeps what of it is shown. */
const VIEW_KEY = 'cellView';

/** The form of one cell, as long as its source has one. */
export class CellForm implements IFormActions {
  constructor(
    private readonly _panel: NotebookPanel,
    private readonly _cell: CodeCell,
    private readonly _commands: CommandRegistry
  ) {
    _cell.model.contentChanged.connect(this.update, this);
    _cell.model.metadataChanged.connect(this.update, this);
    this.update();
  }

  /** What of the cell is shown; null where it has no form. */
  get view(): View | null {
    const said: unknown = this._cell.model.getMetadata(VIEW_KEY);
    return this._form && (isView(said) ? said : (this._form.view ?? 'both'));
  }

  /** Have the notebook say what of the cell is shown. */
  show(view: View): void {
    if (!this._cell.readOnly) {
      this._cell.model.setMetadata(VIEW_KEY, view);
    }
  }

  toggle(): void {
    this.show(this.view === 'form' ? 'both' : 'form');
  }

  /** Bring the form up to date with what the cell says. */
  update(): void {
    const { inputArea, model } = this._cell;
    if (this._cell.isDisposed || !inputArea) {
      return;
    }
    this._form = parse(model.sharedModel.getSource());
    this._cell.toggleClass('rw-mod-form', this._form !== null);
    const view = this.view;
    if (!this._form || !view) {
      this._shown?.dispose();
      this._shown = null;
      delete inputArea.node.dataset.rwForm;
      return;
    }
    if (!this._shown) {
      this._shown = new FormView(this._panel.content.rendermime, this);
      (inputArea.layout as PanelLayout).addWidget(this._shown);
    }
    inputArea.node.dataset.rwForm = view;
    this._shown.present(this._form, view, this._cell.readOnly);
  }

  /** Give the focus to the form, where it hides the code that would get it. */
  takeFocus(): void {
    if (this.view === 'form') {
      this._shown?.focus();
    }
  }

  set(param: IParam, value: string): boolean {
    const { sharedModel } = this._cell.model;
    const found = this._cell.readOnly ? null : edit(sharedModel.getSource(), param, value);
    if (found) {
      if (!this._step || this._edited !== param.name) {
        this._step = new Step(sharedModel);
        this._edited = param.name;
      }
      this._step.edit(found);
    }
    return found !== null;
  }

  finish(): void {
    this._step?.end();
    const isChanged = this._step !== null && this._ran !== this._cell.model.sharedModel.getSource();
    this._step = null;
    this.update();
    if (this._form?.runs && isChanged) {
      void NotebookActions.runCells(
        this._panel.content,
        [this._cell],
        this._panel.sessionContext
      );
    }
  }

  /** The cell begins to run. */
  noteRun(): void {
    this._ran = this._cell.model.sharedModel.getSource();
  }

  press(event: KeyboardEvent): void {
    const { key, shiftKey, altKey } = event;
    const isAccel = event.ctrlKey || event.metaKey;
    let command = '';
    if (key === 'Escape') {
      this._cell.node.focus();
    } else if (key === 's' && isAccel) {
      command = 'docmanager:save';
    } else if (key === 'Enter' && shiftKey) {
      command = 'notebook:run-cell-and-select-next';
    } else if (key === 'Enter' && altKey) {
      command = 'notebook:run-cell-and-insert-below';
    } else if (key === 'Enter' && isAccel) {
      command = 'notebook:run-cell';
    }
    if (command) {
      event.preventDefault();
      void this._commands.execute(command);
    }
  }

  private _form: IForm | null = null;
  private _shown: FormView | null = null;
  private _step: Step | null = null;
  private _edited = '';
  private _ran = '';
}

function isView(said: unknown): said is View {
  return said === 'form' || said === 'code' || said === 'both';
}
