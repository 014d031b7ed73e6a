import { CodeCell } from '@jupyterlab/cells';
import { INotebookTracker } from '@jupyterlab/notebook';
import { MenuSvg } from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';
import { JSONObject } from '@lumino/coreutils';
import { Menu } from '@lumino/widgets';

import { findRuntime } from '../connect/view';
import { CommandIDs, IRuntimes } from '../tokens';
import { Step } from '../undo';
import { ANY_GPU, difference, ILine, read, withRuntime } from './line';

/** Where the active cell runs, and the menu that changes it. */
export class Picker {
  constructor(
    private readonly _commands: CommandRegistry,
    private readonly _notebooks: INotebookTracker,
    private readonly _runtimes: IRuntimes
  ) {}

  /** The cell, where it is one that can run elsewhere. */
  get cell(): CodeCell | null {
    const cell = this._notebooks.activeCell;
    const { runtime, name } = this._kernel();
    const language = runtime?.kernels.find(kernel => kernel.name === name)?.language ?? 'python';
    return cell instanceof CodeCell && !cell.readOnly && language === 'python' ? cell : null;
  }

  /** The name of the notebook's own runtime; empty while it is not known. */
  get own(): string {
    return this._kernel().runtime?.name ?? '';
  }

  /** Whether the cell runs there; the empty name is the notebook's own runtime. */
  isOn(runtime: string): boolean {
    const line = this._line();
    if (runtime === ANY_GPU) {
      return (line?.gpu ?? null) !== null;
    }
    if (!line) {
      return !runtime;
    }
    return line.runtime !== '' && line.runtime === (runtime || this.own);
  }

  /** Have the cell run there from now on: one step that undo takes back. */
  place(runtime: string): void {
    const shared = this.cell?.model.sharedModel;
    if (!shared || this.isOn(runtime)) {
      return;
    }
    const source = shared.getSource();
    const step = new Step(shared);
    step.edit(difference(source, withRuntime(source, runtime || null)));
    step.end();
  }

  createMenu(): Menu {
    const menu = new MenuSvg({ commands: this._commands });
    menu.addClass('rw-Menu');
    menu.contentNode.setAttribute('aria-label', 'Runtime of this cell');
    const { runtimes } = this._runtimes;
    const wanted = this._line()?.runtime ?? '';
    const isKnown = runtimes.some(({ name }) => name === wanted);
    const connected = runtimes.filter(({ state }) => state === 'connected').map(({ name }) => name);
    const others = new Set([...connected, ...(wanted ? [wanted] : [])]);
    others.delete(this.own);
    for (const runtime of ['', ...others, ANY_GPU]) {
      menu.addItem({ command: CommandIDs.place, args: { runtime } });
    }
    menu.addItem({ type: 'separator' });
    const canAdd = !isKnown && /^[a-z0-9][a-z0-9-]{0,39}$/.test(wanted);
    const label = `Add ${wanted}, which this cell wants…`;
    const named: JSONObject = canAdd ? { name: wanted, label } : {};
    menu.addItem({ command: CommandIDs.add, args: { use: false, ...named } });
    return menu;
  }

  /** Open the menu at the cell itself. */
  choose(): void {
    const { cell } = this;
    if (cell) {
      const { left, top } = (cell.inputArea ?? cell).node.getBoundingClientRect();
      const menu = this.createMenu();
      menu.aboutToClose.connect(() => cell.node.focus());
      menu.open(left, top);
      menu.activateNextItem();
    }
  }

  private _line(): ILine | null {
    const cell = this._notebooks.activeCell;
    return cell && read(cell.model.sharedModel.getSource());
  }

  private _kernel(): { runtime: ReturnType<typeof findRuntime>; name: string } {
    const name = this._notebooks.currentWidget?.sessionContext.session?.kernel?.name ?? '';
    return { runtime: findRuntime(this._runtimes.runtimes, name), name };
  }
}
