import { DocumentRegistry } from '@jupyterlab/docregistry';

import { IHistory } from '../tokens';

/**
 * Keep what only the page has before it loads the file again, as it does when it is told to revert:
 * Lab forgets it. Should that fail the page stays as it is.
 */
export function keepBeforeRevert(history: IHistory, context: DocumentRegistry.Context): void {
  const revert = context.revert.bind(context);
  context.revert = async () => {
    if (context.isReady && context.model.dirty) {
      await history.keep(context.localPath, context.model.toJSON());
    }
    await revert();
  };
}
