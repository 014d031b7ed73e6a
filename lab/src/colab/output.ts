import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { IPlace, kernelOf } from './places';
import { runOf } from './scope';

/** The longest that a promise of a script may hold back what a cell says. */
const LONGEST_PAUSE_MS = 30_000;

const active = new WeakMap<HTMLElement, HTMLElement>();

/** `google.colab.output`; `place` says for which output it is asked. */
export function outputInterface(place: () => IPlace, rendermime: IRenderMimeRegistry): object {
  return {
    getDefaultOutputArea: () => areaOf(place()),
    getActiveOutputArea: () => active.get(areaOf(place())) ?? areaOf(place()),
    setActiveOutputArea: (element: HTMLElement) => void active.set(areaOf(place()), element),
    pauseOutputUntil: (promise: PromiseLike<unknown>) => pause(place(), promise),
    setIframeHeight: (
      _height: number | string,
      _interactive?: boolean,
      options: { maxHeight?: number } = {}
    ) => {
      const style = areaOf(place()).style;
      style.maxHeight = options.maxHeight ? `${options.maxHeight}px` : '';
      style.overflowY = options.maxHeight ? 'auto' : '';
    },
    /** Outputs are as high as what they show. */
    resizeIframeToContent: () => undefined,
    renderOutput: async (
      output: { data?: ReadonlyPartialJSONObject; metadata?: ReadonlyPartialJSONObject },
      element: HTMLElement
    ) => {
      const data = output.data ?? (output as ReadonlyPartialJSONObject);
      const type = rendermime.preferredMimeType(data, 'any');
      if (!type) {
        throw new Error('This output has no form that can be shown.');
      }
      const renderer = rendermime.createRenderer(type);
      await renderer.renderModel(
        rendermime.createModel({ data, metadata: output.metadata, trusted: true })
      );
      element.appendChild(renderer.node);
    }
  };
}

/** Where a cell shows its outputs; without a cell, its notebook. */
function areaOf({ panel, cell }: IPlace): HTMLElement {
  return cell?.outputArea.node ?? panel.content.node;
}

/** Show nothing more of what the cell says until the promise has settled. */
function pause(place: IPlace, promise: PromiseLike<unknown>): void {
  const run = place.cell ? runOf(place.cell) : undefined;
  if (!run) {
    return;
  }
  const kernel = kernelOf(place);
  const longest = new Promise(resolve => setTimeout(resolve, LONGEST_PAUSE_MS));
  const over = Promise.race([Promise.resolve(promise).catch(() => undefined), longest]);
  const hook = (): Promise<boolean> => over.then(() => true);
  kernel.registerMessageHook(run, hook);
  void over.then(() => kernel.removeMessageHook(run, hook));
}
