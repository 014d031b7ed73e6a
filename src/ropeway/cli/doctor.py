"""`ropeway doctor`: how well each runtime serves, and what to do where it does not."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from ropeway.errors import BadInput
from ropeway.workspace.address import HERE, parse_address
from ropeway.workspace.doctor import Health, examine
from ropeway.workspace.headless import serving_home
from ropeway.workspace.running import find_root

UNWELL = 3


@click.command()
@click.argument("url", required=False)
@click.option("--on", help="Look at this runtime alone; by default at all of them.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def doctor(url: str | None, on: str | None, as_json: bool) -> int:
    """Try every runtime with a little kernel and say what is wrong.

    With the URL that you paste in Colab it says instead what keeps Colab's page from that server.

    For each it shows how it is reached, what serves it, the road that data takes from home to its
    kernels, how long a small question takes on it and how fast a large answer comes, and the
    versions there. The exit code is 0 when all is well and 3 when something is not.

    \b
    Examples:
      ropeway doctor
      ropeway doctor --on gpu
      ropeway doctor 'http://localhost:9999/?token=…'    Colab's page cannot connect
      ropeway doctor --json | jq '.runtimes[] | {name, road, mb_per_s}'
    """
    if url:
        if on:
            raise BadInput("--on names a runtime, a URL a server.", hint="Leave one of them out.")
        return _look_for_the_page(url, as_json)
    found = asyncio.run(_examine(on))
    well = not any(health.problems for health in found)
    if as_json:
        body = {"well": well, "runtimes": [asdict(health) for health in found]}
        click.echo(json.dumps(body, indent=2))
    else:
        _show(found, well)
    return 0 if well else UNWELL


def _look_for_the_page(url: str, as_json: bool) -> int:
    from ropeway.runtime.colab import doctor as page

    address = parse_address(url)
    found = page.examine(address.url, address.token)
    if as_json:
        problems = [asdict(found)] if found else []
        click.echo(json.dumps({"well": not found, "problems": problems}, indent=2))
    elif found:
        click.echo(f"{found.message}\nhint: {found.hint}")
    else:
        click.echo(f"Colab's page can connect to {address.shown}.\n{page.BROWSER}")
    return UNWELL if found else 0


async def _examine(on: str | None) -> list[Health]:
    """One after the other: two trials at a time would slow each other down."""
    status = Console(stderr=True).status("Starting…")
    async with serving_home(find_root(Path.cwd()), runtime=on) as home:
        names = [on] if on else sorted(home.registry.runtimes, key=lambda n: (n != HERE, n))
        found = []
        with status:
            for name in names:
                runtime = home.registry.get(name)
                status.update(f"Trying {name}…")
                found.append(await examine(home, runtime))
        return found


def _show(found: list[Health], well: bool) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("RUNTIME", "STATE", "SERVER", "KERNEL", "DATA"):
        table.add_column(column)
    for health in found:
        table.add_row(
            health.name,
            health.state,
            _server(health),
            _kernel(health),
            _data(health),
            end_section=True,
        )
    console = Console()
    console.print(table)
    for health in found:
        for problem in health.problems:
            console.print(f"\n{health.name}: {problem.message}", markup=False, highlight=False)
            console.print(f"hint: {problem.hint}", markup=False, highlight=False)
    if well:
        console.print("\nAll is well.")


def _server(health: Health) -> str:
    agent = {True: "with Ropeway's agent", False: "plain Jupyter"}[health.agent]
    count = len(health.kernels)
    kernels = "1 kind of kernel" if count == 1 else f"{count} kinds of kernels"
    told = [health.address, *([agent, kernels] if health.state == "connected" else [])]
    return "\n".join(told)


def _kernel(health: Health) -> str:
    socket = {True: "WebSocket works", False: "WebSocket refused", None: ""}[health.websocket]
    versions = [
        f"{name} {version}"
        for name, version in (
            ("Python", health.python),
            ("ipykernel", health.ipykernel),
            ("SDK", health.sdk),
        )
        if version
    ]
    return "\n".join(word for word in (socket, *versions, _clock(health.clock_s)) if word)


def _clock(ahead: float | None) -> str:
    if ahead is None:
        return ""
    return "clock is right" if abs(ahead) < 1 else f"clock {ahead:+.1f} s"


def _data(health: Health) -> str:
    trip = "" if health.round_trip_ms is None else f"{health.round_trip_ms:.1f} ms a question"
    speed = "" if health.mb_per_s is None else f"{health.mb_per_s:.0f} MB/s"
    return "\n".join(word for word in (health.road or "", trip, speed) if word)
