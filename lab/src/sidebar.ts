import type { ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import type { ICommandPalette } from '@jupyterlab/apputils';
import type { LabIcon } from '@jupyterlab/ui-components';
import type { Widget } from '@lumino/widgets';

/** A panel of the left sidebar, and how its command is shown. */
export interface ISidebarPanel {
  widget: Widget;
  type: string;
  rank: number;
  command: string;
  label: string;
  caption: string;
  icon: LabIcon;
}

/** Add a panel to the left sidebar, with a command that opens it and its place in the palette. */
export function addToSidebar(
  app: JupyterFrontEnd,
  panel: ISidebarPanel,
  restorer: ILayoutRestorer | null,
  palette: ICommandPalette | null
): void {
  const { widget, type, rank, command, label, caption, icon } = panel;
  widget.addClass('rw-Sidebar');
  app.shell.add(widget, 'left', { rank, type });
  restorer?.add(widget, widget.id);
  app.commands.addCommand(command, {
    label,
    caption,
    icon: args => (args.isPalette ? icon : undefined),
    execute: () => app.shell.activateById(widget.id),
    describedBy: { args: { type: 'object', properties: {} } }
  });
  palette?.addItem({ command, category: 'Ropeway' });
}
