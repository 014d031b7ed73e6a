import { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { Widget } from '@lumino/widgets';

/** As `notebooks/window.py` writes it; every other program shows the note's plain text. */
export const NOTE_TYPE = 'application/vnd.ropeway.output+json';

/** The note behind the beginning of a long output, with the way to all of it. */
export class Note extends Widget implements IRenderMime.IRenderer {
  /** `urlOf` knows where the whole output of a run is. */
  constructor(private readonly _urlOf: (request: string) => string) {
    super();
    this.addClass('rw-OutputNote');
  }

  renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const data = model.data[NOTE_TYPE] as { request?: unknown; text?: unknown } | null;
    const text = document.createElement('pre');
    text.textContent = String(data?.text ?? '');
    const link = document.createElement('a');
    link.textContent = 'See all';
    link.href = this._urlOf(String(data?.request ?? ''));
    link.target = '_blank';
    link.rel = 'noopener';
    this.node.replaceChildren(text, link);
    return Promise.resolve();
  }
}
