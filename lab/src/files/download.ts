import { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { Widget } from '@lumino/widgets';

import { IFiles } from '../tokens';

/** As `google.colab.files` writes it; other programs show its plain text. */
export const DOWNLOAD_TYPE = 'application/vnd.ropeway.download+json';

/** A link to a file that a cell handed out, for who wants it once more. */
export class Download extends Widget implements IRenderMime.IRenderer {
  constructor(private readonly _files: IFiles) {
    super();
    this.addClass('rw-Download');
  }

  renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const data = model.data[DOWNLOAD_TYPE] as { id?: unknown; name?: unknown } | null;
    this.node.replaceChildren(link(this._files, String(data?.id ?? ''), String(data?.name ?? '')));
    return Promise.resolve();
  }
}

/** Have the browser keep a file, with its own progress. */
export function startDownload(files: IFiles, id: string, name: string): void {
  const made = link(files, id, name);
  made.hidden = true;
  document.body.append(made);
  made.click();
  made.remove();
}

function link(files: IFiles, id: string, name: string): HTMLAnchorElement {
  const made = document.createElement('a');
  made.href = files.downloadUrl(id);
  made.download = name;
  made.textContent = `Download ${name}`;
  return made;
}
