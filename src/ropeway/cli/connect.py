"""`ropeway connect`, `start`, `disconnect` and `runtimes`: the list of runtimes from the shell.

A workspace that runs notices a change within a second.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ropeway import config
from ropeway.cli.classes import runtime_class
from ropeway.cli.colab import colab_options, heard, is_colab, prepare, show_costs, wishes
from ropeway.duration import words
from ropeway.errors import BadInput, RopewayError
from ropeway.tls import parse_fingerprint
from ropeway.workspace.address import HERE
from ropeway.workspace.client import RuntimeClient
from ropeway.workspace.connect import check, check_and_remember
from ropeway.workspace.providers import Site, provider_for
from ropeway.workspace.registry import state_after
from ropeway.workspace.remembered import Record, runtime_list, unknown_runtime
from ropeway.workspace.running import find_root, running_workspace


@click.command()
@click.argument("url")
@click.option("--name", help="What to call the runtime; by default after its host.")
@click.option("--token", default="", help="Its token, if the URL has none; - asks for it.")
@click.option("--fingerprint", help="The one TLS certificate to accept, as sha256:AB:CD:….")
@runtime_class
@click.option("--server", default="", help="At a JupyterHub: which of your named servers.")
@click.option("--profile", default="", help="At a JupyterHub: the slug of a profile to start.")
@click.option(
    "--option",
    "pairs",
    multiple=True,
    metavar="KEY=VALUE",
    help="At a JupyterHub: another option of its spawner, as text or JSON; may be repeated.",
)
@click.option(
    "--ssh-config",
    type=click.Path(exists=True, dir_okay=False, resolve_path=True),
    help="For ssh://: an ssh_config to use instead of your own.",
)
@click.option(
    "--stop-idle",
    metavar="TIME",
    help="For ssh:// and colab: end it after so long without a running cell; a Colab VM after 1h "
    "unless you say never.",
)
@colab_options
def connect(
    url: str,
    name: str | None,
    token: str,
    fingerprint: str | None,
    runtime_class: str,
    server: str,
    profile: str,
    pairs: tuple[str, ...],
    ssh_config: str | None,
    stop_idle: str | None,
    **colab: Any,
) -> None:
    """Connect the Jupyter server at URL, or the machine at ssh://user@host, as a runtime.

    URL may be any that a Jupyter server prints or a browser shows. The server is asked once, then
    remembered, with its token, in a file that only you can read. On a machine that SSH reaches a
    runtime is installed once and started; ssh:// takes a port and a folder too. With --stop-idle it
    ends by itself, never while a cell runs. With hub+ before the URL of a JupyterHub, your server
    there is started first. The word colab asks Google for a VM of Colab, through Google's own
    program and with your account; the first time in a terminal.

    \b
    Examples:
      ropeway connect 'http://gpu-box:8888/?token=abc' --name gpu
      ropeway connect ssh://ann@gpu-box --name gpu --stop-idle 2h
      ropeway connect https://hub.example/user/ann/lab --token -
      ropeway connect hub+https://hub.example --server gpu --profile a100 --token -
      ropeway connect colab --gpu T4 --stop-idle 30m
      ropeway connect localhost:9999 --token abc
      ropeway connect https://gpu-box:9999 --token - --fingerprint sha256:AB:CD:…
    """
    given: dict[str, Any] = {"server": server, "profile": profile, "stop_idle": stop_idle}
    options = {key: value for key, value in given.items() if value}
    options |= wishes(url, colab)
    if pairs:
        options["user_options"] = dict(_pair(pair) for pair in pairs)
    if token == "-":  # noqa: S105 (a request to be asked, not a token)
        token = click.prompt("Token", hide_input=True)
    timeout = config.load(Path.cwd())["runtimes.timeout"]
    if ssh_config and not url.strip().lower().startswith("ssh://"):
        raise BadInput("--ssh-config is for addresses that begin with ssh://.")
    if ssh_config:
        options["config"] = ssh_config
    if fingerprint:
        options["fingerprint"] = parse_fingerprint(fingerprint)
    if is_colab(url) and not prepare(colab, options, token):
        return
    said: list[str] = []
    with _telling("Connecting") as tell:
        record = asyncio.run(
            check_and_remember(
                runtime_list(),
                url,
                token,
                name,
                options=options,
                runtime_class=runtime_class,
                timeout=timeout,
                tell=heard(said, tell),
            )
        )
    show_costs(said)
    shown = provider_for(record, Site()).shown
    click.echo(f"Connected {record.name} ({shown}).")
    click.echo(f"Use it: Connect ▸ {record.name} in a notebook, or --on {record.name} here.")


@click.command()
@click.argument("name")
def start(name: str) -> None:
    """Start the runtime NAME again where it was stopped, and wait until it answers.

    A JupyterHub's server is started with the profile that it was connected with, a runtime over SSH
    with its --stop-idle. Other runtimes are looked at, no more.

    \b
    Example:
      ropeway start gpu
    """
    record = _record(name)
    timeout = config.load(Path.cwd())["runtimes.timeout"]
    with _telling(f"Starting {name}") as tell:
        asyncio.run(check(record, timeout=timeout, tell=tell))
    click.echo(f"{name} runs.")


@click.command()
@click.argument("name")
@click.option("--stop", is_flag=True, help="Stop its server first, where Ropeway can.")
def disconnect(name: str, stop: bool) -> None:
    """Forget the runtime NAME, for all your workspaces. What runs there goes on.

    \b
    Examples:
      ropeway disconnect gpu
      ropeway disconnect gpu --stop            end its server, with all kernels
    """
    if stop:
        record = _record(name)
        with _telling(f"Stopping {name}") as tell:
            asyncio.run(_stop(record, tell))
    runtime_list().remove(name)
    done = "Its server was stopped." if stop else "Kernels that run there were left running."
    click.echo(f"Disconnected {name}. {done}")


async def _stop(record: Record, tell: Callable[[str], None]) -> None:
    timeout = config.load(Path.cwd())["runtimes.timeout"]
    provider = provider_for(record, Site(timeout, tell=tell))
    try:
        await provider.stop()
    finally:
        await provider.aclose()


def _record(name: str) -> Record:
    if name == HERE:
        raise BadInput(
            "The runtime here starts and ends with the workspace.", hint="Start that: `ropeway`."
        )
    records = runtime_list().read()
    if name not in records:
        raise unknown_runtime(name, records)
    return records[name]


def _pair(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise BadInput(f"{text!r} is no option.", hint="Write --option KEY=VALUE.")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


@contextmanager
def _telling(first: str) -> Iterator[Callable[[str], None]]:
    """What says on stderr what goes on: in one line of a terminal, or line by line."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda sentence: click.echo(sentence, err=True)
        return
    with console.status(f"{first}…") as status:
        yield lambda sentence: status.update(escape(sentence))


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
        specs, running, stop_idle = await asyncio.gather(
            client.kernelspecs(), client.kernels(), client.stop_idle()
        )
    except RopewayError as error:
        return Look(record.name, provider.shown, state_after(error), "", "", error.message)
    finally:
        await client.aclose()
        await provider.aclose()
    names = ", ".join(sorted(specs["kernelspecs"]))
    count = "?" if running is None else str(len(running))
    stop_idle = stop_idle or provider.stop_idle
    ends = f"stops after {words(stop_idle)} idle" if stop_idle else ""
    return Look(record.name, provider.shown, "connected", names, count, ends)
