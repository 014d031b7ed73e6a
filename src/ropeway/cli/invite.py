"""`ropeway invite`: let a machine join that can dial out but cannot be reached."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import urlsplit

import click
from rich.console import Console
from rich.table import Table

from ropeway.cli.classes import runtime_class
from ropeway.duration import seconds
from ropeway.errors import BadInput
from ropeway.workspace.address import check_name
from ropeway.workspace.invites import invite_list
from ropeway.workspace.joining import Joining
from ropeway.workspace.running import find_root, running_workspace


@click.command()
@click.option("--name", default="", help="What the runtime will be called; by default its host.")
@click.option("--expires", default="1h", show_default=True, help="Such as 30m, 8h or 7d.")
@click.option("--many", is_flag=True, help="May be used by many machines until it expires.")
@runtime_class
@click.option("--url", default="", help="The workspace's URL as the other machine sees it.")
@click.option("--list", "show", is_flag=True, help="List the invitations that still count.")
@click.option("--revoke", metavar="ID", help="Take an invitation back.")
def invite(
    name: str,
    expires: str,
    many: bool,
    runtime_class: str,
    url: str,
    show: bool,
    revoke: str | None,
) -> None:
    """Invite a machine to dial in and become a runtime: behind NAT, on a compute node, in a cloud.

    Prints one command to run there. Its token lets one machine join, once, and nothing else;
    `ropeway disconnect NAME` sends that machine away again.

    \b
    Examples:
      ropeway invite --name gpu
      ropeway invite --url https://team.example/ --expires 7d --many
      ropeway invite --name colab --class public
      ropeway invite --list
      ropeway invite --revoke 3f9a2c01
    """
    if show:
        _show()
    elif revoke:
        invite_list().revoke(revoke)
        click.echo(f"Invitation {revoke} counts no longer.")
    else:
        _invite(name, seconds("--expires", expires), url, not many, runtime_class)


def _invite(name: str, length: float, url: str, once: bool, runtime_class: str) -> None:
    where, fingerprint = (url, "") if url else _own_url()
    number, token = Joining().invite(
        check_name(name) if name else "", length, once=once, runtime_class=runtime_class
    )
    until = time.strftime("%Y-%m-%d %H:%M", time.localtime(time.time() + length))
    uses = "once" if once else "as often as you like"
    click.secho(f"Run this on the other machine, {uses}, until {until}:", bold=True)
    click.echo(f"  {command(where, token, name, fingerprint)}")
    if not url and urlsplit(where).hostname in ("127.0.0.1", "localhost", "::1"):
        click.echo(
            "The workspace listens on this machine alone: give --url with an address that the "
            "other\nmachine can reach, such as that of a proxy or of an SSH tunnel."
        )
    click.echo(f"Take it back with: ropeway invite --revoke {number}")


def command(url: str, token: str, name: str = "", fingerprint: str = "") -> str:
    """The command that joins: the token stands in the environment, which `ps` does not show."""
    named = f" --name {name}" if name else ""
    pinned = f" --fingerprint {fingerprint}" if fingerprint else ""
    return f"ROPEWAY_JOIN_TOKEN={token} ropeway runtime --join {url}{named}{pinned}"


def _show() -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("ID", "NAME", "USES", "EXPIRES"):
        table.add_column(column, no_wrap=True)
    for each in invite_list().read().values():
        until = time.strftime("%Y-%m-%d %H:%M", time.localtime(each.expires))
        uses = "once" if each.once else f"many, {each.used} so far"
        table.add_row(each.id, each.name or "any", uses, until)
    Console().print(table)


def _own_url() -> tuple[str, str]:
    """Where others reach the workspace of this folder, and the certificate to pin, if any."""
    state = running_workspace(find_root(Path.cwd()))
    if state is None:
        raise BadInput(
            "No workspace runs in this folder, so its URL is not known.",
            hint="Start one (`ropeway`), or say where it will be: --url https://…",
        )
    return str(state.get("public") or state["url"]), str(state.get("fingerprint") or "")
