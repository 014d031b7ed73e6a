import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, showErrorMessage } from '@jupyterlab/apputils';
import { CodeCell } from '@jupyterlab/cells';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';

import { Api, ApiError } from '../api';
import { CommandIDs } from '../tokens';
import { Note, NOTE_TYPE } from './note';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'ropeway:output',
  description: 'Leads from a cell that shows a part of its output to all of it.',
  autoStart: true,
  requires: [INotebookTracker, IRenderMimeRegistry],
  optional: [ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    notebooks: INotebookTracker,
    rendermime: IRenderMimeRegistry,
    palette: ICommandPalette | null
  ): void => {
    const api = new Api(app.serviceManager.serverSettings);
    rendermime.addFactory(
      {
        safe: true,
        mimeTypes: [NOTE_TYPE],
        createRenderer: () => new Note(request => api.outputUrl(request))
      },
      0
    );
    app.commands.addCommand(CommandIDs.output, {
      label: 'Show All Output of This Cell',
      caption: 'Open everything that the last run of this cell printed',
      isEnabled: () => notebooks.activeCell instanceof CodeCell,
      execute: async () => {
        const cell = notebooks.activeCell;
        const path = notebooks.currentWidget?.context.path;
        if (cell instanceof CodeCell && path) {
          await show(api, path, cell.model.id);
        }
      },
      describedBy: { args: { type: 'object', properties: {} } }
    });
    notebooks.activeCellChanged.connect(() => app.commands.notifyCommandChanged(CommandIDs.output));
    palette?.addItem({ command: CommandIDs.output, category: 'Ropeway' });
  }
};

export default plugin;

async function show(api: Api, path: string, cell: string): Promise<void> {
  try {
    const run = await api.lastRun(path, cell);
    if (run) {
      window.open(api.outputUrl(run.request), '_blank', 'noopener');
    } else {
      void showErrorMessage('Nothing is kept of this cell', 'Run it; what is old is dropped.');
    }
  } catch (reason) {
    const { message, hint } = ApiError.from(reason);
    void showErrorMessage('The output cannot be shown', hint ? `${message} ${hint}` : message);
  }
}
