"""Whatever goes away while a cell runs, its outputs are in the notebook: all, once, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from support.notebook import Notebook, until
from support.servers import Server, workspace

COUNT = "import time\nfor i in range({}):\n    print(i, flush=True)\n    time.sleep({})"


def numbers(count: int) -> str:
    """What `COUNT` prints."""
    return "".join(f"{i}\n" for i in range(count))


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A workspace that the tests of this module share."""
    folder = tmp_path_factory.mktemp("nothing")
    with workspace(folder / "home", folder / "files") as server:
        yield server


async def leave(notebook: Notebook, *cells: int, after: float) -> None:
    """Run cells and close the page so many seconds later."""
    async with notebook.page() as page:
        for cell in cells:
            notebook.run(page, cell)
        await asyncio.sleep(after)


async def test_a_closed_page_loses_nothing(work: Server) -> None:
    """The page goes while cells run: the file gets every output, once and in order."""
    notebook = Notebook(work, "closed.ipynb", [COUNT.format(60, 0.1), "print('second'); 1/0", "7"])
    await leave(notebook, 0, 1, after=1.5)
    until(lambda: "5\n" in notebook.text(0), what="the first lines while it runs")
    assert notebook.cell(0).execution_count is None
    until(lambda: notebook.cell(1).execution_count == 2, what="the end")
    assert notebook.text(0) == numbers(60)
    assert notebook.cell(0).execution_count == 1
    kinds = [output.output_type for output in notebook.cell(1).outputs]
    assert kinds == ["stream", "error"]
    assert notebook.cell(2).outputs == []
