import { ILayoutRestorer, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';

import { Api } from '../api';
import { dataIcon } from '../icons';
import { addToSidebar } from '../sidebar';
import { CommandIDs, IData, IRuntimes } from '../tokens';
import { Asker } from './models/asker';
import { DatasetsModel } from './models/datasets';
import { LedgerModel } from './models/ledger';
import { TransfersModel } from './models/transfers';
import { DataPanel } from './panel';
import { insertSnippet } from './snippet';

const plugin: JupyterFrontEndPlugin<IData> = {
  id: 'ropeway:data',
  description: 'The sidebar with the data at home: datasets, transfers and the ledger.',
  autoStart: true,
  provides: IData,
  requires: [IRuntimes],
  optional: [INotebookTracker, ICommandPalette, ILayoutRestorer],
  activate: (
    app: JupyterFrontEnd,
    runtimes: IRuntimes,
    notebooks: INotebookTracker | null,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null
  ): IData => {
    const data = new Api(app.serviceManager.serverSettings);
    const asker = new Asker(notebooks, runtimes);
    const panel = new DataPanel(
      new DatasetsModel(data, asker),
      new TransfersModel(data),
      new LedgerModel(data),
      text => {
        const { notebook } = asker;
        if (notebook) {
          if (!notebook.isVisible) {
            app.shell.activateById(notebook.id);
          }
          insertSnippet(notebook, text);
        }
      }
    );
    runtimes.watch(() => panel.isVisible);
    const sidebar = {
      widget: panel,
      type: 'Data',
      rank: 300,
      command: CommandIDs.data,
      label: 'Data at Home',
      caption: 'See the datasets at home, what of them may leave, what does and what did',
      icon: dataIcon
    };
    addToSidebar(app, sidebar, restorer, palette);
    return data;
  }
};

export default plugin;
