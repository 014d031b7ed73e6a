import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { Cell, CodeCell } from '@jupyterlab/cells';
import { INotebookTracker, NotebookActions, NotebookPanel } from '@jupyterlab/notebook';

import { CommandIDs } from '../tokens';
import { CellForm } from './cell';
import { View } from './grammar';

const LABELS: Record<View, string> = {
  form: 'Show the Form Only',
  both: 'Show Form and Code',
  code: 'Show the Code Only'
};

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'ropeway:forms',
  description: "Colab's forms: fields beside the code for what a cell marks with #@param.",
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    notebooks: INotebookTracker,
    palette: ICommandPalette | null
  ): void => {
    const forms = new WeakMap<Cell, CellForm>();
    const current = (): CellForm | undefined =>
      notebooks.activeCell ? forms.get(notebooks.activeCell) : undefined;
    notebooks.widgetAdded.connect((_, panel) => watch(panel, forms, app));
    NotebookActions.executionScheduled.connect((_, { cell }) => forms.get(cell)?.noteRun());
    for (const [view, label] of Object.entries(LABELS)) {
      const command = `${CommandIDs.form}-${view}`;
      app.commands.addCommand(command, {
        label,
        isEnabled: () => Boolean(current()?.view),
        isToggleable: true,
        isToggled: () => current()?.view === view,
        execute: () => current()?.show(view as View),
        describedBy: { args: { type: 'object', properties: {} } }
      });
      palette?.addItem({ command, category: 'Ropeway' });
    }
  }
};

export default plugin;

/** Give each cell of the notebook its form, before it is seen for the first time. */
function watch(panel: NotebookPanel, forms: WeakMap<Cell, CellForm>, app: JupyterFrontEnd): void {
  const { content } = panel;
  content.cellInViewportChanged.connect((_, cell) => {
    if (cell instanceof CodeCell && cell.inViewport && !forms.has(cell)) {
      const form = new CellForm(panel, cell, app.commands);
      forms.set(cell, form);
      void cell.ready.then(() => form.update());
    }
  });
  content.stateChanged.connect((_, { name, newValue }) => {
    if (name === 'mode' && newValue === 'edit' && content.activeCell) {
      forms.get(content.activeCell)?.takeFocus();
    }
  });
}
