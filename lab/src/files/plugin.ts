import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';

import { Api, IOffer } from '../api';
import { onNews } from '../news';
import { Download, DOWNLOAD_TYPE, startDownload } from './download';
import { Upload, UPLOAD_TYPE } from './upload';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'ropeway:files',
  description: 'Files between the person at the page and cells: google.colab.files.',
  autoStart: true,
  requires: [INotebookTracker, IRenderMimeRegistry],
  activate: (
    app: JupyterFrontEnd,
    notebooks: INotebookTracker,
    rendermime: IRenderMimeRegistry
  ): void => {
    const api = new Api(app.serviceManager.serverSettings);
    const types = { [UPLOAD_TYPE]: Upload, [DOWNLOAD_TYPE]: Download };
    for (const [type, Renderer] of Object.entries(types)) {
      rendermime.addFactory(
        { safe: true, mimeTypes: [type], createRenderer: () => new Renderer(api) },
        0
      );
    }
    const take = async (): Promise<void> => {
      for (const offer of await api.offers()) {
        const shown = notebooks.find(panel => panel.context.localPath === offer.notebook);
        if (shown && (await api.takeOffer(offer.id))) {
          accept(app, api, offer);
        }
      }
    };
    const look = (): void => void take().catch(reason => console.warn(reason));
    onNews(app.serviceManager.events, 'offers', look);
    notebooks.widgetAdded.connect(look); // what came while nobody showed it
  }
};

export default plugin;

function accept(app: JupyterFrontEnd, api: Api, offer: IOffer): void {
  if (offer.kind === 'download') {
    startDownload(api, offer.id, offer.name);
  } else {
    void app.commands.execute('docmanager:open', { path: offer.path });
  }
}
