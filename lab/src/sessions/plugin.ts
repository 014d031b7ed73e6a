import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';

import { ropewayIcon } from '../icons';
import { CommandIDs, IRuntimes } from '../tokens';
import { manageRuntimes } from './dialog';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'ropeway:sessions',
  description: 'Shows every runtime with what runs on it.',
  autoStart: true,
  requires: [IRuntimes],
  optional: [ICommandPalette],
  activate: (app: JupyterFrontEnd, runtimes: IRuntimes, palette: ICommandPalette | null): void => {
    app.commands.addCommand(CommandIDs.manage, {
      label: 'Manage runtimes and sessions…',
      caption: 'See what runs where, shut it down, disconnect a runtime',
      icon: args => (args.isPalette ? ropewayIcon : undefined),
      execute: async () => {
        // Lab looks at its sessions only now and then: an open notebook should know at once.
        const onEnded = (): Promise<void> => app.serviceManager.sessions.refreshRunning();
        if (await manageRuntimes(runtimes, onEnded)) {
          await app.commands.execute(CommandIDs.add);
        }
      },
      describedBy: { args: { type: 'object', properties: {} } }
    });
    palette?.addItem({ command: CommandIDs.manage, category: 'Ropeway' });
  }
};

export default plugin;
