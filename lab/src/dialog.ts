import { Dialog } from '@jupyterlab/apputils';

/** A dialog that can work before it closes, and whose body may have buttons of its own. */
export class WorkDialog<T> extends Dialog<T> {
  /** `accept` says whether the dialog may close now; it runs when an accept button is chosen. */
  constructor(
    options: Partial<Dialog.IOptions<T>>,
    private readonly _accept: () => Promise<boolean>
  ) {
    super(options);
    this._choices = options.buttons ?? [];
    this._default = options.defaultButton ?? this._choices.length - 1;
    this.addClass('rw-Dialog');
  }

  override resolve(index?: number): void {
    const choice = this._choices[index ?? this._default];
    if (!choice?.accept) {
      super.resolve(index);
    } else if (!this._working) {
      void this._work(index);
    }
  }

  override handleEvent(event: Event): void {
    if (event instanceof KeyboardEvent && event.type === 'keydown' && this._isBodys(event)) {
      return;
    }
    super.handleEvent(event);
  }

  /** Whether a key belongs to the body: the dialog would swallow it as one for its own buttons. */
  private _isBodys(event: KeyboardEvent): boolean {
    const body = this.node.querySelector('.jp-Dialog-body');
    const target = event.target;
    if (!body || !(target instanceof HTMLElement) || !body.contains(target)) {
      return false;
    }
    if (event.key === 'Escape') {
      return target.closest('.rw-Question') !== null;
    }
    const pressable = target.matches('button, summary, a');
    return pressable && ['Enter', 'ArrowLeft', 'ArrowRight'].includes(event.key);
  }

  private async _work(index?: number): Promise<void> {
    this._setWorking(true);
    try {
      if (await this._accept()) {
        super.resolve(index);
      }
    } finally {
      this._setWorking(false);
    }
  }

  private _setWorking(working: boolean): void {
    this._working = working;
    this.node.setAttribute('aria-busy', String(working));
    for (const button of this.node.querySelectorAll<HTMLButtonElement>('.jp-mod-accept')) {
      button.classList.toggle('rw-mod-working', working);
    }
  }

  private readonly _choices: readonly Dialog.IButton[];
  private readonly _default: number;
  private _working = false;
}
