import { ReactWidget } from '@jupyterlab/apputils';
import { UseSignal } from '@jupyterlab/ui-components';
import { Message } from '@lumino/messaging';
import * as React from 'react';

import { dataIcon } from '../icons';
import { Datasets } from './datasets';
import { Ledger } from './ledger';
import { DatasetsModel } from './models/datasets';
import { LedgerModel } from './models/ledger';
import { TransfersModel } from './models/transfers';
import { ITab, Tabs } from './tabs';
import { Transfers } from './transfers';

/** The sidebar's view of the data at home. */
export class DataPanel extends ReactWidget {
  constructor(
    private readonly _datasets: DatasetsModel,
    private readonly _transfers: TransfersModel,
    private readonly _ledger: LedgerModel,
    private readonly _insert: (text: string) => void
  ) {
    super();
    this.id = 'ropeway-data';
    this.addClass('rw-Data');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', 'Data at home');
    this.title.caption = 'Data at home';
    this.title.icon = dataIcon;
  }

  protected override render(): JSX.Element {
    return <UseSignal signal={this._transfers.changed}>{() => this._tabs()}</UseSignal>;
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    void this._datasets.load();
    this._transfers.start();
  }

  protected override onBeforeHide(message: Message): void {
    this._transfers.stop();
    super.onBeforeHide(message);
  }

  private _tabs(): JSX.Element {
    const { running } = this._transfers;
    const tabs: ITab[] = [
      {
        id: 'datasets',
        label: 'Datasets',
        content: () => <Datasets model={this._datasets} onInsert={this._insert} />
      },
      {
        id: 'transfers',
        label: running ? `Transfers (${running})` : 'Transfers',
        content: () => <Transfers model={this._transfers} />
      },
      {
        id: 'ledger',
        label: 'Ledger',
        content: () => <Ledger model={this._ledger} datasets={this._datasets} />
      }
    ];
    return <Tabs label="Data at home" tabs={tabs} />;
  }
}
