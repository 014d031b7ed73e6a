import { ILayoutRestorer, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';

import { Api } from '../api';
import { Asker } from '../data/models/asker';
import { secretsIcon } from '../icons';
import { onNews } from '../news';
import { addToSidebar } from '../sidebar';
import { CommandIDs, IRuntimes } from '../tokens';
import { SecretsModel } from './model';
import { SecretsPanel } from './panel';
import { Questions } from './question';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'ropeway:secrets',
  description: 'Secrets at home, and which notebooks may read them.',
  autoStart: true,
  requires: [IRuntimes, INotebookTracker],
  optional: [ICommandPalette, ILayoutRestorer],
  activate: (
    app: JupyterFrontEnd,
    runtimes: IRuntimes,
    notebooks: INotebookTracker,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null
  ): void => {
    const api = new Api(app.serviceManager.serverSettings);
    const model = new SecretsModel(api, new Asker(notebooks, runtimes));
    new Questions(model, notebooks);
    onNews(app.serviceManager.events, 'secrets', () => void model.load());
    const sidebar = {
      widget: new SecretsPanel(model),
      type: 'Secrets',
      rank: 320,
      command: CommandIDs.secrets,
      label: 'Secrets',
      caption: 'Keep secrets at home, and say which notebooks may read them',
      icon: secretsIcon
    };
    addToSidebar(app, sidebar, restorer, palette);
  }
};

export default plugin;
