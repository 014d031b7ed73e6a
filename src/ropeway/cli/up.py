"""`ropeway up`: the workspace."""

from __future__ import annotations

import asyncio
import time
import webbrowser
from html import escape
from pathlib import Path
from typing import Any

import click

from ropeway import __version__, config
from ropeway.certificates import Certificate, chosen
from ropeway.cli.listening import tls_options
from ropeway.errors import BadInput, RopewayError
from ropeway.runtime.port import check_exposed, check_port
from ropeway.workspace.address import HERE
from ropeway.workspace.providers.here import here_process, here_users
from ropeway.workspace.public import parse_public_url
from ropeway.workspace.running import announce, claim, running_workspace, withdraw


@click.command()
@click.argument("folder", default=".", type=click.Path(path_type=Path))
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0: a free one.")
@click.option("--host", help="Address to listen on; by default this machine alone.")
@click.option("--no-browser", is_flag=True, help="Print the address, open no browser.")
@click.option("--public-url", metavar="URL", help="Where a proxy shows the workspace.")
@tls_options
def up(folder: Path, no_browser: bool, insecure_http: bool, **given: str | int | None) -> None:
    """Start the workspace in FOLDER (this folder by default) and open it in the browser.

    The runtime `here` starts with it; Ctrl-C stops both, and every kernel. A SIGTERM or a closed
    terminal stops the workspace alone: the next one goes on with the kernels.

    \b
    Examples:
      ropeway
      ropeway ~/project --port 9000
      ropeway --no-browser --host 0.0.0.0 --tls self-signed
      ropeway --no-browser --public-url https://notebooks.example/ropeway/
    """
    root = _checked(folder)
    options = {
        "workspace.browser": False if no_browser else None,
        "workspace.insecure_http": insecure_http or None,
        **{f"workspace.{name}": value for name, value in given.items()},
    }
    settings = config.load(root, options)
    certificate = _checked_listening(settings)
    mine = claim(root)
    if mine is None:
        _open_running(root, _wait_for_running(root), settings)
        return
    port_given = "workspace.port" in settings.given
    if port_given:
        check_port(settings["workspace.host"], settings["workspace.port"])
    here, users = here_process(root), here_users(root)
    users.share()
    here.launch()  # it comes up while this process still loads JupyterLab
    left = frozenset({HERE} if not here.ours else ())  # a start that fails ends no kernels
    try:
        left = _serve(root, settings, certificate, retry_ports=not port_given)
    finally:
        if HERE not in left and users.take():  # the last who uses it, on whichever way out
            asyncio.run(here.stop())
        withdraw(root)
    go_on = f" The kernels on {', '.join(sorted(left))} go on." if left else ""
    click.echo(f"Stopped.{go_on}")


def _wait_for_running(root: Path) -> dict[str, Any]:
    """Where the workspace listens that holds the folder; it may be starting just now."""
    for _ in range(200):
        if (state := running_workspace(root)) is not None:
            return state
        time.sleep(0.1)
    raise RopewayError(
        "Another workspace of this folder is starting, but it does not come up.",
        hint="Look at its terminal.",
    )


def _checked(folder: Path) -> Path:
    if not folder.is_dir():
        raise BadInput(
            f"{str(folder)!r} is neither a folder nor a command of ropeway.",
            hint="`ropeway --help` lists the commands; `ropeway FOLDER` needs a folder.",
        )
    return folder.resolve()


def _checked_listening(settings: config.Config) -> Certificate | None:
    """The certificate to serve with, if any; nothing has started when it is wrong."""
    certificate = chosen(*(settings[f"workspace.{key}"] for key in ("tls", "certfile", "keyfile")))
    parse_public_url(settings["workspace.public_url"])
    check_exposed(
        settings["workspace.host"],
        tls=certificate is not None,
        insecure_http=settings["workspace.insecure_http"],
    )
    return certificate


def _open_running(root: Path, state: dict[str, Any], settings: config.Config) -> None:
    public = parse_public_url(settings["workspace.public_url"])
    base = public.origin + public.base if public else state["url"]
    url = f"{base}?token={state['token']}"
    click.echo(f"The workspace of this folder runs already:\n  {url}")
    if settings["workspace.browser"]:
        # Through a private file: everybody can read a browser's command line.
        page = config.workspace_state_dir(root) / "open.html"
        config.write_private(page, f'<meta http-equiv="refresh" content="0; url={escape(url)}">')
        webbrowser.open(page.as_uri())


def _serve(
    root: Path, settings: config.Config, certificate: Certificate | None, *, retry_ports: bool
) -> frozenset[str]:
    from ropeway.workspace.server import WorkspaceServer, first_page, serve

    page = first_page(root)
    public = parse_public_url(settings["workspace.public_url"])

    def greet(server: WorkspaceServer) -> None:
        base = public.origin + public.base if public else server.connection_url
        address = base.rstrip("/") + page
        token = server.identity_provider.token
        own = certificate.fingerprint if certificate and certificate.own else ""
        announce(root, server.connection_url, token, public=base, fingerprint=own)
        click.secho(f"Ropeway {__version__}", bold=True)
        click.echo(f"  workspace  {address}?token={token}")
        if own:
            click.echo(f"  TLS        {own}")
            click.echo("             no authority vouches for it: compare before you accept it")
        click.echo(f"  folder     {root}")
        click.echo("  runtime    here is connected; add others under Connect")
        click.echo("Ctrl-C stops everything.")

    return serve(
        root, settings, page, retry_ports=retry_ports, certificate=certificate, greet=greet
    )
