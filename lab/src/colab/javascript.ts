import { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { Widget } from '@lumino/widgets';

export const JAVASCRIPT_TYPES = ['text/javascript', 'application/javascript'];

/** A script that is an output; it stands where it may draw. */
export class Javascript extends Widget implements IRenderMime.IRenderer {
  /** `evaluate` runs a script for an element of the page. */
  constructor(
    private readonly _type: string,
    private readonly _evaluate: (code: string, element: HTMLElement) => unknown
  ) {
    super();
    this.addClass('jp-RenderedJavaScript');
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const data = model.data[this._type];
    const code = typeof data === 'string' ? data : JSON.stringify(data);
    await Promise.resolve(); // by then the output stands in its cell, which tells where it belongs
    try {
      this._evaluate(code, this.node);
    } catch (reason) {
      const problem = document.createElement('pre');
      problem.textContent = `JavaScript Error: ${String(reason)}`;
      this.node.replaceChildren(problem);
      console.error(reason);
    }
  }
}
