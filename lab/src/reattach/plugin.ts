import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { INotebookTracker } from '@jupyterlab/notebook';

import { Api } from '../api';
import { Follower } from './follower';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'ropeway:reattach',
  description: 'Shows what cells said while no page was there, and go on to say.',
  autoStart: true,
  requires: [INotebookTracker],
  activate: (app: JupyterFrontEnd, notebooks: INotebookTracker): void => {
    const api = new Api(app.serviceManager.serverSettings);
    notebooks.widgetAdded.connect((_, panel) => new Follower(panel, api));
  }
};

export default plugin;
