import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { INotebookTracker, Notebook, NotebookActions } from '@jupyterlab/notebook';

import { CommandIDs, IRuntimes } from '../tokens';
import { Offer } from './offer';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'ropeway:needs',
  description: 'Offers runtimes with a GPU to a notebook that asks for one, as those of Colab do.',
  autoStart: true,
  requires: [INotebookTracker, IRuntimes],
  activate: (app: JupyterFrontEnd, notebooks: INotebookTracker, runtimes: IRuntimes): void => {
    const offers = new WeakMap<Notebook, Offer>();
    notebooks.widgetAdded.connect((_, panel) => {
      const offer = new Offer(panel, runtimes, runtime => {
        void app.commands.execute(CommandIDs.use, { runtime, panel: panel.id });
      });
      offers.set(panel.content, offer);
      void offer.look();
    });
    NotebookActions.executionScheduled.connect((_, { notebook }) => {
      void offers.get(notebook)?.look();
    });
  }
};

export default plugin;
