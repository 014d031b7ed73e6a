"""A flood in a workspace: every page, the one that comes back and the file show the same of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ropeway.notebooks.outputs import Outputs
from support.kernel_client import Run
from support.notebook import Notebook, until
from support.servers import Server, workspace

LINES = 400_000
FLOOD = f"""
from IPython.display import display
display({{'text/plain': 'a plot'}}, raw=True)
for number in range({LINES}):
    print(f'line {{number:06}}')
display({{'text/plain': 'the last plot'}}, raw=True)
'the result'
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A workspace."""
    folder = tmp_path_factory.mktemp("flood")
    with workspace(folder, folder / "files") as server:
        yield server


def folded(messages: list[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """What a page shows after these messages."""
    outputs = Outputs()
    for kind, content in messages:
        outputs.feed(kind, content)
    return outputs.to_json()


def replayed(home: Server, request: str) -> list[dict[str, Any]]:
    """The messages of a run as a page that missed it gets them."""
    found, after, more = [], 0, True
    while more:
        path = f"/ropeway/api/runs/{request}/messages?after={after}"
        status, part = home.api(path)
        assert status == 200, part
        found += part["messages"]
        after, more = part["last"], part["more"]
    return found


def run(notebook: Notebook, index: int = 0) -> tuple[str, Run]:
    """Run a cell to its end, with a page that hears everything."""

    async def talk() -> tuple[str, Run]:
        async with notebook.page() as page:
            request = notebook.run(page, index)
            return request, await asyncio.wait_for(page.collect(request, []), 60)

    return asyncio.run(talk())


def test_everybody_shows_the_same_of_a_flood(home: Server) -> None:
    """The beginning, the note, the last lines, and what is no text: in the page that was there, in
    the one that comes back, and in the file; and each page was sent little more than it shows."""
    notebook = Notebook(home, "flood.ipynb", [FLOOD])
    request, heard = run(notebook)
    shown = folded(heard.messages)
    assert [output["output_type"] for output in shown] == [
        *("display_data", "stream", "display_data", "display_data", "display_data"),
        "execute_result",
    ]
    assert shown[1]["text"].startswith("line 000000\nline 000001\n")
    assert shown[1]["text"].count("\n") == 20_000
    note = shown[2]["data"]["text/plain"]
    assert f"ropeway output flood.ipynb --cell {notebook.ids[0]}" in note
    assert shown[3]["data"]["text/plain"].endswith(f"line {LINES - 1:06}\n")
    assert sum(len(str(content)) for _, content in heard.messages) < 2_000_000
    again = replayed(home, request)
    assert folded([(each["header"]["msg_type"], each["content"]) for each in again]) == shown
    until(lambda: notebook.cell(0).execution_count is not None, what="the file's writing")
    assert [dict(output) for output in notebook.cell(0).outputs] == shown


def test_a_page_knows_what_it_is_given_twice(home: Server) -> None:
    """What stands in the place of a kernel's message has the same id live and when asked for."""

    async def talk() -> tuple[str, list[dict[str, Any]]]:
        async with notebook.page() as page:
            request = notebook.run(page, 0)
            heard: list[dict[str, Any]] = []
            while not heard or heard[-1]["content"].get("execution_state") != "idle":
                channel, message = await asyncio.wait_for(page.receive(), 60)
                if channel == "iopub" and message["parent_header"].get("msg_id") == request:
                    heard.append(message)
            return request, heard

    notebook = Notebook(home, "twice.ipynb", ["print('x\\n' * 100_000)"])
    request, heard = asyncio.run(talk())

    def ids(messages: list[dict[str, Any]]) -> list[str]:
        kinds = ("stream", "display_data")
        heads = [message["header"] for message in messages]
        return [head["msg_id"] for head in heads if head["msg_type"] in kinds]

    assert len(ids(heard)) == 3
    assert ids(replayed(home, request)) == ids(heard)


def test_a_flood_that_goes_on_is_shown_as_it_goes(home: Server) -> None:
    """Long before the cell ends a page sees the present last line, and again a moment later."""
    code = (
        "import time\nprint('x\\n' * 30_000)\n"
        "for number in range(50):\n    print('now', number, flush=True)\n    time.sleep(0.05)"
    )
    _, heard = run(Notebook(home, "going.ipynb", [code]))
    last = [
        content["data"]["text/plain"]
        for kind, content in heard.messages
        if kind == "update_display_data" and "last lines" in content["data"]["text/plain"]
    ]
    assert 3 <= len(last) <= 30
    assert len(set(last)) == len(last)
    assert last[-1].endswith("now 49\n")


def test_a_loop_that_flushes_sends_a_page_little(home: Server) -> None:
    """20,000 messages of the kernel are a few hundred for a page, which shows every line of them;
    who asks in the midst of it is given nothing twice."""
    code = "for number in range(20_000): print(number, flush=True)"
    notebook = Notebook(home, "flushing.ipynb", [code])

    async def talk() -> tuple[list[dict[str, Any]], list[dict[str, Any]], int]:
        async with notebook.page() as page:
            request = notebook.run(page, 0)
            heard: list[dict[str, Any]] = []
            missed: list[dict[str, Any]] = []
            before = 0
            while not heard or heard[-1]["content"].get("execution_state") != "idle":
                channel, message = await asyncio.wait_for(page.receive(), 60)
                if channel == "iopub" and message["parent_header"].get("msg_id") == request:
                    heard.append(message)
                if len(heard) == 30 and not missed:
                    missed = await asyncio.to_thread(replayed, home, request)
                    before = len(heard)
            return heard, missed, before

    heard, missed, before = asyncio.run(talk())
    assert len(heard) < 2000
    text = "".join(str(each["content"].get("text", "")) for each in heard)
    assert text.split() == [str(number) for number in range(20_000)]
    known = {each["header"]["msg_id"] for each in missed}
    later = [each for each in heard[before:] if each["header"]["msg_id"] not in known]
    both = "".join(str(each["content"].get("text", "")) for each in (*missed, *later))
    assert both.split() == [str(number) for number in range(20_000)]


def test_without_a_cell_everything_passes(home: Server) -> None:
    """A console, or a program that runs code in a kernel, gets every line."""
    notebook = Notebook(home, "console.ipynb", ["1"])

    async def talk() -> Run:
        async with notebook.page() as page:
            return await page.execute(f"for n in range({LINES}): print(n)")

    assert asyncio.run(talk()).text.count("\n") == LINES


def test_a_killed_workspace_goes_on_with_the_window_as_it_was(tmp_path: Path) -> None:
    """What was held back stays so, and what comes afterwards is counted to it."""
    code = (
        "import time\nprint('x\\n' * 30_000, flush=True)\n"
        "for number in range(100):\n    print('now', number, flush=True)\n    time.sleep(0.1)"
    )
    with workspace(tmp_path / "home", tmp_path / "files") as first:
        notebook = Notebook(first, "killed.ipynb", [code])

        async def begin() -> str:
            async with notebook.page() as page:
                request = notebook.run(page, 0)
                while (await page.receive())[1]["header"]["msg_type"] != "update_display_data":
                    pass
                return request

        request = asyncio.run(begin())
        first.kill()
    with workspace(tmp_path / "home", tmp_path / "files") as second:
        notebook.work = second

        async def follow() -> list[tuple[str, dict[str, Any]]]:
            heard: list[tuple[str, dict[str, Any]]] = []
            async with notebook.page() as page:
                while not heard or heard[-1][1].get("execution_state") != "idle":
                    _, message = await asyncio.wait_for(page.receive(), 60)
                    if message["parent_header"].get("msg_id") == request:
                        heard.append((message["header"]["msg_type"], message["content"]))
            return heard

        heard = asyncio.run(follow())
        assert {kind for kind, _ in heard} <= {"update_display_data", "status", "execute_reply"}
        last = [content for kind, content in heard if kind == "update_display_data"][-1]
        assert last["data"]["text/plain"].endswith("now 99\n")
        began = time.monotonic()
        again = replayed(second, request)
        assert time.monotonic() - began < 5
        shown = folded([(each["header"]["msg_type"], each["content"]) for each in again])
        assert shown[0]["text"] == "x\n" * 20_000
        assert shown[2]["data"]["text/plain"].endswith("now 99\n")
