"""Faults at random while cells run, and a look at the notebook afterwards.

`python tests/support/soak.py [--faults 1000] [--seed N]` runs real cells on a real runtime through
a real workspace, and closes pages, freezes and cuts the line and kills the workspace as the seed
says. Every cell prints counters; in the file each must stand once and in order. The seed is
printed first: the same seed brings the same faults.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.forwarder import Forwarder, forwarder
from support.kernel_client import KernelClient
from support.notebook import Notebook, until
from support.servers import free_port, lent, workspace

log = logging.getLogger(__name__)

NUMBERS = 400
CELL = f"import time\nfor i in range({NUMBERS}):\n    print(i, flush=True)\n    time.sleep(0.01)"
CELLS = 3


class Soak:
    """A workspace, a runtime `far` behind a line, and the means to trouble them."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.dice = random.Random(seed)
        self.faults: Counter[str] = Counter()
        self.pages: list[KernelClient] = []
        self._stack = ExitStack()
        self._rounds = 0

    def start(self) -> None:
        """Bring everything up."""
        (self.folder / "far").mkdir()
        self._far = self._stack.enter_context(lent(self.folder / "far"))
        self._port = free_port()
        self._line = self._new_line()
        self._work = self._stack.enter_context(self._workspace())
        body = {"url": f"http://127.0.0.1:{self._port}", "token": self._far.token, "name": "far"}
        status, answer = self._work.api("/ropeway/api/runtimes", "POST", body)
        assert status == 201, answer

    def end(self) -> None:
        """Take everything down."""
        self._line.thaw()
        self._stack.close()
        self._line.stop()

    async def round(self, faults: int) -> None:
        """Run a notebook under so many faults, and check it."""
        self._rounds += 1
        await asyncio.to_thread(until, self._in_reach, 60, "the runtime's return")
        notebook = await asyncio.to_thread(
            Notebook, self._work, f"n{self._rounds}.ipynb", [CELL] * CELLS, "far"
        )
        page = await self._open(notebook)
        for cell in range(CELLS):
            notebook.run(page, cell)
        await asyncio.sleep(0.5)
        for _ in range(faults):
            await asyncio.sleep(self.dice.uniform(0, 1.5))
            kind = self.dice.choice(
                ["close the page", "open a page", "freeze the line", "cut the line", "kill"]
            )
            self.faults[kind] += 1
            await self._trouble(kind, notebook)
        await self._close_pages()
        await asyncio.to_thread(self._check, notebook)
        await asyncio.to_thread(
            notebook.work.api, f"/api/sessions/{notebook.session['id']}", "DELETE"
        )

    def _in_reach(self) -> bool:
        """Whether the workspace knows that the runtime is back."""
        rows = self._work.api("/ropeway/api/runtimes")[1]["runtimes"]
        return any(row["name"] == "far" and row["state"] == "connected" for row in rows)

    async def _trouble(self, kind: str, notebook: Notebook) -> None:
        if kind == "close the page":
            await self._close_pages()
        elif kind == "open a page":
            await self._open(notebook)
        elif kind == "freeze the line":
            self._line.freeze()
            await asyncio.sleep(self.dice.choice([0.5, 2, 25]))
            self._line.thaw()
        elif kind == "cut the line":
            self._line.stop()
            await asyncio.sleep(self.dice.uniform(0, 3))
            self._line = await asyncio.to_thread(self._new_line)
        else:
            self._work.kill()
            await self._close_pages()
            self._work = await asyncio.to_thread(self._stack.enter_context, self._workspace())
            notebook.work = self._work

    async def _open(self, notebook: Notebook) -> KernelClient:
        page = await notebook.page().__aenter__()
        self.pages.append(page)
        return page

    async def _close_pages(self) -> None:
        for page in self.pages:
            await page.__aexit__(None, None, None)
        self.pages.clear()

    def _check(self, notebook: Notebook) -> None:
        numbers = "".join(f"{number}\n" for number in range(NUMBERS))
        last = CELLS - 1
        until(lambda: _count(notebook, last) == CELLS, 120, "the end of the cells")
        for cell in range(CELLS):
            text = notebook.text(cell)
            assert text == numbers, difference(text, numbers)
            assert notebook.cell(cell).execution_count == cell + 1

    def _new_line(self) -> Forwarder:
        target = int(self._far.url.rsplit(":", 1)[1])
        self._making = forwarder(self._port, target)  # not of the stack: it comes and goes
        return self._making.__enter__()

    def _workspace(self) -> workspace:
        return workspace(self.folder / "home", self.folder / "files")


def _count(notebook: Notebook, cell: int) -> int | None:
    """The number in a cell's brackets, for a page that opens the notebook."""
    found: int | None = notebook.opened()["cells"][cell]["execution_count"]
    return found


def difference(found: str, wanted: str) -> str:
    """What is missing, doubled or out of place."""
    numbers, expected = found.split(), wanted.split()
    missing = sorted(set(expected) - set(numbers), key=int)
    doubled = [number for number, count in Counter(numbers).items() if count > 1]
    return f"missing {missing}, doubled {doubled}, {len(numbers)} of {len(expected)} lines"


async def soak(folder: Path, faults: int, seed: int) -> Counter[str]:
    """Rounds of five faults until there were so many; returns how many of each kind."""
    made = Soak(folder, seed)
    made.start()
    try:
        while (done := sum(made.faults.values())) < faults:
            await made.round(min(5, faults - done))
            log.info("%s faults", sum(made.faults.values()))
    finally:
        made.end()
    return made.faults


def main() -> None:
    """Run, and say how it went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        faults = asyncio.run(soak(Path(folder), given.faults, given.seed))
    minutes = (time.monotonic() - began) / 60
    shown = ", ".join(f"{kind} {count}" for kind, count in sorted(faults.items()))
    print(f"{sum(faults.values())} faults in {minutes:.0f} minutes, nothing lost: {shown}")


if __name__ == "__main__":
    main()
