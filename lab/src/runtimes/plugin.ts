import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

import { Api } from '../api';
import { IRuntimes } from '../tokens';
import { RuntimesModel } from './model';

const plugin: JupyterFrontEndPlugin<IRuntimes> = {
  id: 'ropeway:runtimes',
  description: 'Knows the runtimes of this workspace.',
  autoStart: true,
  provides: IRuntimes,
  activate: (app: JupyterFrontEnd): IRuntimes => {
    const { serverSettings, kernelspecs } = app.serviceManager;
    const model = new RuntimesModel(new Api(serverSettings));
    // Lab asks for kernelspecs only once a minute: too late for a runtime that was just added.
    model.kernelsChanged.connect(() => {
      kernelspecs.refreshSpecs().catch(reason => {
        console.warn('The list of kernels could not be refreshed.', reason);
      });
    });
    return model;
  }
};

export default plugin;
