"""`ropeway output` as a user calls it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.notebook import Notebook
from support.servers import Server, clean_environment, workspace

LINES = 100_000
SOURCES = ["print('earlier')", f"for n in range({LINES}): print('line', n)", "1"]


def command(home: Path, *arguments: str) -> list[str]:
    """The command line."""
    return [sys.executable, "-m", "ropeway", "output", *arguments]


def call(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in the workspace's folder."""
    return subprocess.run(
        command(home, *arguments),
        cwd=home / "files",
        env=clean_environment(home) | {"COLUMNS": "150"},
        capture_output=True,
        text=True,
        timeout=60,
    )


def execute(notebook: Notebook, *cells: int) -> None:
    """Run cells to their end."""

    async def talk() -> None:
        async with notebook.page() as page:
            for cell in cells:
                await asyncio.wait_for(page.collect(notebook.run(page, cell), []), 60)

    asyncio.run(talk())


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Server]]:
    """The home folder of a user whose workspace runs, and that."""
    home = tmp_path_factory.mktemp("home")
    with workspace(home, home / "files") as server:
        yield home, server


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The home folder of a user whose workspace has ended, and the ids of the cells that ran."""
    home = tmp_path_factory.mktemp("home")
    with workspace(home, home / "files") as server:
        notebook = Notebook(server, "a.ipynb", SOURCES)
        execute(notebook, 0, 0, 1)
    return home, notebook.ids


def test_every_line_is_there_though_the_notebook_shows_a_part(
    ended: tuple[Path, list[str]],
) -> None:
    """Of the cell that ran last, with no workspace running."""
    home, _ = ended
    said = call(home, "a.ipynb")
    assert said.returncode == 0, said.stderr
    assert said.stdout.split("\n") == [*(f"line {n}" for n in range(LINES)), ""]
    assert "line 50000" not in (home / "files/a.ipynb").read_text("utf-8")


def test_a_cell_is_named_by_its_place_or_its_id(ended: tuple[Path, list[str]]) -> None:
    """The place is counted from 1, as `ropeway history` counts."""
    home, ids = ended
    for cell in ("1", ids[0]):
        assert call(home, "a.ipynb", "--cell", cell).stdout == "earlier\n"


def test_the_last_lines_and_a_file(ended: tuple[Path, list[str]], tmp_path: Path) -> None:
    """`--tail` counts lines, `-o` writes what would be printed."""
    home, _ = ended
    file = tmp_path / "log.txt"
    said = call(home, "a.ipynb", "--tail", "2", "-o", str(file))
    assert said.stdout == ""
    assert file.read_text("utf-8") == f"line {LINES - 2}\nline {LINES - 1}\n"


def test_earlier_runs_are_listed_and_shown(ended: tuple[Path, list[str]]) -> None:
    """Each by its number."""
    home, ids = ended
    rows = call(home, "a.ipynb", "--list").stdout.splitlines()[1:]
    assert [row.split()[1] for row in rows] == [ids[0], ids[0], ids[1]]
    first = rows[0].split()[0]
    assert call(home, "a.ipynb", "--run", first).stdout == "earlier\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["b.ipynb"], "Nothing that b.ipynb printed is kept"),
        (["/nowhere/a.ipynb"], "No workspace keeps what /nowhere/a.ipynb printed"),
        (["a.ipynb", "--cell", "9"], "has 3 cells"),
        (["a.ipynb", "--cell", "3"], "Nothing that cell"),
        (["a.ipynb", "--cell", "nobody"], "Nothing that cell nobody"),
        (["b.ipynb", "--cell", "1"], "b.ipynb cannot be read"),
        (["a.ipynb", "--run", "999"], "No run 999"),
    ],
)
def test_what_is_not_there_is_told(
    ended: tuple[Path, list[str]], arguments: list[str], words: str
) -> None:
    """With what to do, and exit code 2."""
    said = call(ended[0], *arguments)
    assert said.returncode == 2
    assert words in said.stderr
    assert "hint:" in said.stderr or "has 3 cells" in said.stderr


def test_it_follows_a_cell_to_its_end(running: tuple[Path, Server]) -> None:
    """Beside the workspace, from the present last line on, as `tail -f` does; then it ends."""
    home, server = running
    code = "import time\nfor n in range(60):\n    print(n, flush=True)\n    time.sleep(0.1)"
    notebook = Notebook(server, "long.ipynb", [code])

    async def talk() -> str:
        async with notebook.page() as page:
            request = notebook.run(page, 0)
            while (await page.receive())[1]["content"].get("text") != "10\n":
                pass
            following = await asyncio.create_subprocess_exec(
                *command(home, "long.ipynb", "--tail", "3", "-f"),
                cwd=home / "files",
                env=clean_environment(home),
                stdout=asyncio.subprocess.PIPE,
            )
            assert following.stdout is not None
            first = await asyncio.wait_for(following.stdout.readline(), 30)
            await asyncio.wait_for(page.collect(request, []), 60)
            began = time.monotonic()
            rest, _ = await asyncio.wait_for(following.communicate(), 30)
            assert time.monotonic() - began < 10
            return (first + rest).decode()

    numbers = [int(line) for line in asyncio.run(talk()).split()]
    assert 8 <= numbers[0] < 59
    assert numbers == list(range(numbers[0], 60))
