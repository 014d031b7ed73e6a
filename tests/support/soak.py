"""Faults at random while cells run, and a look at the notebook afterwards.

`python tests/support/soak.py [--faults 1000] [--seed N] [--round N]` runs real cells on a real
runtime through a real workspace, looked at by pages and in every second round by JupyterLab in a
real browser, and troubles each part (`support.faults`) as the seed says. Every cell prints or
displays counters: in the file, and in the browser where that was left alone, each must stand once
and in order. The seed is printed first: the same seed brings the same faults, and `--round` begins
with a later round.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.faults import WITH_A_BROWSER, WITH_PAGES, Fault, drawn
from support.notebook import until
from support.stage import Stage

log = logging.getLogger(__name__)

NUMBERS = 400
LOOP = f"import time\nfor i in range({NUMBERS}):\n    {{}}\n    time.sleep(0.014)"
CELLS = [
    LOOP.format("print(i, flush=True)"),
    LOOP.format("display(i)"),
    LOOP.format("print(i, flush=True)"),
]
FAULTS = 8
END_SECONDS = 150


class Lost(AssertionError):
    """A cell does not show what it said."""


class Soak:
    """Rounds on one stage. `faults` counts what happened, `lost` says which rounds failed how."""

    def __init__(self, folder: Path, seed: int, each: int = FAULTS) -> None:
        self.stage = Stage(folder)
        self.faults: Counter[str] = Counter()
        self.lost: list[str] = []
        self._seed, self._each = seed, each
        self._happened: list[str] = []

    async def rounds(self, faults: int, first: int = 1) -> None:
        """Rounds until there were so many faults."""
        number, done = first, 0
        while done < faults:
            count = min(self._each, faults - done)
            began = time.monotonic()
            try:
                await self._round(number, count)
            except Lost as error:
                self.lost.append(f"round {number}: {error}; faults: {', '.join(self._happened)}")
                log.error("%s", self.lost[-1])
            except Exception as error:
                error.add_note(f"in round {number}, after {', '.join(self._happened)}")
                raise
            await self.stage.shut()
            done += count
            seconds = time.monotonic() - began
            log.info("round %s, %s faults, %.0f s: %s", number, done, seconds, self._happened)
            number += 1

    async def _round(self, number: int, count: int) -> None:
        dice = random.Random(f"{self._seed}/{number}")
        self._happened = []
        stage, browser = self.stage, number % 2 == 0
        await stage.write(f"n{number}.ipynb", CELLS, dice.choice(["far", "far", "here"]))
        if browser:
            tab = await stage.open_browser()
            await tab.idle()
            await tab.run_all()
        else:
            page = await stage.open_page()
            for cell in range(len(CELLS)):
                stage.notebook.run(page, cell)
        await asyncio.sleep(0.5)
        faults = WITH_A_BROWSER if browser else WITH_PAGES
        for _ in range(count):
            await asyncio.sleep(dice.uniform(0, 1.5))
            await self._trouble(drawn(stage, dice, faults), dice)
        if stage.tab is not None:
            await self._check_browser()
        await stage.close_pages()
        await stage.kill_browser()
        await asyncio.to_thread(self._check_file)

    async def _trouble(self, fault: Fault, dice: random.Random) -> None:
        name = f"{fault.part} {fault.name}"
        self._happened.append(name)
        self.faults[name] += 1
        await fault.happen(self.stage, dice)

    async def _check_browser(self) -> None:
        """A page that is left alone shows everything in the end, and saves it so."""
        end, loaded = time.monotonic() + END_SECONDS, time.monotonic()
        while not _ended(shown := await self.stage.shown()):
            if time.monotonic() > end:
                raise Lost(f"the browser shows no end: {_brief(shown)}")
            if shown is None and time.monotonic() - loaded > 20:
                await self.stage.reload()  # it was loaded while nobody answered
                loaded = time.monotonic()
            await asyncio.sleep(0.5)
        assert shown is not None
        for cell in range(len(CELLS)):
            _check(shown["cells"][cell], cell, "in the browser")
        assert self.stage.tab is not None
        if not await self.stage.tab.save():
            raise Lost("the page in the browser cannot be saved")

    def _check_file(self) -> None:
        """Nobody looks any more: the file gets everything, at the latest when it is opened."""
        notebook = self.stage.notebook
        try:
            until(lambda: _ended(notebook.opened()), END_SECONDS, "the end")
            until(lambda: _ended(notebook.on_disk()), END_SECONDS, "the end on disk")
        except AssertionError as error:
            raise Lost(f"the file: {error}: {_brief(notebook.opened())}") from None
        for cell in range(len(CELLS)):
            _check(notebook.cell(cell), cell, f"in {notebook.path}")


def _ended(notebook: Any) -> bool:
    """Whether every cell has its number."""
    return notebook is not None and all(
        cell["execution_count"] is not None for cell in notebook["cells"]
    )


def _numbers(cell: Any) -> list[str]:
    """The counters that a cell shows, in order; Python's own warnings are none."""
    texts = (
        output.get("text", output.get("data", {}).get("text/plain", ""))
        for output in cell["outputs"]
        if output.get("name") != "stderr"
    )
    return " ".join("".join(text) for text in texts).split()


def _check(cell: Any, index: int, where: str) -> None:
    found, expected = _numbers(cell), [str(number) for number in range(NUMBERS)]
    if found != expected:
        raise Lost(f"cell {index} {where}: {difference(found, expected)}")
    if cell["execution_count"] != index + 1:
        raise Lost(f"cell {index} {where} has the number {cell['execution_count']}")


def difference(found: list[str], expected: list[str]) -> str:
    """What is missing, doubled or out of place."""
    missing = [number for number in expected if number not in set(found)]
    doubled = [number for number, count in Counter(found).items() if count > 1]
    return f"missing {missing}, doubled {doubled}, {len(found)} of {len(expected)} counters"


def _brief(notebook: Any) -> str:
    if notebook is None:
        return "no notebook"
    cells = [f"[{cell['execution_count']}] {len(_numbers(cell))}" for cell in notebook["cells"]]
    return f"{cells}, kernel {notebook.get('status', '-')}"


async def soak(folder: Path, faults: int, seed: int, *, first: int = 1, each: int = FAULTS) -> Soak:
    """Run so many faults, so many `each` round; what failed is in `lost`."""
    made = Soak(folder, seed, each)
    made.stage.start()
    try:
        await made.rounds(faults, first)
    finally:
        await made.stage.kill_browser()
        made.stage.end()
    return made


def main() -> None:
    """Run, and say how it went; what was lost can be looked at in the folder, which stays."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--round", type=int, default=1, help="the first round")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="ropeway-soak-"))
    print(f"seed {given.seed}, in {folder}", flush=True)
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    began = time.monotonic()
    made = asyncio.run(soak(folder, given.faults, given.seed, first=given.round))
    minutes = (time.monotonic() - began) / 60
    shown = ", ".join(f"{kind} {count}" for kind, count in sorted(made.faults.items()))
    print(f"{sum(made.faults.values())} faults in {minutes:.0f} minutes: {shown}")
    if made.lost:
        sys.exit("\n".join(["LOST (the files are kept):", *made.lost]))
    print("nothing lost")
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
