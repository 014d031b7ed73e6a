import { PageConfig, URLExt } from '@jupyterlab/coreutils';
import * as React from 'react';

import { ApiError, IApiError, IInvitation } from '../api';
import { Problem } from '../problem';
import { IRuntimes } from '../tokens';
import { Command } from './command';

/** A command for a machine that can dial this workspace, but that nobody can reach. */
export function Invite(props: { runtimes: IRuntimes; name: () => string }): JSX.Element {
  const [command, setCommand] = React.useState('');
  const [problem, setProblem] = React.useState<IApiError | null>(null);
  const invite = async (): Promise<void> => {
    setProblem(null);
    try {
      const name = props.name();
      setCommand(joinCommand(await props.runtimes.invite(name), name));
    } catch (reason) {
      setProblem(ApiError.from(reason));
    }
  };
  return (
    <>
      <p>Or, for a machine behind a router or firewall: let it dial in and become a runtime.</p>
      {command ? (
        <>
          <Command text={command} />
          <p role="status">
            It counts once, within the hour. The runtime appears in the menu as soon as it dials.
            {isLoopback() &&
              ' This page was opened on its own machine: put in the address that the other one sees.'}
          </p>
        </>
      ) : (
        <button type="button" className="rw-Small jp-mod-styled" onClick={() => void invite()}>
          Make an invitation
        </button>
      )}
      {problem && <Problem problem={problem} />}
    </>
  );
}

function joinCommand({ token, fingerprint }: IInvitation, name: string): string {
  const base = new URL(PageConfig.getBaseUrl(), window.location.href).pathname;
  const url = URLExt.join(window.location.origin, base);
  const named = name ? ` --name ${name}` : '';
  const pinned = fingerprint ? ` --fingerprint ${fingerprint}` : '';
  return `ROPEWAY_JOIN_TOKEN=${token} ropeway runtime --join ${url}${named}${pinned}`;
}

function isLoopback(): boolean {
  return /^(localhost|127\.[0-9.]+|\[::1\])$/.test(window.location.hostname);
}
