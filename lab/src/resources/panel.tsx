import { ReactWidget } from '@jupyterlab/apputils';
import { UseSignal } from '@jupyterlab/ui-components';
import { Message } from '@lumino/messaging';
import * as React from 'react';

import { resourcesIcon } from '../icons';
import { Problem } from '../problem';
import { ResourcesModel } from './model';
import { RuntimeResources } from './runtime';

/** The sidebar's view of what runtimes and kernels use. */
export class ResourcesPanel extends ReactWidget {
  constructor(private readonly _model: ResourcesModel) {
    super();
    this.id = 'ropeway-resources';
    this.addClass('rw-Resources');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', 'Resources');
    this.node.tabIndex = 0; // it scrolls
    this.title.caption = 'Resources of runtimes and kernels';
    this.title.icon = resourcesIcon;
  }

  protected override render(): JSX.Element {
    return <UseSignal signal={this._model.changed}>{() => this._runtimes()}</UseSignal>;
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._model.start();
  }

  protected override onBeforeHide(message: Message): void {
    this._model.stop();
    super.onBeforeHide(message);
  }

  private _runtimes(): JSX.Element {
    const { runtimes, loaded, problem } = this._model.runtimes;
    return (
      <>
        <div role="alert">{problem && <Problem problem={problem} />}</div>
        {!loaded && !problem && <p>Asking the workspace…</p>}
        {runtimes
          .filter(runtime => runtime.state === 'connected')
          .map(runtime => (
            <RuntimeResources
              key={runtime.name}
              runtime={runtime}
              resources={this._model.of(runtime.name)}
              onRestart={session => this._model.restart(runtime.name, session)}
            />
          ))}
      </>
    );
  }
}
