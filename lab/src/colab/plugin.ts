import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';

const CONTENTS = 'toc:show-panel';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'ropeway:colab',
  description: 'Opens the table of contents beside a notebook that Colab showed with it.',
  autoStart: true,
  requires: [INotebookTracker],
  activate: (app: JupyterFrontEnd, notebooks: INotebookTracker): void => {
    notebooks.widgetAdded.connect(async (_, panel) => {
      await Promise.all([panel.context.ready, app.restored]);
      if (wantsContents(panel) && panel.isVisible && app.commands.hasCommand(CONTENTS)) {
        await app.commands.execute(CONTENTS);
        app.shell.activateById(panel.id); // whoever opens a notebook wants to type there
      }
    });
  }
};

export default plugin;

function wantsContents(panel: NotebookPanel): boolean {
  const colab: unknown = panel.model?.getMetadata('colab');
  return typeof colab === 'object' && colab !== null && 'toc_visible' in colab
    ? colab.toc_visible === true
    : false;
}
