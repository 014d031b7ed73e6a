import { Notification } from '@jupyterlab/apputils';
import { INotebookModel, NotebookPanel } from '@jupyterlab/notebook';

import { IChoice, IWish } from '../api';
import { findRuntime } from '../connect/view';
import { IRuntimes } from '../tokens';

/** Tells of runtimes that have what a notebook asks for, once, where its own has not. */
export class Offer {
  /** `move` has the notebook run on another runtime. */
  constructor(
    private readonly _panel: NotebookPanel,
    private readonly _runtimes: IRuntimes,
    private readonly _move: (runtime: string) => void
  ) {}

  /** Look, unless it was told or there is nothing to tell; never rejects. */
  async look(): Promise<void> {
    if (this._settled || this._looking) {
      return;
    }
    this._looking = true;
    try {
      this._settled = await this._look();
    } catch (reason) {
      console.warn('The runtimes for this notebook could not be looked up.', reason);
    } finally {
      this._looking = false;
    }
  }

  /** Whether there is no more to find out. */
  private async _look(): Promise<boolean> {
    const { context, sessionContext } = this._panel;
    await context.ready;
    const wish = wishOf(this._panel.content.model);
    const key = `ropeway:offered:${context.path}`;
    if (!wish || sessionStorage.getItem(key)) {
      return true;
    }
    await sessionContext.ready;
    if (!this._runtimes.loaded) {
      await this._runtimes.refresh();
    }
    const kernel = sessionContext.session?.kernel;
    const runtime = kernel ? findRuntime(this._runtimes.runtimes, kernel.name) : null;
    if (!kernel || !runtime) {
      return false;
    }
    await kernel.info; // a plain server is measured by its kernels
    const choices = await this._runtimes.choices(runtime.name, wish);
    const own = choices.find(choice => choice.own);
    if (!own?.known || this._panel.isDisposed) {
      return this._panel.isDisposed;
    }
    if (!own.fits && choices.some(choice => choice.fits)) {
      sessionStorage.setItem(key, 'yes');
      this._tell(wish, own, choices.filter(choice => choice.fits));
    }
    return true;
  }

  private _tell(wish: IWish, own: IChoice, fitting: IChoice[]): void {
    const type = wish.gpu_type ? ` (${wish.gpu_type})` : '';
    const name = this._panel.title.label;
    const id = Notification.info(`${name} asks for a GPU${type}, and ${own.runtime} has none.`, {
      autoClose: false,
      actions: [
        ...fitting.map(({ runtime, told }) => ({
          label: `Run on ${runtime} (${told})`,
          callback: () => this._move(runtime)
        })),
        { label: `Stay on ${own.runtime}'s CPU`, callback: () => undefined }
      ]
    });
    this._panel.disposed.connect(() => Notification.dismiss(id));
  }

  private _settled = false;
  private _looking = false;
}

/** What the metadata ask for, or null. Files come from anywhere, so nothing is taken on trust. */
function wishOf(model: INotebookModel | null): IWish | null {
  const accelerator: unknown = model?.getMetadata('accelerator');
  const colab: unknown = model?.getMetadata('colab');
  if (accelerator !== 'GPU') {
    return null;
  }
  const known = typeof colab === 'object' && colab !== null && 'gpuType' in colab;
  const type = known && typeof colab.gpuType === 'string' ? colab.gpuType : '';
  return { accelerator, gpu_type: /^[A-Za-z0-9]{1,20}$/.test(type) ? type : '' };
}
