"""A real ipykernel, and the road between it and home as a workspace's bridge makes it.

`ROPEWAY_TEST_KERNEL` names the Python that the kernel runs on, with the packages that it has.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from jupyter_client.manager import AsyncKernelManager

from ropeway import wire
from ropeway.data.grants import Given
from ropeway.kernel.progress import MARK
from ropeway.workspace.colab import REQUEST_TYPE, Answer, Asker, ColabRequests
from ropeway.workspace.data_service import DataService
from ropeway.workspace.door import Door
from ropeway.workspace.inband import InBand
from ropeway.workspace.sdk import bootstrap_code, road_code


@dataclass
class Ran:
    """What a cell left behind; how far it was on the way is `progress`."""

    text: str = ""
    errors: list[str] = field(default_factory=list)
    shown: list[dict[str, Any]] = field(default_factory=list)
    progress: list[dict[str, Any]] = field(default_factory=list)
    execution_count: int | None = None

    def ok(self) -> Ran:
        assert not self.errors, "\n".join(self.errors)
        return self


class Notebook:
    """A kernel with someone at its other end who answers the in-band road."""

    def __init__(self, manager: AsyncKernelManager, service: Any) -> None:
        self.manager = manager
        self.client = manager.client()
        self.service = service
        self.requests: list[dict[str, Any]] = []
        self.answers: list[dict[str, Any]] = []
        self.deaf = False
        self.in_band = InBand(
            service,
            "here",
            "k1",
            self.reply,
            beside=self.beside,
            runtime_class="here",
            asking=lambda: ("train.ipynb", "c1"),
        )
        self.answered: dict[str, Answer] = {}
        """What `google.colab` asks of home, by type; no page is there for the rest."""
        self.colab = ColabRequests(
            self.answered,
            self.reply,
            lambda: Asker("k1", "here", "here", "train.ipynb", "c1"),
            lambda: False,
        )
        self._waiting: dict[str, tuple[Ran, asyncio.Event]] = {}

    async def start(self) -> None:
        self.client.start_channels()
        await self.client.wait_for_ready(timeout=60)
        self._listening = asyncio.create_task(self._listen())

    async def stop(self) -> None:
        self.in_band.close()
        self._listening.cancel()
        self.client.stop_channels()
        await self.manager.shutdown_kernel(now=True)

    async def reply(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        if "ropeway" in content["value"]:
            self.answers.append(content["value"]["ropeway"])
        message = self.client.session.msg("input_reply", content)
        self.client.session.send(self.client.stdin_channel.socket, message, buffers=buffers)

    async def beside(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        message = self.client.session.msg(wire.REPLY_TYPE, content)
        self.client.session.send(self.client.control_channel.socket, message, buffers=buffers)

    async def control(self, kind: str, *, timeout: float = 10) -> dict[str, Any]:
        """Ask on the control channel and give the answer's content."""
        message = self.client.session.msg(kind, {})
        self.client.control_channel.send(message)
        async with asyncio.timeout(timeout):
            while True:
                reply = await self.client.get_control_msg()
                if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                    content: dict[str, Any] = reply["content"]
                    return content

    async def run(self, code: str, *, timeout: float = 60, **more: Any) -> Ran:
        """Run a cell and give what it left."""
        ran, done = await self.begin(code, **more)
        await asyncio.wait_for(done.wait(), timeout)
        return ran

    async def begin(
        self, code: str, *, answers: bool = False, **more: Any
    ) -> tuple[Ran, asyncio.Event]:
        ran, done = Ran(), asyncio.Event()
        # A kernel drops what it gets right after a cell that failed, unless told not to.
        number = self.client.execute(code, allow_stdin=answers, stop_on_error=False, **more)
        self._waiting[number] = ran, done
        return ran, done

    async def _listen(self) -> None:
        while True:
            message = await self.client.get_iopub_msg()
            content, kind = message["content"], message["msg_type"]
            if kind == wire.REQUEST_TYPE:
                self.requests.append(content)
                if not self.deaf:
                    self.in_band.handle(content, message["buffers"])
                continue
            if kind == REQUEST_TYPE:
                self.colab.handle(message["metadata"], content)
                continue
            number = message["parent_header"].get("msg_id", "")
            if number not in self._waiting:
                continue
            ran, done = self._waiting[number]
            self._note(ran, kind, content)
            if kind == "status" and content["execution_state"] == "idle":
                done.set()

    @staticmethod
    def _note(ran: Ran, kind: str, content: dict[str, Any]) -> None:
        if kind == "stream":
            ran.text += content["text"]
        elif kind == "error":
            ran.errors.append(f"{content['ename']}: {content['evalue']}")
        elif content.get("metadata") == MARK:
            ran.progress.append(content["data"])
        elif kind in ("display_data", "execute_result"):
            ran.shown.append(content["data"])
            ran.execution_count = content.get("execution_count", ran.execution_count)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one dataset of 100,000 rows."""
    root = tmp_path_factory.mktemp("home")
    with gzip.open(root / "sales.csv.gz", "wt") as file:
        file.write("region,amount,day\n")
        for i in range(100_000):
            file.write(f"{('north', 'south', 'east')[i % 3]},{i % 100},2024-01-{i % 28 + 1:02}\n")
    (root / "ropeway.toml").write_text('[datasets.sales]\nsource = "sales.csv.gz"\n')
    return root


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(project: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Any]:
    """The project's data service, a process of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROPEWAY_HOME", str(tmp_path_factory.mktemp("state")))
        service = DataService(project)
        yield service
        await service.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bare(home: DataService, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Any]:
    """A fresh kernel before anything ran in it."""
    manager = AsyncKernelManager()
    manager.kernel_spec.argv[0] = os.environ.get("ROPEWAY_TEST_KERNEL", sys.executable)
    await manager.start_kernel(cwd=str(tmp_path_factory.mktemp("cwd")))
    notebook = Notebook(manager, home)
    try:
        await notebook.start()
        yield notebook
    finally:
        with suppress(Exception):
            await notebook.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def notebook(bare: Notebook) -> Notebook:
    """A kernel that got the SDK as a workspace gives it."""
    (await bare.run(bootstrap_code(), silent=True, store_history=False)).ok()
    return bare


@dataclass
class Way:
    """A direct road that a test can offer, take away and break."""

    notebook: Notebook
    door: Door
    given: Given

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.door.port}"

    async def offer(self, url: str | None = None, grant: str | None = None) -> None:
        code = road_code(self.url if url is None else url, grant or self.given.text)
        (await self.notebook.run(code, silent=True, store_history=False)).ok()

    async def run(self, code: str, **more: Any) -> str:
        """What a cell prints."""
        ran = await self.notebook.run("import ropeway as rw\n" + code, **more)
        text: str = ran.ok().text
        return text


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def way(notebook: Any, home: Any) -> AsyncIterator[Way]:
    door = Door(home)
    await door.open()
    made = Way(notebook, door, home.grants.give("desk", "k1", "here"))
    yield made
    made.given.take_back()
    await door.aclose()


@pytest_asyncio.fixture(loop_scope="module", params=["direct", "in-band"])
async def by(way: Way, request: pytest.FixtureRequest) -> Way:
    """The same kernel by each of the two roads."""
    await way.offer("" if request.param == "in-band" else None)
    await way.run("import ropeway.kernel.cache as c; c.clear()")
    return way
