"""What a notebook has lost when its page, its line or its server went away while a cell ran.

`python benchmarks/lost.py --lab PYTHON --collaboration PYTHON --documents PYTHON` takes the Pythons
of three environments, since the peers do not agree with one another in one:

    pip install jupyterlab ipykernel
    pip install jupyterlab ipykernel jupyter-collaboration 'jupyter-server-nbmodel[lab]'
    pip install jupyterlab ipykernel jupyter-server-documents

Each peer shows the notebook in JupyterLab in a real Chromium, through a line of its own. A cell
prints numbers, and writes them to a file as well: those were printed. A quarter of them later the
fault comes. When the cell has ended, or its kernel has, whoever sat there comes back: looks at the
page, opens the notebook where there is none any more, and saves. What counts are the numbers that
then stand in the notebook's file once and in order.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import tempfile
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from playwright.async_api import Error

from peers import clean_environment, cores, free_port, wait_for, write_results
from support.chromium import Chromium, LabPage
from support.forwarder import forwarder
from support.servers import Server

NUMBERS = 200
CELL = """
import time
for number in range({numbers}):
    print(number, flush=True)
    with open({told!r}, "a") as told:
        print(number, file=told)
    time.sleep({pause})
"""
CUT_SECONDS = 5.0
ENDED_SECONDS = 20.0
TOKEN = "benchmark-token"


class Desk:
    """One peer: its server, the line to it and the browser of who sits there."""

    def __init__(self, name: str, python: str, folder: Path) -> None:
        self.name = name
        self._python = python
        self._folder = folder
        self._port, self._line_port = free_port(), free_port()
        self.tab: LabPage | None = None

    async def start(self) -> None:
        """Bring it up."""
        (self._folder / "files").mkdir(parents=True)
        (self._folder / "jupyter-config").mkdir()
        exposed = {"LabApp": {"expose_app_in_browser": True}}
        settings = self._folder / "jupyter-config" / "jupyter_server_config.json"
        settings.write_text(json.dumps(exposed))
        await asyncio.to_thread(self._serve)
        self._dial()
        self.browser = await Chromium(self._folder / "chromium").__aenter__()

    async def end(self) -> None:
        """Take it down."""
        await self.browser.__aexit__(None, None, None)
        self._line.stop()
        await asyncio.to_thread(self.server.stop)

    async def restart(self) -> None:
        """Kill the server, and start it again."""
        self.server.kill()
        await asyncio.to_thread(self._serve)

    async def cut(self, seconds: float) -> None:
        """Cut the line for so long."""
        self._line.stop()
        await asyncio.sleep(seconds)
        await asyncio.to_thread(self._dial)

    async def open(self, path: str) -> LabPage:
        """The notebook in a new tab."""
        self.tab = LabPage(await self.browser.page())
        # A name of its own for JupyterLab's workspace: another one brings other notebooks along.
        app = f"/lab/workspaces/{Path(path).stem}/tree"
        await self.tab.open(f"http://127.0.0.1:{self._line_port}", self.token, path, app)
        return self.tab

    async def close(self) -> None:
        """Close the tab."""
        if self.tab is not None:
            await self.tab.page.close()
        self.tab = None

    @property
    def files(self) -> Path:
        """Where notebooks are."""
        return self._folder / "files"

    def _dial(self) -> None:
        self._making = forwarder(self._line_port, self._port)
        self._line = self._making.__enter__()

    def _serve(self) -> None:
        log = self._folder / "server.log"
        with log.open("ab") as out:
            process = subprocess.Popen(
                self._command(),
                cwd=self.files,
                env=clean_environment(self._folder),
                stdout=out,
                stderr=out,
            )
        self.server = Server(f"http://127.0.0.1:{self._port}", TOKEN, process, log, self.files)
        wait_for(self.server)
        self.token = re.findall(r"token=(\w+)", log.read_text())[-1] if self._ours() else TOKEN

    def _ours(self) -> bool:
        return self.name == "ropeway"

    def _command(self) -> list[str]:
        if self._ours():
            return [self._python, "-m", "ropeway", "--no-browser", "--port", str(self._port)]
        return [
            *(self._python, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"),
            *(f"--port={self._port}", "--ServerApp.port_retries=0", "--LabApp.news_url=None"),
            f"--IdentityProvider.token={TOKEN}",
        ]


async def nothing(desk: Desk, over: Callable[[], Awaitable[None]]) -> None:
    """Nothing goes wrong."""


async def reloaded(desk: Desk, over: Callable[[], Awaitable[None]]) -> None:
    """The page is loaded anew."""
    assert desk.tab is not None
    await desk.tab.page.reload()


async def closed(desk: Desk, over: Callable[[], Awaitable[None]]) -> None:
    """The page is closed, and opened again once the cell has ended."""
    await desk.close()


async def asleep(desk: Desk, over: Callable[[], Awaitable[None]]) -> None:
    """The lid is closed until the cell has ended."""
    desk.browser.sleep()
    await over()
    desk.browser.wake()


async def cut(desk: Desk, over: Callable[[], Awaitable[None]]) -> None:
    """The line to the server is cut for a while."""
    await desk.cut(CUT_SECONDS)


async def restarted(desk: Desk, over: Callable[[], Awaitable[None]]) -> None:
    """The server is killed and started again."""
    await desk.restart()


@dataclass(frozen=True)
class Case:
    """A fault while a cell runs that takes so long for each number."""

    name: str
    pause: float
    happen: Callable[[Desk, Callable[[], Awaitable[None]]], Awaitable[None]]


CASES = (
    Case("nothing", 0.06, nothing),
    Case("page reloaded", 0.06, reloaded),
    Case("page closed", 0.06, closed),
    Case("page closed, 100 s left", 0.66, closed),
    Case("browser asleep", 0.06, asleep),
    Case("line cut for 5 s", 0.06, cut),
    Case("server killed", 0.06, restarted),
)


async def once(desk: Desk, case: Case, turn: int) -> tuple[int, int]:
    """How many numbers were printed, and how many of them the file has."""
    path = f"{CASES.index(case)}-{turn}.ipynb"
    told, file = desk.files / f"{path}.told", desk.files / path
    source = CELL.format(numbers=NUMBERS, told=str(told), pause=case.pause)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, file)
    tab = await desk.open(path)
    await tab.idle()
    await tab.run_all()

    def printed() -> int:
        return len(told.read_text().splitlines()) if told.exists() else 0

    async def over() -> None:
        """The cell has ended, or nothing comes any more."""
        before, since = printed(), time.monotonic()
        while before < NUMBERS and time.monotonic() - since < ENDED_SECONDS:
            await asyncio.sleep(0.5)
            if printed() > before:
                before, since = printed(), time.monotonic()

    begun = pressed = time.monotonic()
    while printed() < NUMBERS // 4:
        now = time.monotonic()
        assert now - begun < 180, f"{desk.name}: the cell does not run"
        if not printed() and now - pressed > 20:
            shown = await tab.shown()
            if shown is not None and shown["status"] == "idle":
                await tab.run_all()  # as a user does whose first press went nowhere
            pressed = now
        await asyncio.sleep(0.1)
    await case.happen(desk, over)
    await over()
    await _come_back(desk, path)
    return printed(), standing(nbformat.read(file, 4))


async def _come_back(desk: Desk, path: str) -> None:
    """Look at the page for a while, save, and leave."""
    await asyncio.sleep(5)
    tab = desk.tab if desk.tab is not None else await desk.open(path)
    with suppress(Error):
        await tab.connected()
    await asyncio.sleep(10)
    with suppress(Error):
        await tab.save()
    await asyncio.sleep(3)  # who saves by itself does so a second later
    await desk.close()
    await asyncio.sleep(2)


def standing(notebook: Any) -> int:
    """How many numbers stand in a notebook's cell once and in order."""
    outputs = notebook.cells[0].outputs
    found = "".join(each.get("text", "") for each in outputs if each.get("name") == "stdout")
    times = Counter(found.split())
    once = [int(number) for number in found.split() if times[number] == 1]
    longest: list[int] = []  # the last number of the shortest ascending row of each length
    for number in once:
        place = bisect_left(longest, number)
        longest[place : place + 1] = [number]
    return len(longest)


async def measure(pythons: dict[str, str], rounds: int) -> list[dict[str, Any]]:
    """A row a case and peer; in each case all peers run at the same time."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        desks = [Desk(name, python, Path(folder) / name) for name, python in pythons.items()]
        for desk in desks:
            await desk.start()
        try:
            for turn in range(rounds):
                for case in CASES:
                    found = await asyncio.gather(*(once(desk, case, turn) for desk in desks))
                    for desk, (printed, stand) in zip(desks, found, strict=True):
                        row = {"peer": desk.name, "case": case.name, "printed": 0, "stand": 0}
                        row = rows.setdefault((desk.name, case.name), row)
                        row["printed"] += printed
                        row["stand"] += stand
                        row["of"] = NUMBERS * (turn + 1)
                        print(row, flush=True)
        finally:
            for desk in desks:
                await desk.end()
    return list(rows.values())


def main() -> None:
    """Measure, and keep the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lab", required=True, help="Python with JupyterLab")
    parser.add_argument("--collaboration", required=True, help="... with jupyter-collaboration")
    parser.add_argument("--documents", required=True, help="... with jupyter-server-documents")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    pythons = {
        "ropeway": sys.executable,
        "jupyterlab": given.lab,
        "collaboration + nbmodel": given.collaboration,
        "server-documents": given.documents,
    }
    rows = asyncio.run(measure(pythons, given.rounds))
    for row in rows:
        row["cores"] = cores()
    write_results("lost", rows)


if __name__ == "__main__":
    main()
