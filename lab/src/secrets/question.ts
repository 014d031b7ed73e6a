import { Dialog } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';

import { ISecretQuestion } from '../api';
import { SecretsModel } from './model';

/** Asks whoever sits here whether a notebook may read a secret, in the page that shows it. */
export class Questions {
  constructor(
    private readonly _model: SecretsModel,
    private readonly _notebooks: INotebookTracker
  ) {
    _model.changed.connect(this._look, this);
    _notebooks.widgetAdded.connect(() => void _model.load());
  }

  private _look(): void {
    const { questions } = this._model;
    for (const [id, dialog] of this._open) {
      if (!questions.some(question => question.id === id)) {
        this._open.delete(id);
        dialog.reject(); // answered elsewhere, or nobody waits any more
      }
    }
    for (const question of questions) {
      const shown = this._notebooks.find(
        panel => panel.context.localPath === question.notebook && !panel.isDisposed
      );
      if (shown && !this._open.has(question.id)) {
        void this._ask(question);
      }
    }
  }

  private async _ask(question: ISecretQuestion): Promise<void> {
    const dialog = new Dialog({
      title: `May ${question.notebook.split('/').pop()} read ${question.name}?`,
      body: words(question),
      buttons: [
        Dialog.cancelButton({ label: 'Deny' }),
        Dialog.okButton({ label: 'Allow', ariaLabel: `Allow reading ${question.name}` })
      ],
      defaultButton: 0
    });
    this._open.set(question.id, dialog);
    const answer = await dialog.launch();
    if (this._open.delete(question.id)) {
      await this._model.answer(question, answer.button.accept);
    }
  }

  private readonly _open = new Map<string, Dialog<unknown>>();
}

function words({ runtime, runtime_class }: ISecretQuestion): string {
  const home = 'A cell asks for the value of this secret, which is kept at home.';
  if (runtime_class === 'here' || runtime_class === 'own') {
    return `${home} It runs on ${runtime}. If you allow it, this notebook may read it for good on machines of yours.`;
  }
  return (
    `${home} It runs on ${runtime}, of the class ${runtime_class}: whoever has that machine can ` +
    `read the value too. If you allow it, this notebook may read it for good, on every runtime of ` +
    `the class ${runtime_class}.`
  );
}
