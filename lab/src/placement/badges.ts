import { Cell, CodeCell } from '@jupyterlab/cells';
import { NotebookPanel } from '@jupyterlab/notebook';
import { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import { Menu } from '@lumino/widgets';

import { IRuntimes } from '../tokens';
import { PickerButton } from './button';
import { read } from './line';
import { describe, IKnown } from './view';

/** The badges of one notebook: in the header of each cell with `%%on`, where that runs. */
export class Badges implements IDisposable {
  constructor(
    private readonly _panel: NotebookPanel,
    private readonly _runtimes: IRuntimes,
    private readonly _createMenu: () => Menu
  ) {
    this._watching = _runtimes.watch(() => _panel.isVisible);
    _runtimes.changed.connect(this._onRuntimes, this);
    // Each cell comes into view before it is seen for the first time.
    _panel.content.cellInViewportChanged.connect(this._onCell, this);
  }

  get isDisposed(): boolean {
    return this._watching.isDisposed;
  }

  dispose(): void {
    if (!this.isDisposed) {
      this._watching.dispose();
      Signal.clearData(this);
    }
  }

  private _onCell(_: unknown, cell: Cell): void {
    if (cell instanceof CodeCell && cell.inViewport && !this._badges.has(cell)) {
      const badge = new Badge(cell, this._createMenu);
      this._badges.set(cell, badge);
      cell.model.contentChanged.connect(() => badge.update(this._runtimes));
      void cell.ready.then(() => badge.update(this._runtimes));
    }
  }

  private _onRuntimes(): void {
    for (const cell of this._panel.content.widgets) {
      this._badges.get(cell)?.update(this._runtimes);
    }
  }

  private readonly _badges = new WeakMap<Cell, Badge>();
  private readonly _watching: IDisposable;
}

class Badge {
  constructor(
    private readonly _cell: CodeCell,
    createMenu: () => Menu
  ) {
    this._button = new PickerButton('rw-Badge', 'left', createMenu);
    this._text.className = 'rw-Badge-text';
    this._button.node.append(this._text);
  }

  /** Bring it up to date with what the cell says and what is known of the runtimes. */
  update(known: IKnown): void {
    const header = this._cell.node.querySelector('.jp-Cell-header');
    const line = this._cell.isDisposed ? null : read(this._cell.model.sharedModel.getSource());
    const { node } = this._button;
    header?.classList.toggle('rw-mod-badge', line !== null);
    if (!header || !line) {
      if (node === document.activeElement) {
        this._cell.node.focus();
      }
      node.remove();
      return;
    }
    const { text, warns, title } = describe(line, known);
    this._text.textContent = text;
    node.classList.toggle('rw-mod-warn', warns);
    node.setAttribute('aria-label', `Runs on ${text}`);
    node.title = title;
    if (!node.isConnected) {
      header.append(node);
    }
  }

  private readonly _button: PickerButton;
  private readonly _text = document.createElement('span');
}
