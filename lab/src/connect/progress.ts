import { Notification } from '@jupyterlab/apputils';

/** Work that is done sooner is not announced. */
const SOON_MS = 500;
/** Lab loses an update that overtakes the drawing of the notification it updates. */
const DRAWN_MS = 1_000;

/** Tells of work that may take long, and how it ended. */
export class Progress {
  constructor(message: string) {
    this._timer = setTimeout(() => {
      this._id = Notification.emit(message, 'in-progress', { autoClose: false });
      this._drawn = new Promise(resolve => setTimeout(resolve, DRAWN_MS));
    }, SOON_MS);
  }

  succeed(message: string): void {
    clearTimeout(this._timer);
    if (this._id) {
      void this._end(this._id, message, 'success');
    }
  }

  fail(message: string): void {
    clearTimeout(this._timer);
    if (this._id) {
      void this._end(this._id, message, 'error');
    } else {
      Notification.error(message, { autoClose: false });
    }
  }

  private async _end(id: string, message: string, type: 'success' | 'error'): Promise<void> {
    await this._drawn;
    Notification.update({ id, message, type, autoClose: type === 'error' ? false : 3_000 });
  }

  private readonly _timer: ReturnType<typeof setTimeout>;
  private _id: string | null = null;
  private _drawn: Promise<void> = Promise.resolve();
}
