import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, Notification, showErrorMessage } from '@jupyterlab/apputils';
import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';

import { Api, ApiError, IVersion } from '../api';
import { ropewayIcon } from '../icons';
import { CommandIDs, IHistory } from '../tokens';
import { chooseVersion } from './dialog';
import { keepBeforeRevert } from './unsaved';
import { timeOf } from './words';

const plugin: JupyterFrontEndPlugin<IHistory> = {
  id: 'ropeway:history',
  description: 'Shows the kept versions of a notebook and goes back to one.',
  autoStart: true,
  provides: IHistory,
  requires: [INotebookTracker],
  optional: [ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    notebooks: INotebookTracker,
    palette: ICommandPalette | null
  ): IHistory => {
    const history = new Api(app.serviceManager.serverSettings);
    app.commands.addCommand(CommandIDs.history, {
      label: 'Notebook History…',
      caption: 'See the kept versions of this notebook and go back to one',
      icon: args => (args.isPalette ? ropewayIcon : undefined),
      isEnabled: () => notebooks.currentWidget !== null,
      isVisible: () => notebooks.currentWidget !== null,
      execute: async () => {
        const panel = notebooks.currentWidget;
        const version = panel && (await chooseVersion(history, panel.context));
        if (panel && version) {
          await restore(history, panel, version);
        }
      },
      describedBy: { args: { type: 'object', properties: {} } }
    });
    notebooks.widgetAdded.connect((_, panel) => keepBeforeRevert(history, panel.context));
    notebooks.currentChanged.connect(() => app.commands.notifyCommandChanged(CommandIDs.history));
    palette?.addItem({ command: CommandIDs.history, category: 'Ropeway' });
    return history;
  }
};

export default plugin;

/** Go back to a version, after what is only in the page was saved and so kept. */
async function restore(
  history: IHistory,
  panel: NotebookPanel,
  version: IVersion
): Promise<void> {
  const { context } = panel;
  try {
    if (context.model.dirty) {
      await context.save();
    }
  } catch {
    return; // Lab has told why, or asked and was told to stop
  }
  try {
    await history.restore(version.id);
    await context.revert();
    Notification.success(
      `This is the notebook of ${timeOf(version)} again. What it was before is in its history.`,
      { autoClose: 5000 }
    );
  } catch (reason) {
    const { message, hint } = ApiError.from(reason);
    void showErrorMessage('The notebook could not be restored', hint ? `${message} ${hint}` : message);
  }
}
