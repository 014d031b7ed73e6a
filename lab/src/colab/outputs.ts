import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { CodeCell } from '@jupyterlab/cells';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';

import { Api } from '../api';
import { Javascript, JAVASCRIPT_TYPES } from './javascript';
import { callerOf, kernelInterface } from './kernel';
import { outputInterface } from './output';
import { IPlace, isWrittenForColab, Places } from './places';
import { Requests } from './requests';
import { IGoogle, runOf, Scope } from './scope';

declare global {
  interface Window {
    google?: { colab?: object };
  }
}

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'ropeway:colab-outputs',
  description: "Gives outputs Colab's JavaScript interface, and kernels the page that it expects.",
  autoStart: true,
  requires: [INotebookTracker, IRenderMimeRegistry],
  activate: (
    app: JupyterFrontEnd,
    notebooks: INotebookTracker,
    rendermime: IRenderMimeRegistry
  ): void => {
    const api = new Api(app.serviceManager.serverSettings);
    const places = new Places(notebooks);
    const made = (place: () => IPlace): IGoogle => ({
      colab: {
        kernel: kernelInterface(place, api),
        output: outputInterface(place, rendermime),
        files: {
          view: (path: string) => app.commands.execute('docmanager:open', { path: String(path) })
        },
        widgets: { installCustomManager: () => undefined }
      }
    });
    window.google = { ...window.google, ...made(() => places.current) };
    const scopes = new Scopes(made);
    rendermime.addFactory(
      {
        safe: false,
        mimeTypes: JAVASCRIPT_TYPES,
        createRenderer: ({ mimeType }) =>
          new Javascript(mimeType, (code, element) => {
            const place = places.of(element);
            return place?.cell && isWrittenForColab(place)
              ? scopes.of(place.cell, place).evaluate(code, element)
              : evaluate(code, element);
          })
      },
      -1
    );
    notebooks.widgetAdded.connect((_, panel) => {
      const cellOf = (request: string): CodeCell | null =>
        places.ofRequest(panel, request).cell ?? callerOf(request);
      const run = (code: string, request: string): unknown => {
        const cell = cellOf(request);
        if (!cell) {
          throw new Error('No cell of this page shows what asks.');
        }
        return scopes.of(cell, { panel, cell }).evaluate(code);
      };
      new Requests(panel, run, request => cellOf(request) !== null);
    });
  }
};

export default plugin;

/** The scope of each cell, for as long as it shows the same run. */
class Scopes {
  constructor(private readonly _made: (place: () => IPlace) => IGoogle) {}

  of(cell: CodeCell, place: IPlace): Scope {
    const known = this._scopes.get(cell);
    if (known && known.run === runOf(cell)) {
      return known;
    }
    known?.dispose();
    const scope = new Scope(
      cell,
      this._made(() => place)
    );
    this._scopes.set(cell, scope);
    const { model } = cell.outputArea;
    const cleared = (): void => {
      if (!model.length) {
        model.changed.disconnect(cleared);
        scope.dispose();
        if (this._scopes.get(cell) === scope) {
          this._scopes.delete(cell);
        }
      }
    };
    model.changed.connect(cleared);
    return scope;
  }

  private readonly _scopes = new WeakMap<CodeCell, Scope>();
}

/** As JupyterLab runs scripts: in the page, with `element` as where they may draw. */
function evaluate(code: string, element: HTMLElement): unknown {
  return new Function('element', 'code', 'return eval(code)')(element, code);
}
