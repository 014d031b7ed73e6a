import { MenuSvg } from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';
import { Menu } from '@lumino/widgets';

import { IRuntimes, CommandIDs } from '../tokens';
import { Connection } from './connection';

/** Lab's own commands for the current notebook's kernel: they ask before anything is lost. */
const KERNEL_COMMANDS = [
  'notebook:restart-kernel',
  'notebook:interrupt-kernel',
  'notebook:shutdown-kernel'
];

/** What the Connect button offers: where to run, the kernel, and the dialogs. */
export function createMenu(
  commands: CommandRegistry,
  runtimes: IRuntimes,
  connection: Connection
): Menu {
  const menu = new MenuSvg({ commands });
  menu.addClass('rw-Menu');
  menu.contentNode.setAttribute('aria-label', 'Runtime of this notebook');
  const { missing } = connection.view;
  if (missing) {
    const args = { name: missing, label: `Add ${missing}, which this notebook wants…` };
    menu.addItem({ command: CommandIDs.add, args });
    menu.addItem({ type: 'separator' });
  }
  for (const runtime of runtimes.runtimes) {
    menu.addItem({ command: CommandIDs.use, args: { runtime: runtime.name } });
    if (runtime.state === 'connected' && runtime.kernels.length > 1) {
      const submenu = new MenuSvg({ commands });
      submenu.title.label = `Kernels of ${runtime.name}`;
      for (const kernel of runtime.kernels) {
        const args = { runtime: runtime.name, kernel: kernel.name };
        submenu.addItem({ command: CommandIDs.use, args });
      }
      menu.addItem({ type: 'submenu', submenu });
    }
  }
  menu.addItem({ type: 'separator' });
  for (const command of KERNEL_COMMANDS) {
    if (commands.hasCommand(command)) {
      menu.addItem({ command });
    }
  }
  menu.addItem({ type: 'separator' });
  menu.addItem({ command: CommandIDs.manage });
  menu.addItem({ command: CommandIDs.add });
  return menu;
}
