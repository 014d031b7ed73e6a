"""`ropeway connect`, `disconnect` and `runtimes`: the list of runtimes from the shell.

A workspace that runs notices a change within a second.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from ropeway import config
from ropeway.errors import RopewayError, TokenRefused
from ropeway.tls import parse_fingerprint
from ropeway.workspace.address import HERE
from ropeway.workspace.client import RuntimeClient
from ropeway.workspace.connect import check_and_remember
from ropeway.workspace.providers import Site, provider_for
from ropeway.workspace.remembered import Record, runtime_list
from ropeway.workspace.running import find_root, running_workspace


@click.command()
@click.argument("url")
@click.option("--name", help="What to call the runtime; by default after its host.")
@click.option("--token", default="", help="Its token, if the URL has none; - asks for it.")
@click.option("--fingerprint", help="The one TLS certificate to accept, as sha256:AB:CD:….")
def connect(url: str, name: str | None, token: str, fingerprint: str | None) -> None:
    """Connect the Jupyter server at URL as a runtime.

    URL may be any that a Jupyter server prints or a browser shows. The server is asked once, then
    remembered, with its token, in a file that only you can read.

    \b
    Examples:
      ropeway connect 'http://gpu-box:8888/?token=abc' --name gpu
      ropeway connect https://hub.example/user/ann/lab --token -
      ropeway connect localhost:9999 --token abc
      ropeway connect https://gpu-box:9999 --token - --fingerprint sha256:AB:CD:…
    """
    if token == "-":  # noqa: S105 (a request to be asked, not a token)
        token = click.prompt("Token", hide_input=True)
    timeout = config.load(Path.cwd())["runtimes.timeout"]
    options = {"fingerprint": parse_fingerprint(fingerprint)} if fingerprint else None
    record = asyncio.run(
        check_and_remember(runtime_list(), url, token, name, options=options, timeout=timeout)
    )
    shown = provider_for(record, Site()).shown
    click.echo(f"Connected {record.name} ({shown}).")
    click.echo(f"Use it: Connect ▸ {record.name} in a notebook, or --on {record.name} here.")


@click.command()
@click.argument("name")
def disconnect(name: str) -> None:
    """Forget the runtime NAME, for all your workspaces. What runs there goes on.

    \b
    Example:
      ropeway disconnect gpu
    """
    runtime_list().remove(name)
    click.echo(f"Disconnected {name}. Kernels that run there were left running.")


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a runtime found."""

    name: str
    address: str
    state: str
    kernels: str
    running: str
    detail: str = ""


@click.command()
def runtimes() -> None:
    """List the runtimes and how they are.

    \b
    Example:
      ropeway runtimes
    """
    timeout = config.load(Path.cwd())["runtimes.timeout"]
    looks = [_look_here(find_root(Path.cwd())), *asyncio.run(_look_at_all(timeout))]
    table = Table(box=None, pad_edge=False)
    for column in ("NAME", "STATE", "ADDRESS", "KERNELS", "RUNNING"):
        table.add_column(column, no_wrap=column in ("NAME", "STATE"))
    for look in looks:
        table.add_row(look.name, look.state, look.address, look.kernels, look.running)
    console = Console()
    console.print(table)
    for look in looks:
        if look.detail:
            console.print(f"{look.name}: {look.detail}", markup=False, highlight=False)


def _look_here(folder: Path) -> Look:
    state = "connected" if running_workspace(folder) else "stopped"
    detail = "" if state == "connected" else "it starts with the workspace: `ropeway`"
    return Look(HERE, "this machine", state, "", "", detail)


async def _look_at_all(timeout: float) -> list[Look]:
    records = runtime_list().read().values()
    return list(await asyncio.gather(*(_look(record, timeout) for record in records)))


async def _look(record: Record, timeout: float) -> Look:
    provider = provider_for(record, Site(timeout))
    client = RuntimeClient(record.name, None, timeout)
    try:
        client.address = await provider.reach()
        specs, running = await asyncio.gather(client.kernelspecs(), client.kernels())
    except RopewayError as error:
        state = "refused" if isinstance(error, TokenRefused) else "unreachable"
        return Look(record.name, provider.shown, state, "", "", error.message)
    finally:
        await client.aclose()
        await provider.aclose()
    names = ", ".join(sorted(specs["kernelspecs"]))
    count = "?" if running is None else str(len(running))
    return Look(record.name, provider.shown, "connected", names, count)
