import { Kernel } from '@jupyterlab/services';

import { RunFuture } from './future';

type Find = (request: string) => RunFuture | undefined;

/**
 * Let message hooks reach runs that this page did not start: `Output` widgets catch with them what
 * a cell says. The kernel connection looks for a run among those that it sent itself.
 */
export function hookRuns(kernel: Kernel.IKernelConnection, find: Find): void {
  const register = kernel.registerMessageHook.bind(kernel);
  const remove = kernel.removeMessageHook.bind(kernel);
  kernel.registerMessageHook = (request, hook) => {
    const run = find(request);
    run ? run.registerMessageHook(hook) : register(request, hook);
  };
  kernel.removeMessageHook = (request, hook) => {
    const run = find(request);
    run ? run.removeMessageHook(hook) : remove(request, hook);
  };
}
