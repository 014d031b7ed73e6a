"""`ropeway runtime`: lend this machine."""

from __future__ import annotations

import os
import re
import socket
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ropeway.certificates import Certificate, chosen
from ropeway.cli.listening import tls_options
from ropeway.duration import seconds
from ropeway.errors import BadInput
from ropeway.runtime.port import check_exposed
from ropeway.workspace.address import check_name

if TYPE_CHECKING:
    from ropeway.runtime.app import Listening
    from ropeway.runtime.colab.mode import Colab
    from ropeway.runtime.join import Join


@click.command()
@click.argument("folder", default=".", type=click.Path(path_type=Path))
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0: a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--join", metavar="URL", help="Dial the workspace at URL: nothing needs to reach us.")
@click.option("--name", default="", help="With --join: what to call this runtime there.")
@click.option("--fingerprint", default="", help="With --join: the workspace's own certificate.")
@click.option("--stop-idle", metavar="TIME", help="End after so long without a running cell: 2h.")
@click.option("--colab", is_flag=True, help="Let Colab's page connect to this runtime.")
@click.option(
    "--colab-origin", metavar="URL", multiple=True, help="With --colab: another page to let in."
)
@click.option(
    "--record", metavar="FILE", help="With --colab: write down what is asked, without secrets."
)
@tls_options
def runtime(
    folder: Path,
    port: int | None,
    host: str,
    join: str | None,
    name: str,
    fingerprint: str,
    stop_idle: str | None,
    colab: bool,
    colab_origin: tuple[str, ...],
    record: str | None,
    tls: str | None,
    certfile: str | None,
    keyfile: str | None,
    insecure_http: bool,
) -> None:
    """Lend this machine as a runtime: a Jupyter server whose kernels a workspace uses.

    It listens on this machine alone unless --host says otherwise, always wants its token, and
    keeps files in FOLDER (this folder by default). Ctrl-C stops it with its kernels.

    Behind NAT or a firewall let it --join instead, with the command that `ropeway invite` shows at
    home: it dials the workspace, and dials again whenever the link is lost.

    With --colab it prints a URL for "Connect to a local runtime" in Colab's own page.

    \b
    Examples:
      ropeway runtime
      ropeway runtime --colab                    for Colab's page, on this machine
      ropeway runtime --stop-idle 2h             for a machine that costs money
      ropeway runtime --host 0.0.0.0 --tls self-signed
      ropeway runtime --host 0.0.0.0 --certfile box.pem --keyfile box.key --port 9000
      ROPEWAY_RUNTIME_TOKEN=… ropeway runtime    a token of your own
      ROPEWAY_JOIN_TOKEN=… ropeway runtime --join https://team.example/
    """

    if not folder.is_dir():
        raise BadInput(f"{str(folder)!r} is not a folder.", hint="Give a folder that exists.")
    _check_alone(join, colab, alone=host == "127.0.0.1" and not (tls or certfile))
    page = _page(colab, colab_origin, record)
    certificate = chosen(tls or "off", certfile or "", keyfile or "")
    check_exposed(host, tls=certificate is not None, insecure_http=insecure_http)
    longest = seconds("--stop-idle", stop_idle) if stop_idle else 0.0
    ends = f", and so does {stop_idle} without a running cell" if stop_idle else ""
    from ropeway.runtime.app import serve

    def started(listening: Listening) -> None:
        if page:
            _greet_for_colab(listening, page, ends)
        else:
            _greet(listening, certificate, ends)

    def started_to_join(_: Listening) -> None:
        click.echo(f"Ctrl-C stops this runtime with its kernels{ends}.")

    serve(
        folder.resolve(),
        host="localhost" if page else host,
        port=9999 if port is None else port,
        retries=50 if port is None and not page else 0,
        certificate=certificate,
        stop_idle=(lambda: longest) if longest else None,
        token=os.environ.pop("ROPEWAY_RUNTIME_TOKEN", ""),
        started=started_to_join if join else started,
        companion=_joining(join, name, fingerprint) if join else None,
        colab=page,
    )
    click.echo("Stopped.")


def _check_alone(join: str | None, colab: bool, *, alone: bool) -> None:
    if join and colab:
        raise BadInput(
            "--join lends this machine to a workspace, --colab to Colab's page.",
            hint="Start a runtime for each, with ports and folders of their own.",
        )
    if join and not alone:
        raise BadInput(
            "A runtime that joins listens on this machine alone, without TLS.",
            hint="Leave --host and the TLS options away: the link has the workspace's TLS.",
        )
    if colab and not alone:
        raise BadInput(
            "A runtime for Colab's page listens on this machine alone, without TLS.",
            hint="Leave --host and the TLS options away: browsers want no TLS here.",
        )


def _page(colab: bool, origins: tuple[str, ...], record: str | None) -> Colab | None:
    if not colab:
        if origins or record:
            raise BadInput("--colab-origin and --record belong to --colab.", hint="Add --colab.")
        return None
    from ropeway.runtime.colab.mode import Colab
    from ropeway.runtime.colab.origin import COLAB, origin
    from ropeway.runtime.colab.record import Record

    let_in = (COLAB, *map(origin, origins))
    return Colab(let_in, Record(Path(record)) if record else None)


def _joining(url: str, name: str, fingerprint: str) -> Join:
    from ropeway.runtime.join import TOKEN_VARIABLE, Home, Join

    # Taken out of the environment: kernels inherit that.
    token = os.environ.pop(TOKEN_VARIABLE, "")
    told = partial(click.echo, err=True)
    home = Home.read(url, fingerprint)
    return Join(home, token, check_name(name) if name else _suggested_name(), told)


def _greet(listening: Listening, certificate: Certificate | None, ends: str) -> None:
    url = f"{listening.url}?token={listening.token}"
    command = f"ropeway connect '{url}' --name {_suggested_name()}"
    click.secho("This machine is a runtime now:", bold=True)
    click.echo(f"  {url}")
    if certificate and certificate.own:
        click.echo(f"  {certificate.fingerprint}")
        click.echo("Paste the URL and the certificate's fingerprint in the workspace under")
        click.echo("Connect, Add a runtime…, or run there:")
        command += f" \\\n    --fingerprint {certificate.fingerprint}"
    else:
        click.echo("Paste that URL in the workspace under Connect, Add a runtime…, or run there:")
    click.echo(f"  {command}")
    click.echo(f"Ctrl-C stops it{ends}.")


def _greet_for_colab(listening: Listening, page: Colab, ends: str) -> None:
    click.secho("Colab's page can connect to this machine now:", bold=True)
    click.echo(f"  {listening.url}?token={listening.token}")
    click.echo("Copy that URL. In Colab open the menu beside Connect, choose Connect to a local")
    click.echo("runtime, and paste it. Who has it can run code here and read your files.")
    if page.record:
        click.echo(f"What is asked is written to {page.record.path}, without tokens and code.")
    click.echo(f"Ctrl-C stops it{ends}.")


def _suggested_name() -> str:
    label = re.sub(r"[^a-z0-9-]+", "-", socket.gethostname().split(".")[0].lower()).strip("-")
    return label[:30] if label and label not in ("localhost", "here") else "gpu"
