import { ILayoutRestorer, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';

import { resourcesIcon } from '../icons';
import { addToSidebar } from '../sidebar';
import { CommandIDs, IRuntimes } from '../tokens';
import { ResourcesModel } from './model';
import { ResourcesPanel } from './panel';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'ropeway:resources',
  description: 'The sidebar with what runtimes and their kernels use.',
  autoStart: true,
  requires: [IRuntimes],
  optional: [INotebookTracker, ICommandPalette, ILayoutRestorer],
  activate: (
    app: JupyterFrontEnd,
    runtimes: IRuntimes,
    notebooks: INotebookTracker | null,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null
  ): void => {
    // A notebook that is open restarts its kernel itself, so that its cells know.
    const restartHere = async (kernel: string): Promise<boolean> => {
      const open = notebooks?.find(({ sessionContext }) => {
        return sessionContext.session?.kernel?.id === kernel;
      });
      await open?.sessionContext.restartKernel();
      return open !== undefined;
    };
    const panel = new ResourcesPanel(new ResourcesModel(runtimes, restartHere));
    const sidebar = {
      widget: panel,
      type: 'Resources',
      rank: 310,
      command: CommandIDs.resources,
      label: 'Resources',
      caption: 'See the memory, disk and GPUs of every runtime, and what each kernel holds',
      icon: resourcesIcon
    };
    addToSidebar(app, sidebar, restorer, palette);
  }
};

export default plugin;
