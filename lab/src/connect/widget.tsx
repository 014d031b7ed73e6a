import { ReactWidget } from '@jupyterlab/apputils';
import { NotebookPanel } from '@jupyterlab/notebook';
import { Message } from '@lumino/messaging';
import { Menu } from '@lumino/widgets';
import * as React from 'react';

import { openBelow } from '../popup';
import { ConnectButton } from './button';
import { Connection } from './connection';
import { metersOf, whyUnmeasured } from './view';

/** Below this width of the notebook the bars give way to the toolbar's other items. */
const COMPACT_PX = 900;

/** The toolbar item of one notebook. */
export class ConnectWidget extends ReactWidget {
  /** `createMenu` makes the menu of this notebook, anew each time since runtimes come and go. */
  constructor(
    private readonly _panel: NotebookPanel,
    private readonly _connection: Connection,
    private readonly _createMenu: (connection: Connection) => Menu
  ) {
    super();
    this.addClass('rw-ConnectItem');
    this._compact = window.innerWidth < COMPACT_PX;
    _connection.changed.connect(this._onChanged, this);
    this._observer = new ResizeObserver(entries => this._resized(entries));
    this._observer.observe(_panel.node);
    _panel.addClass('rw-mod-connect');
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this._observer.disconnect();
      this._panel.removeClass('rw-mod-connect');
      this._connection.changed.disconnect(this._onChanged, this);
      this._menu?.dispose();
      super.dispose();
    }
  }

  protected override render(): JSX.Element {
    const { view, usage, usageProblem } = this._connection;
    return (
      <ConnectButton
        view={view}
        meters={metersOf(usage)}
        unmeasured={whyUnmeasured(view.runtime, usage, usageProblem)}
        compact={this._compact}
        onOpen={(button, byKeyboard) => this._open(button, byKeyboard)}
        isOpen={() => this._menu?.isAttached ?? false}
      />
    );
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this._connection.wake();
    this.update();
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._connection.wake();
  }

  private _open(button: HTMLElement, byKeyboard: boolean): void {
    this._menu?.dispose();
    const menu = (this._menu = this._createMenu(this._connection));
    openBelow(button, menu, byKeyboard);
  }

  private _onChanged(): void {
    this.update();
  }

  private _resized(entries: ResizeObserverEntry[]): void {
    const width = entries[entries.length - 1].contentRect.width;
    const compact = width > 0 && width < COMPACT_PX;
    if (width > 0 && compact !== this._compact) {
      this._compact = compact;
      this.update();
    }
  }

  private readonly _observer: ResizeObserver;
  private _compact: boolean;
  private _menu: Menu | null = null;
}
