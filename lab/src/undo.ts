import type { ICellModel } from '@jupyterlab/cells';

import type { IEdit } from './placement/line';

/** A change of a cell's source that undo takes back in one step, made of one edit or of many. */
export class Step {
  constructor(private readonly _source: ICellModel['sharedModel']) {
    this._manager?.stopCapturing(); // or it would be one step with what was typed just before
  }

  edit({ start, end, text }: IEdit): void {
    const manager = this._manager;
    const timeout = manager?.captureTimeout ?? 0;
    if (manager) {
      manager.captureTimeout = Infinity; // who thinks before the next letter goes on in this step
    }
    this._source.updateSource(start, end, text);
    if (manager) {
      manager.captureTimeout = timeout;
    }
  }

  end(): void {
    this._manager?.stopCapturing();
  }

  private get _manager(): IUndoManager | null {
    return (this._source as { undoManager?: IUndoManager | null }).undoManager ?? null;
  }
}

/** What shared models have and their interface does not tell. */
interface IUndoManager {
  captureTimeout: number;
  stopCapturing(): void;
}
