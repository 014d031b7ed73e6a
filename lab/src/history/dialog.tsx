import { Dialog, ReactWidget } from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';
import { DocumentRegistry } from '@jupyterlab/docregistry';
import { UseSignal } from '@jupyterlab/ui-components';
import * as React from 'react';

import { IVersion } from '../api';
import { WorkDialog } from '../dialog';
import { Problem } from '../problem';
import { IHistory } from '../tokens';
import { Difference } from './difference';
import { HistoryModel } from './model';
import { Timeline } from './timeline';

/** Show the versions of a notebook; resolves to the one to go back to, or null. */
export async function chooseVersion(
  history: IHistory,
  context: DocumentRegistry.Context
): Promise<IVersion | null> {
  const model = new HistoryModel(history, context.localPath);
  void model.load();
  try {
    const dialog = new WorkDialog<void>(
      {
        title: `History of ${PathExt.basename(context.localPath)}`,
        body: new HistoryBody(model, context.model.dirty),
        hasClose: true,
        buttons: [
          Dialog.cancelButton({ label: 'Close' }),
          Dialog.okButton({ label: 'Restore this version' })
        ],
        defaultButton: 0
      },
      async () => model.chosen !== null
    );
    dialog.addClass('rw-HistoryDialog');
    return (await dialog.launch()).button.accept ? model.chosen : null;
  } finally {
    model.dispose();
  }
}

class HistoryBody extends ReactWidget {
  constructor(
    private readonly _model: HistoryModel,
    private readonly _dirty: boolean
  ) {
    super();
    this.addClass('rw-History');
  }

  protected override render(): JSX.Element {
    return (
      <UseSignal signal={this._model.changed}>
        {() => <History model={this._model} dirty={this._dirty} />}
      </UseSignal>
    );
  }
}

function History({ model, dirty }: { model: HistoryModel; dirty: boolean }): JSX.Element {
  const { versions, chosen, diff, problem } = model;
  if (!versions) {
    return problem ? <Problem problem={problem} /> : <p>Asking the workspace…</p>;
  }
  if (!chosen) {
    return <p>No version was kept yet. The first one is kept when the notebook is saved.</p>;
  }
  return (
    <>
      <Timeline versions={versions} chosen={chosen} onChoose={v => void model.choose(v)} />
      <section className="rw-History-difference" aria-label="What changed since" tabIndex={0}>
        {dirty && (
          <p className="rw-History-note">
            This page has changes that are not saved: they are compared once they are. A restore
            saves them first.
          </p>
        )}
        {problem && <Problem problem={problem} />}
        {!diff && !problem && <p>Comparing…</p>}
        {diff && <Difference diff={diff} />}
      </section>
    </>
  );
}
