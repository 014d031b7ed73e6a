import { Dialog, ReactWidget } from '@jupyterlab/apputils';
import { UseSignal } from '@jupyterlab/ui-components';
import * as React from 'react';

import { WorkDialog } from '../dialog';
import { Problem } from '../problem';
import { IRuntimes } from '../tokens';
import { SessionsModel } from './model';
import { RuntimeSection } from './runtime';

/**
 * Show every runtime with its sessions; resolves to whether a runtime shall be added.
 * `onEnded` is called when sessions may have ended.
 */
export async function manageRuntimes(
  runtimes: IRuntimes,
  onEnded: () => Promise<void>
): Promise<boolean> {
  const model = new SessionsModel(runtimes, onEnded);
  try {
    const dialog = new WorkDialog<void>(
      {
        title: 'Runtimes and sessions',
        body: new ManageBody(model),
        hasClose: true,
        buttons: [
          Dialog.okButton({ label: 'Add a runtime…' }),
          Dialog.cancelButton({ label: 'Close' })
        ],
        defaultButton: 1
      },
      async () => true
    );
    dialog.addClass('rw-ManageDialog');
    return (await dialog.launch()).button.accept;
  } finally {
    model.dispose();
  }
}

class ManageBody extends ReactWidget {
  constructor(private readonly _model: SessionsModel) {
    super();
    this.addClass('rw-Manage');
  }

  protected override render(): JSX.Element {
    return (
      <UseSignal signal={this._model.changed}>{() => <Manage model={this._model} />}</UseSignal>
    );
  }
}

function Manage({ model }: { model: SessionsModel }): JSX.Element {
  const { runtimes, loaded, problem } = model.runtimes;
  const body = React.useRef<HTMLDivElement>(null);
  React.useEffect(() => {
    // What was pressed may be gone with its row: without a focus inside, Esc would do nothing.
    if (document.activeElement === document.body) {
      body.current?.focus();
    }
  });
  return (
    <div ref={body} tabIndex={-1}>
      {problem && <Problem problem={problem} />}
      {!loaded && !problem && <p>Asking the workspace…</p>}
      {runtimes.map(runtime => (
        <RuntimeSection
          key={runtime.name}
          runtime={runtime}
          list={model.of(runtime.name)}
          onShutDown={id => model.shutDown(runtime.name, id)}
          onDisconnect={parting => model.disconnect(runtime.name, parting)}
          onStart={() => model.start(runtime.name)}
          onRestart={() => model.restart(runtime.name)}
        />
      ))}
    </div>
  );
}
