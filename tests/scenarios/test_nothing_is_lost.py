"""Whatever goes away while a cell runs, its outputs are in the notebook: all, once, in order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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


@contextmanager
def ended_and_started_again(
    folder: Path, sources: list[str], after: float, ran: list[int], number: signal.Signals
) -> Iterator[tuple[Server, Notebook]]:
    """Run cells, end the workspace by a signal so many seconds later, and start it again."""
    with workspace(folder / "home", folder / "files") as first:
        notebook = Notebook(first, "work.ipynb", sources)

        async def start() -> None:
            async with notebook.page() as page:
                for cell in ran:
                    notebook.run(page, cell)
                await asyncio.sleep(after)
                first.process.send_signal(number)
                await asyncio.to_thread(first.process.wait, 30)

        asyncio.run(start())
    with workspace(folder / "home", folder / "files") as second:
        notebook.work = second
        yield second, notebook


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_workspace_that_ends_loses_nothing(tmp_path: Path, number: signal.Signals) -> None:
    """Killed, or told to end by the system, while a cell runs: the next workspace has the kernel
    under its id, with its session, its variables and everything that it said meanwhile."""
    sources = ["x = 41", COUNT.format(60, 0.1), "print(x + 1)"]
    with ended_and_started_again(tmp_path, sources, 2.0, [0, 1], number) as (work, notebook):
        kernels = [model["id"] for model in work.api("/api/kernels")[1]]
        assert kernels == [notebook.kernel]
        sessions = work.api("/api/sessions")[1]
        assert [session["path"] for session in sessions] == ["work.ipynb"]
        # The page that had it open may come back any moment: only one that opens it is given all.
        until(lambda: notebook.opened()["cells"][1]["execution_count"] == 2, what="the end")
        until(lambda: notebook.text(1) == numbers(60), what="all of it in the file")

        async def go_on() -> str:
            async with notebook.page() as page:
                return (await page.execute("print(x + 1)")).text

        assert asyncio.run(go_on()) == "42\n"
    assert not list(tmp_path.glob("home/ropeway/workspaces/*/here.json")), "here was left behind"


THREAD = """
import threading, time
def count():
    for i in range(5):
        time.sleep(1)
        print(i)
threading.Thread(target=count).start()
"""


async def test_what_comes_after_a_cells_end_is_kept(work: Server) -> None:
    """A thread goes on when its cell has ended and its page has gone; a pager shows its page."""
    notebook = Notebook(work, "late.ipynb", ["len?", THREAD])
    await leave(notebook, 0, 1, after=1.5)
    until(lambda: notebook.text(1) != "", what="the first line")
    assert notebook.cell(1).execution_count == 2
    until(lambda: notebook.opened()["cells"][1]["outputs"][0]["text"] == numbers(5), what="all")
    assert "Return the number of items" in notebook.cell(0).outputs[0].data["text/plain"]


async def test_two_notebooks_share_a_kernel(work: Server) -> None:
    """What a cell of the second one says is in the second one."""
    first = Notebook(work, "first.ipynb", ["print('first')"])
    second = Notebook(work, "second.ipynb", ["print('second')"])
    body = {"path": second.path, "name": second.path, "type": "notebook"}
    body["kernel"] = {"id": first.kernel}
    session = work.api(f"/api/sessions/{second.session['id']}", "PATCH", body)[1]
    second.kernel = session["kernel"]["id"]
    assert second.kernel == first.kernel
    await leave(second, 0, after=1.0)
    await leave(first, 0, after=1.0)
    until(lambda: second.text(0) == "second\n", what="the second")
    until(lambda: first.text(0) == "first\n", what="the first")
