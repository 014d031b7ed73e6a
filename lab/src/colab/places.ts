import { CodeCell } from '@jupyterlab/cells';
import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { Kernel } from '@jupyterlab/services';

/** Where JavaScript of an output belongs: its notebook, and its cell where that is known. */
export interface IPlace {
  readonly panel: NotebookPanel;
  readonly cell: CodeCell | null;
}

/** As the kernel tells a notebook that was written for Colab (`kernel/colab/presence.py`). */
const WRITTEN_FOR_COLAB =
  /google\.colab|from\s+google\s+import\s+colab|#\s*@(?:title|param|markdown)\b|\/content\//;

/** Finds the place of what runs: all outputs share the page, and `google.colab` is one object. */
export class Places {
  constructor(private readonly _notebooks: INotebookTracker) {}

  /**
   * Of the script or the event that is being handled. What comes later, from a timer say, is taken
   * for the last one's, as long as its notebook is the one that is worked in. Throws where no
   * notebook is open.
   */
  get current(): IPlace {
    const panel = this._notebooks.currentWidget;
    const last = this._last?.cell?.isDisposed || this._last?.panel !== panel ? null : this._last;
    const found = this.of(document.currentScript) ?? this.of(window.event?.target ?? null) ?? last;
    if (!found && !panel) {
      throw new Error('No notebook is open.');
    }
    this._last = found;
    return found ?? { panel: panel!, cell: null };
  }

  /** The place of something in the page, or null. */
  of(target: EventTarget | null): IPlace | null {
    if (!(target instanceof Node)) {
      return null;
    }
    const panel = this._notebooks.find(each => each.node.contains(target));
    const cell = panel?.content.widgets.find(each => each.node.contains(target));
    return panel ? { panel, cell: cell instanceof CodeCell ? cell : null } : null;
  }

  /** The place of what a notebook's kernel says while it handles a request. */
  ofRequest(panel: NotebookPanel, request: string): IPlace {
    const cell = panel.content.widgets.find(
      each => each instanceof CodeCell && each.outputArea.future?.msg.header.msg_id === request
    );
    return { panel, cell: cell instanceof CodeCell ? cell : null };
  }

  private _last: IPlace | null = null;
}

/** The kernel of a place. Throws where it has none. */
export function kernelOf(place: IPlace): Kernel.IKernelConnection {
  const kernel = place.panel.sessionContext.session?.kernel;
  if (!kernel) {
    throw new Error('This notebook has no kernel.');
  }
  return kernel;
}

/** Whether a notebook expects Colab's page around its outputs. */
export function isWrittenForColab({ panel }: IPlace): boolean {
  const model = panel.content.model;
  return (
    model?.getMetadata('colab') !== undefined ||
    panel.content.widgets.some(
      each => each instanceof CodeCell && WRITTEN_FOR_COLAB.test(each.model.sharedModel.getSource())
    )
  );
}
