import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, IToolbarWidgetRegistry } from '@jupyterlab/apputils';
import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { CommandRegistry } from '@lumino/commands';

import { IRuntime } from '../api';
import { ropewayIcon } from '../icons';
import { CommandIDs, IRuntimes } from '../tokens';
import { askForRuntime } from './add';
import { Connection } from './connection';
import { createMenu } from './menu';
import { ConnectWidget } from './widget';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'ropeway:connect',
  description: 'The Connect button of a notebook: where it runs, and how to change that.',
  autoStart: true,
  requires: [INotebookTracker, IToolbarWidgetRegistry, IRuntimes],
  optional: [ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    notebooks: INotebookTracker,
    toolbar: IToolbarWidgetRegistry,
    runtimes: IRuntimes,
    palette: ICommandPalette | null
  ): void => {
    const connections = new WeakMap<NotebookPanel, Connection>();
    const connectionOf = (panel: NotebookPanel): Connection => {
      let connection = connections.get(panel);
      if (!connection) {
        connection = new Connection(panel, runtimes);
        connections.set(panel, connection);
      }
      return connection;
    };
    const current = (id?: unknown): Connection | null => {
      const panel = id ? notebooks.find(each => each.id === id) : notebooks.currentWidget;
      return panel ? connectionOf(panel) : null;
    };

    addCommands(app.commands, runtimes, current);
    toolbar.addFactory<NotebookPanel>(
      'Notebook',
      'ropeway-connect',
      panel =>
        new ConnectWidget(panel, connectionOf(panel), connection =>
          createMenu(app.commands, runtimes, connection)
        )
    );
    palette?.addItem({ command: CommandIDs.add, category: 'Ropeway' });
  }
};

export default plugin;

function addCommands(
  commands: CommandRegistry,
  runtimes: IRuntimes,
  current: (id?: unknown) => Connection | null
): void {
  const find = (name: unknown): IRuntime | undefined =>
    runtimes.runtimes.find(runtime => runtime.name === name);

  commands.addCommand(CommandIDs.use, {
    label: args => {
      const runtime = find(args.runtime);
      const kernel = runtime?.kernels.find(k => k.name === args.kernel);
      const state = runtime && runtime.state !== 'connected' ? ` · ${runtime.state}` : '';
      return kernel?.display_name ?? `${args.runtime ?? 'Run on a runtime'}${state}`;
    },
    caption: args => find(args.runtime)?.address ?? '',
    isEnabled: () => current() !== null,
    isToggleable: true,
    isToggled: args => {
      const connection = current();
      return args.kernel
        ? connection?.kernelName === args.kernel
        : connection?.view.runtime?.name === args.runtime;
    },
    execute: async args => {
      const connection = current(args.panel);
      const isThere = args.kernel
        ? connection?.kernelName === args.kernel
        : connection?.view.runtime?.name === args.runtime;
      const isAlive = connection?.view.tone !== 'error';
      if (connection && typeof args.runtime === 'string' && !(isThere && isAlive)) {
        const kernel = typeof args.kernel === 'string' ? args.kernel : undefined;
        await connection.use(args.runtime, kernel);
      }
    },
    describedBy: {
      args: {
        type: 'object',
        properties: {
          runtime: { type: 'string' },
          kernel: { type: 'string' },
          panel: { type: 'string', description: 'The id of a notebook; by default the current.' }
        },
        required: ['runtime']
      }
    }
  });

  commands.addCommand(CommandIDs.add, {
    label: args => (typeof args.label === 'string' ? args.label : 'Add a runtime…'),
    caption: 'Connect a Jupyter server by its URL',
    icon: args => (args.isPalette ? ropewayIcon : undefined),
    execute: async args => {
      const connection = current();
      const answer = await askForRuntime(runtimes, {
        name: typeof args.name === 'string' ? args.name : '',
        offerUse: connection !== null && args.use !== false
      });
      if (answer?.use) {
        await connection?.use(answer.runtime.name);
      }
    },
    describedBy: {
      args: {
        type: 'object',
        properties: {
          name: { type: 'string' },
          label: { type: 'string' },
          use: { type: 'boolean' }
        }
      }
    }
  });
}
