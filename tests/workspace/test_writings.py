"""A page that comes back after the workspace wrote its notebook: what it need not be asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from tornado import web

from ropeway.workspace.writings import MOST, Writing, Writings

from .test_author import Desk


class Sleeper(Desk):
    """A desk with a page that read the notebook, and has slept since the workspace wrote it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.list = folder / "written.json"
        self.contents.writings = Writings(self.list)
        self.known = ""
        self.page: Any = None

    async def open(self) -> None:
        """The page reads the notebook."""
        model = await self.contents.get("a.ipynb", require_hash=True)
        self.known, self.page = model["hash"], model["content"]

    async def write(self) -> None:
        """The workspace writes what is due."""
        await self.author._write_all(last=True)

    async def asks(self) -> bool:
        """Whether the page would ask before it saves: what JupyterLab compares."""
        model = await self.contents.get("a.ipynb", content=False, require_hash=True)
        return bool(model["hash"] != self.known)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Sleeper]:
    """A desk that is cleared afterwards."""
    made = Sleeper(tmp_path)
    yield made
    made.journal.close()


async def test_what_the_workspace_wrote_is_no_reason_to_ask(desk: Sleeper) -> None:
    """However often it wrote, and though it was started anew meanwhile."""
    await desk.open()
    for number in (1, 2):
        desk.run(0, f"said {number}", number)
        await desk.write()
    assert desk.texts() == ["said 2", ""]
    assert not await desk.asks()
    desk.contents.writings = Writings(desk.list)
    assert not await desk.asks()


async def test_what_others_wrote_is(desk: Sleeper) -> None:
    """Another's change is asked about, whether it came before or after what the workspace wrote."""
    await desk.open()
    before = desk.file.read_text()
    desk.file.write_text(before.replace('"y"', '"theirs"'))
    desk.run(0, "said", 1)
    await desk.write()
    assert desk.texts() == ["said", ""]
    assert await desk.asks()
    await desk.open()
    desk.run(0, "again", 2)
    await desk.write()
    assert not await desk.asks()
    desk.file.write_text(desk.file.read_text().replace("theirs", "once more"))
    assert await desk.asks()


async def test_a_tab_that_was_left_behind_asks(desk: Sleeper) -> None:
    """Once another page has read what the workspace wrote, or has saved, the first one asks."""
    await desk.open()
    desk.run(0, "said", 1)
    await desk.write()
    other = await desk.opened()
    assert await desk.asks()
    await desk.open()
    desk.run(0, "more", 2)
    await desk.write()
    other["cells"][1]["source"] = "newer"
    await desk.save(other)
    assert await desk.asks()


async def test_a_page_that_has_not_shown_it_saves_it_too(desk: Sleeper) -> None:
    """A save on waking keeps the typed text and takes the outputs; what is shown may be cleared."""
    await desk.open()
    desk.run(0, "said", 1)
    await desk.write()
    desk.page["cells"][1]["source"] = "typed"
    await desk.save(desk.page)
    cells = nbformat.read(desk.file, 4).cells
    assert (desk.texts(), cells[0].execution_count) == (["said", ""], 1)
    assert cells[1].source == "typed"
    await desk.open()
    desk.run(0, "shown", 2)
    await desk.write()
    desk.journal.runs.heard([desk.journal.runs.unsettled("a.ipynb", 0)[0].request])
    await desk.save(desk.page)  # its user cleared what it showed
    assert desk.texts() == ["said", ""]


async def test_a_cell_that_was_run_again_keeps_its_outputs(desk: Sleeper) -> None:
    """What the page ran after it came back is newer than what the workspace wrote."""
    await desk.open()
    desk.run(0, "said", 1)
    await desk.write()
    desk.run(0, "new", 2)
    output = nbformat.v4.new_output("stream", text="new")
    desk.page["cells"][0] |= {"outputs": [output], "execution_count": 2}
    await desk.save(desk.page)
    assert desk.texts() == ["new", ""]


async def test_a_change_in_the_same_moment_is_not_written_over(
    desk: Sleeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that changes between the workspace's reading and writing stays as it is for now."""
    model = await desk.contents.read("a.ipynb")
    desk.file.write_text(desk.file.read_text().replace('"y"', '"theirs"'))
    with pytest.raises(web.HTTPError, match="changed on disk"):
        await desk.contents.write("a.ipynb", model["content"], model["hash"])
    assert nbformat.read(desk.file, 4).cells[1].source == "theirs"


async def test_it_goes_with_the_notebook(desk: Sleeper) -> None:
    """A notebook that is renamed keeps it, one that is deleted does not."""
    await desk.open()
    desk.run(0, "said", 1)
    await desk.write()
    await desk.contents.rename("a.ipynb", "b.ipynb")
    model = await desk.contents.get("b.ipynb", content=False, require_hash=True)
    assert model["hash"] == desk.known
    await desk.contents.delete("b.ipynb")
    assert "b.ipynb" not in desk.list.read_text()


def test_the_list_is_bounded_and_may_be_broken(tmp_path: Path) -> None:
    """Only so many are remembered, in folders too; a file that makes no sense is none."""
    list_ = Writings(tmp_path / "written.json")
    for number in range(MOST + 1):
        list_.wrote(f"f/{number}.ipynb", Writing("a", "b", ()))
    assert list_.since("f/0.ipynb", "b") is None
    assert list_.since("f/1.ipynb", "b") == Writing("a", "b", ())
    list_.rename("f", "g")
    assert list_.since("g/1.ipynb", "b") == Writing("a", "b", ())
    list_.forget("g")
    assert list_.since("g/1.ipynb", "b") is None
    (tmp_path / "written.json").write_text('{"a": 1}')
    assert Writings(tmp_path / "written.json").since("a", "b") is None
