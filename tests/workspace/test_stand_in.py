"""What a page that comes back is told of a kernel that is too busy to tell it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from ropeway.frames import message
from ropeway.workspace.stand_in import Catchers
from ropeway.workspace.widgets import Widgets
from support.kernel_client import KernelClient
from support.servers import Server

from .test_kernels import started

WIDGETS = (
    "import time, ipywidgets as w\n"
    "bar, out, image = w.IntProgress(value=1, max=99), w.Output(), w.Image(value=b'\\x00png')\n"
    "from IPython.display import display"
)
BUSY = """\
import os
bar.value = 42
with out:
    print('caught')
    while not os.path.exists({gate!r}): time.sleep(0.05)
    print('too')
bar.value = 77
while not os.path.exists({end!r}): time.sleep(0.05)
"""


@dataclass
class Busy:
    """A cell that catches until `gate` is there and runs until `end` is."""

    gate: Path
    end: Path

    @property
    def request(self) -> dict[str, Any]:
        """What runs it."""
        return {"code": BUSY.format(gate=str(self.gate), end=str(self.end))}


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Busy]:
    """The cell; it ends with the test."""
    made = Busy(tmp_path / "gate", tmp_path / "end")
    yield made
    made.gate.touch()
    made.end.touch()


async def begun(page: KernelClient) -> None:
    """Wait until the cell has begun to catch."""
    async with asyncio.timeout(30):
        while True:
            _, message = await page.receive()
            if message["content"].get("text") == "caught\n":
                return


async def restored(page: KernelClient) -> dict[str, dict[str, Any]]:
    """Ask for every widget as ipywidgets does; the states by the widgets' models."""
    comm = uuid4().hex
    opening = {"comm_id": comm, "target_name": "jupyter.widget.control", "data": {}}
    page.send("shell", "comm_open", opening, metadata={"version": "1.0.0"})
    page.send("shell", "comm_msg", {"comm_id": comm, "data": {"method": "request_states"}})
    async with asyncio.timeout(20):
        while True:
            _, message = await page.receive()
            content = message["content"]
            if content.get("comm_id") == comm and content["data"].get("states"):
                break
    page.send("shell", "comm_close", {"comm_id": comm, "data": {}})
    states = content["data"]["states"]
    for path, data in zip(content["data"]["buffer_paths"], message["buffers"], strict=True):
        widget, part, name = path
        states[widget][part][name] = data
    return {state["model_name"]: {**state["state"], "id": id} for id, state in states.items()}


@pytest.mark.parametrize("kernel", ["python3", "gpu.python3"])
async def test_home_answers_as_the_kernel_would(work: Server, kernel: str, busy: Busy) -> None:
    """A busy kernel's widgets are told at once, with the values that the free one tells."""
    with started(work, kernel) as kernel_id:
        async with KernelClient(work.url, work.token, kernel_id) as first:
            await first.execute(WIDGETS)
            first.send("shell", "execute_request", busy.request)
            await begun(first)
        async with KernelClient(work.url, work.token, kernel_id) as page:
            found = await restored(page)
            assert found["IntProgressModel"]["value"] == 42
            assert found["ImageModel"]["value"] == b"\x00png"
            assert [each["text"] for each in found["OutputModel"]["outputs"]] == ["caught\n"]
            assert found["OutputModel"]["msg_id"] == ""  # its page must see it begin
            busy.gate.touch()
            busy.end.touch()
            await page.execute("bar.value = 42")
            free = await restored(page)
    for model in ("IntProgressModel", "ImageModel"):
        assert free[model] == found[model]
    assert free["OutputModel"]["outputs"][0]["text"] == "caught\n"


async def test_a_page_is_told_what_it_missed_while_it_built_its_widgets(
    work: Server, busy: Busy
) -> None:
    """What changes in the seconds after the answer is said again, and what an output catches."""
    with started(work, "python3") as kernel_id:
        async with KernelClient(work.url, work.token, kernel_id) as page:
            await page.execute(WIDGETS)
            page.send("shell", "execute_request", busy.request)
            await begun(page)
            output = (await restored(page))["OutputModel"]["id"]
            first = await told(page, output)
            assert first["msg_id"]  # the page begins to catch
            assert first["outputs"][0]["text"] == "caught\n"
            busy.gate.touch()
            last = await told(page, output)
            assert last["msg_id"] == ""
            assert last["outputs"][0]["text"] == "caught\ntoo\n"


async def told(page: KernelClient, widget: str) -> dict[str, Any]:
    """What home says next of a widget."""
    async with asyncio.timeout(10):
        while True:
            _, message = await page.receive()
            content = message["content"]
            if message["header"]["username"] == "ropeway" and content.get("comm_id") == widget:
                state: dict[str, Any] = content["data"]["state"]
                return state


async def test_a_kernel_that_was_restarted_has_no_widgets(work: Server, busy: Busy) -> None:
    """What the one before it showed is told to nobody."""
    with started(work, "python3") as kernel_id:
        async with KernelClient(work.url, work.token, kernel_id) as page:
            await page.execute(WIDGETS)
        assert work.api(f"/api/kernels/{kernel_id}/restart", "POST", {})[0] == 200
        async with KernelClient(work.url, work.token, kernel_id) as page:
            await page.execute("import time, ipywidgets as w; label = w.Label('new')")
            wait = f"import os\nwhile not os.path.exists({str(busy.end)!r}): time.sleep(0.05)"
            page.send("shell", "execute_request", {"code": f"print('caught')\n{wait}"})
            await begun(page)
            assert sorted(await restored(page)) == ["LabelModel", "LabelStyleModel", "LayoutModel"]


async def test_home_catches_no_more_than_a_cell_shows(tmp_path: Path) -> None:
    """Whatever a callback prints into an `Output` widget, and however often it begins to."""
    widgets = Widgets(tmp_path / "widgets")
    widgets.begin("k")
    catchers = Catchers("k", widgets)
    parent = {"msg_id": "a click"}
    for _ in range(3):
        catchers.changed("out", {"_model_name": "OutputModel", "msg_id": "a click"})
        for _ in range(3):
            content = {"name": "stdout", "text": "x\n" * 5_000}
            catchers.catch(message("iopub", "stream", content, session="k", parent=parent))
        catchers.changed("out", {"msg_id": ""})
    (output,) = widgets.state("k", "out", ["outputs"]).values["outputs"]
    assert output["text"] == "x\n" * 20_000
    widgets.close()
