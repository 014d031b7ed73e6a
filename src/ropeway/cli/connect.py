"""`ropeway connect`, `disconnect` and `runtimes`: the list of runtimes from the shell.

A workspace that runs notices a change within a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ropeway import config
from ropeway.errors import BadInput, RopewayError, TokenRefused
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
@click.option(
    "--ssh-config",
    type=click.Path(exists=True, dir_okay=False, resolve_path=True),
    help="For ssh://: an ssh_config to use instead of your own.",
)
def connect(url: str, name: str | None, token: str, ssh_config: str | None) -> None:
    """Connect the Jupyter server at URL, or the machine at ssh://user@host, as a runtime.

    URL may be any that a Jupyter server prints or a browser shows. The server is asked once, then
    remembered, with its token, in a file that only you can read. On a machine that SSH reaches a
    runtime is installed once and started; ssh:// takes a port and a folder too.

    \b
    Examples:
      ropeway connect 'http://gpu-box:8888/?token=abc' --name gpu
      ropeway connect ssh://ann@gpu-box --name gpu
      ropeway connect https://hub.example/user/ann/lab --token -
      ropeway connect localhost:9999 --token abc
    """
    if token == "-":  # noqa: S105 (a request to be asked, not a token)
        token = click.prompt("Token", hide_input=True)
    timeout = config.load(Path.cwd())["runtimes.timeout"]
    if ssh_config and not url.strip().lower().startswith("ssh://"):
        raise BadInput("--ssh-config is for addresses that begin with ssh://.")
    options = {"config": ssh_config} if ssh_config else {}
    with told_live() as tell:
        record = asyncio.run(
            check_and_remember(
                runtime_list(), url, token, name, options=options, timeout=timeout, tell=tell
            )
        )
    shown = provider_for(record, Site()).shown
    click.echo(f"Connected {record.name} ({shown}).")
    click.echo(f"Use it: Connect ▸ {record.name} in a notebook, or --on {record.name} here.")


@contextmanager
def told_live() -> Iterator[Callable[[str], None]]:
    """What goes on, on stderr: a line that changes in a terminal, a line each elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda sentence: click.echo(f"{sentence}…", err=True)
        return
    with console.status("Connecting…") as status:
        yield lambda sentence: status.update(Text(f"{sentence}…"))


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
    provider = provider_for(record, Site(timeout, start=False))
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
