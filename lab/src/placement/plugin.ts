import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, IToolbarWidgetRegistry } from '@jupyterlab/apputils';
import { Cell, CodeCell } from '@jupyterlab/cells';
import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { CommandRegistry } from '@lumino/commands';
import { Widget } from '@lumino/widgets';

import { CommandIDs, IRuntimes } from '../tokens';
import { Badges } from './badges';
import { PickerButton } from './button';
import { ANY_GPU } from './line';
import { Picker } from './picker';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'ropeway:placement',
  description: 'Shows and changes where a cell runs: its first line %%on.',
  autoStart: true,
  requires: [INotebookTracker, IRuntimes],
  optional: [IToolbarWidgetRegistry, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    notebooks: INotebookTracker,
    runtimes: IRuntimes,
    toolbar: IToolbarWidgetRegistry | null,
    palette: ICommandPalette | null
  ): void => {
    const picker = new Picker(app.commands, notebooks, runtimes);
    const createMenu = () => picker.createMenu();
    addCommands(app.commands, picker, runtimes);
    app.docRegistry.addWidgetExtension('Notebook', {
      createNew: (panel: NotebookPanel) => new Badges(panel, runtimes, createMenu)
    });
    toolbar?.addFactory<Cell>('Cell', 'ropeway-place', cell => {
      const { node } = new PickerButton('rw-CellButton', 'right', createMenu);
      node.title = 'Run on…';
      node.setAttribute('aria-label', 'Run on…');
      const widget = new Widget({ node });
      widget.setHidden(!(cell instanceof CodeCell));
      return widget;
    });
    notebooks.activeCellChanged.connect(() => app.commands.notifyCommandChanged(CommandIDs.choose));
    palette?.addItem({ command: CommandIDs.choose, category: 'Ropeway' });
  }
};

export default plugin;

function addCommands(commands: CommandRegistry, picker: Picker, runtimes: IRuntimes): void {
  commands.addCommand(CommandIDs.place, {
    label: ({ runtime }) => {
      if (!runtime) {
        return picker.own ? `${picker.own} · this notebook's` : "This notebook's runtime";
      }
      if (runtime === ANY_GPU) {
        return 'Any runtime with a GPU';
      }
      const state = runtimes.runtimes.find(({ name }) => name === runtime)?.state;
      return state === 'connected' ? `${runtime}` : `${runtime} · ${state ?? 'not connected'}`;
    },
    caption: ({ runtime }) => {
      const name = runtime || picker.own;
      return runtimes.runtimes.find(each => each.name === name)?.address ?? '';
    },
    isEnabled: () => picker.cell !== null,
    isToggleable: true,
    isToggled: ({ runtime }) => picker.isOn(String(runtime ?? '')),
    execute: ({ runtime }) => picker.place(String(runtime ?? '')),
    describedBy: {
      args: { type: 'object', properties: { runtime: { type: 'string' } } }
    }
  });
  commands.addCommand(CommandIDs.choose, {
    label: 'Run This Cell on…',
    caption: 'Choose the runtime of this cell: its first line %%on',
    isEnabled: () => picker.cell !== null,
    execute: () => picker.choose(),
    describedBy: { args: { type: 'object', properties: {} } }
  });
}
