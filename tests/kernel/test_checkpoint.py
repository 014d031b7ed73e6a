"""`rw.checkpoint` in a real kernel, by both roads."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

pytestmark = pytest.mark.asyncio(loop_scope="module")

FILES = ".ropeway/artefacts/train.ipynb/files"


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@dataclass
class Place:
    """A folder of artefacts of a test's own, in the kernel and at home."""

    by: Any
    name: str
    here: Path
    home: Path

    async def run(self, code: str) -> str:
        text: str = await self.by.run(f"runs = rw.checkpoint({self.name!r})\n{code}")
        return text


@pytest_asyncio.fixture(loop_scope="module")
async def place(by: Any, project: Path, request: pytest.FixtureRequest) -> Place:
    """Both roads ask for the same notebook."""
    by.given.runs("train.ipynb", "c1")
    name = re.sub(r"\W", "-", request.node.name)
    here = Path((await by.run("import os; print(os.getcwd())")).strip())
    return Place(by, name, here / name, project / FILES / name)


async def test_what_a_cell_writes_comes_home_while_it_runs(place: Place) -> None:
    """A file that rested is at home before its cell ends, and a line says so."""
    code = (
        f"import ropeway as rw, os, time; runs = rw.checkpoint({place.name!r})\n"
        "open(runs / 'a.bin', 'wb').write(b'x' * 2_500_000)\n"
        "while not os.path.exists('over'): time.sleep(0.1)\n"
        "os.remove('over')\n"
        "while 'behind' in str(runs): time.sleep(0.1)  # home's word comes after its file\n"
        "print(runs)"
    )
    ran, done = await place.by.notebook.begin(code)
    await until((place.home / "a.bin").exists)
    assert not done.is_set()
    assert (place.home / "a.bin").read_bytes() == b"x" * 2_500_000
    (place.here.parent / "over").touch()
    await asyncio.wait_for(done.wait(), 20)
    assert ran.ok().text == f"{place.name}: 1 file at home, 2.5 MB\n"


async def test_input_is_asked_while_files_cross(place: Place) -> None:
    """A cell that waits for `input()` gets what somebody types, whatever crosses meanwhile."""
    code = (
        f"import ropeway as rw, os; runs = rw.checkpoint({place.name!r})\n"
        "for i in range(6): open(runs / str(i), 'wb').write(os.urandom(3_000_000))\n"
        "runs.mark(); print(repr(input('name? ')))\n"
        "runs.flush()"
    )
    client = place.by.notebook.client
    ran, done = await place.by.notebook.begin(code, answers=True)
    asked = await client.get_stdin_msg(timeout=20)
    assert asked["content"]["prompt"] == "name? "
    await until(lambda: len(list(place.home.glob("?"))) >= 3)
    client.input("Ann")
    await asyncio.wait_for(done.wait(), 30)
    assert ran.ok().text == "'Ann'\n"
    assert len(list(place.home.glob("?"))) == 6


async def test_flush_returns_once_all_is_at_home(place: Place) -> None:
    """What was written before `flush` is at home behind it, without a rest; `checkpoint` again is
    the same folder."""
    told = await place.run(
        "again = rw.checkpoint(runs); print(again is runs)\n"
        "for i in range(5): open(runs / 'a', 'wb').write(bytes([i]) * 1000); runs.flush()\n"
        "print(runs.latest().name, runs.latest('*.pt')); print(runs)"
    )
    assert told == f"True\na None\n{place.name}: 1 file at home, 1 kB\n"
    assert (place.home / "a").read_bytes() == b"\4" * 1000


async def test_what_a_cell_wrote_is_whole_when_it_ends(place: Place, project: Path) -> None:
    """Behind its cell a file comes home by itself, and so does what a later cell writes."""
    await place.run("open(runs / 'a', 'w').write('1')")
    await until((place.home / "a").exists)
    await place.by.run("open(runs / 'b', 'w').write('2')")
    await until((place.home / "b").exists)


async def test_the_environment_is_recorded(place: Place, project: Path) -> None:
    """Beside the files stands what they were written in, with what cells imported since."""
    file = project / FILES / "../environment.json"
    await place.run("import tomlkit")
    await until(lambda: file.exists() and "tomlkit" in json.loads(file.read_text())["used"])
    told = json.loads(file.read_text())
    assert told["python"].startswith("3.")
    assert told["packages"]["tomlkit"]


async def test_a_line_tells_how_far_home_is(place: Place) -> None:
    """The cell shows the state once, follows it, and does not show it twice."""
    ran = await place.by.notebook.run(
        f"import ropeway as rw, time\nruns = rw.checkpoint({place.name!r})\n"
        "open(runs / 'a', 'w').write('1'); runs.flush(); time.sleep(3); runs"
    )
    assert not ran.ok().shown
    shown = [each["text/plain"] for each in ran.progress]
    assert shown[0] == f"{place.name}: 0 files at home, 0 B"
    assert shown[-1] == f"{place.name}: 1 file at home, 1 B"


async def test_what_was_lost_comes_back(place: Place) -> None:
    """`restore` brings what home has and the runtime has lost."""
    told = await place.run(
        "import shutil; open(runs / 'a', 'w').write('1'); runs.flush(); shutil.rmtree(runs)\n"
        "print([path.name for path in runs.restore()], open(runs / 'a').read())"
    )
    assert told == "['a'] 1\n"


async def test_a_stopped_folder_sends_nothing_more(place: Place) -> None:
    """After `stop` a file stays where it is; declared again, it comes home."""
    await place.run("runs.stop(); open(runs / 'a', 'w').write('1')")
    await asyncio.sleep(2.5)
    assert not (place.home / "a").exists()
    await place.run("runs.flush()")
    assert (place.home / "a").exists()


@pytest.mark.parametrize("folder", ["/tmp/runs", "..", "../runs", "", "."])
async def test_a_folder_elsewhere_is_refused(place: Place, folder: str) -> None:
    """Only what lies below the working folder is found on any runtime."""
    told = await place.by.run(
        f"try: rw.checkpoint({folder!r})\nexcept rw.RopewayError as e: print(e.code, bool(e.hint))"
    )
    assert told == "bad_input True\n"


async def test_home_away_is_told_and_made_up_for(place: Place) -> None:
    """While home is away `flush` says so and the line too; when it is back everything comes."""
    notebook = place.by.notebook
    await place.run("import ropeway.kernel.inband as i; i.FIRST = 1.0")
    await place.by.offer("")
    notebook.deaf = True
    told = await place.by.run(
        "open(runs / 'a', 'w').write('1')\n"
        "try: runs.flush()\nexcept rw.RopewayError as e: print(e.code)\n"
        "print('silent' in str(runs))"
    )
    assert told == "home_unreachable\nTrue\n"
    assert not (place.home / "a").exists()
    notebook.deaf = False
    await place.by.run("i.FIRST = 10.0")
    await until((place.home / "a").exists)
