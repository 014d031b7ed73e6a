import { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';

import { ApiError, IApiError, ISecret, ISecretQuestion } from '../api';
import { Asker } from '../data/models/asker';
import { ISecrets } from '../tokens';

/** The secrets as the current notebook may have them. */
export class SecretsModel implements IDisposable {
  constructor(
    private readonly _secrets: ISecrets,
    private readonly _asker: Asker
  ) {
    _asker.changed.connect(this._onAsker, this);
  }

  /** Null before the first answer. */
  secrets: readonly ISecret[] | null = null;
  questions: readonly ISecretQuestion[] = [];
  problem: IApiError | null = null;

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** The path of the current notebook, empty without one. */
  get notebook(): string {
    return this._asker.notebook?.context.localPath ?? '';
  }

  dispose(): void {
    this._isDisposed = true;
    this._asker.changed.disconnect(this._onAsker, this);
    Signal.clearData(this);
  }

  /** Never rejects: see `problem`. */
  async load(): Promise<void> {
    const { notebook } = this;
    try {
      const found = await this._secrets.secrets(notebook);
      if (notebook !== this.notebook || this._isDisposed) {
        return; // another notebook is looked at meanwhile
      }
      this.secrets = found.secrets;
      this.questions = found.questions;
      this.problem = null;
    } catch (reason) {
      this.problem = ApiError.from(reason);
    }
    this._changed.emit();
  }

  /** Whether it is kept now. */
  add(name: string, value: string): Promise<boolean> {
    return this._do(() => this._secrets.setSecret(name, value));
  }

  async remove(name: string): Promise<void> {
    await this._do(() => this._secrets.removeSecret(name));
  }

  /** Let the current notebook read it on machines of one's own, or no more. Farther goes only who
   * is asked by a cell, or says so in a shell. */
  async allow(name: string, allowed: boolean): Promise<void> {
    const farthest = allowed ? 'own' : '';
    await this._do(() => this._secrets.allowSecret(name, this.notebook, farthest));
  }

  async answer(question: ISecretQuestion, allowed: boolean): Promise<void> {
    await this._do(() => this._secrets.answerSecret(question.id, allowed));
  }

  private async _do(work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
    } catch (reason) {
      this.problem = ApiError.from(reason);
      this._changed.emit();
      return false;
    }
    await this.load();
    return true;
  }

  private _onAsker(): void {
    if (this.secrets) {
      void this.load();
    }
  }

  private readonly _changed = new Signal<this, void>(this);
  private _isDisposed = false;
}
