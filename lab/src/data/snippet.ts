import { CodeCell } from '@jupyterlab/cells';
import { NotebookActions, NotebookPanel } from '@jupyterlab/notebook';

/** A cell that asks for the first rows of a dataset or, where no row may cross, for their number. */
export function snippetFor(dataset: string, allow: string): string {
  const what = allow === 'aggregates' ? 'count(*) as n' : '*';
  const limit = allow === 'aggregates' ? '' : ' limit 10';
  return `import ropeway as rw\n\nrw.sql("select ${what} from ${dataset}${limit}").df()`;
}

/** Write it into the active cell where that is an empty code cell, else into a new one below. */
export function insertSnippet({ content: notebook }: NotebookPanel, text: string): void {
  const active = notebook.activeCell;
  if (!(active instanceof CodeCell) || active.model.sharedModel.getSource().trim()) {
    NotebookActions.insertBelow(notebook);
    NotebookActions.changeCellType(notebook, 'code');
  }
  const cell = notebook.activeCell;
  if (cell) {
    cell.model.sharedModel.setSource(text);
    // The notebook itself would not take the focus from the sidebar.
    void cell.ready.then(() => cell.editor?.focus());
  }
}
