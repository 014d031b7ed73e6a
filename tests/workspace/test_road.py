"""What kernels of a workspace are told of their road home, from their start to their end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from ropeway.data.grants import Grants
from ropeway.workspace import road as road_module
from ropeway.workspace.choice import choose_kernel
from ropeway.workspace.door import Door
from ropeway.workspace.headless import running_kernel, serving_home
from ropeway.workspace.home import Home
from ropeway.workspace.provisioner import RuntimeProvisioner
from ropeway.workspace.road import Road

URL = "http://127.0.0.1:4711"


class Kernel:
    """Hears what a kernel is to run; answers with `replies` in order, then with nothing."""

    def __init__(self, *replies: str) -> None:
        self.replies = list(replies)
        self.heard: list[dict[str, Any]] = []

    async def ask(
        self, channel: str, kind: str, content: dict[str, Any], timeout: float
    ) -> dict[str, Any]:
        assert (channel, kind) == ("shell", "execute_request")
        self.heard.append(content)
        if not self.replies:
            await asyncio.sleep(60)
        reply = self.replies.pop(0)
        if reply == "late":
            raise TimeoutError
        return {"status": reply}


async def until(true: Callable[[], bool], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.fixture
def grants(tmp_path: Path) -> Grants:
    return Grants(tmp_path / "grants")


def given(grants: Grants) -> list[str]:
    return [path.name for path in grants._folder.glob("*.grant")]


async def test_where_no_door_is_nothing_is_granted(grants: Grants) -> None:
    """A runtime without a tunnel gets no grant, and its kernels hear nothing."""
    road, kernel = Road(grants, "gpu", "k1", "own"), Kernel()
    assert road.code("") == ""
    road.follow("", kernel)
    await asyncio.sleep(0.05)
    assert (given(grants), kernel.heard) == ([], [])
    road.close()


async def test_a_new_door_is_told_once_with_the_same_grant(grants: Grants) -> None:
    """A kernel whose tunnel moved hears of it silently; one whose did not hears nothing."""
    road, kernel = Road(grants, "gpu", "k1", "own"), Kernel("ok", "ok")
    first = road.code(URL)
    road.follow(URL, kernel)
    road.follow(URL + "2", kernel)
    road.follow(URL + "2", kernel)
    await until(lambda: len(kernel.heard) == 1)
    await asyncio.sleep(0.05)
    (content,) = kernel.heard
    assert content["code"] == first.replace(URL, URL + "2")
    assert (content["silent"], content["store_history"]) == (True, False)
    assert len(given(grants)) == 1
    road.follow("", kernel)
    await until(lambda: len(kernel.heard) == 2)
    road.close()


async def test_a_kernel_that_did_not_hear_is_told_again(
    grants: Grants, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel that was busy for long, or dropped it after a cell that failed, hears it again."""
    monkeypatch.setattr(road_module, "PAUSE", 0.01)
    road, kernel = Road(grants, "gpu", "k1", "own"), Kernel("aborted", "late", "ok")
    road.follow(URL, kernel)
    await until(lambda: len(kernel.heard) == 3)
    await asyncio.sleep(0.1)
    assert len(kernel.heard) == 3
    road.close()


async def test_a_closed_road_grants_nothing(grants: Grants) -> None:
    """When the kernel is no more its grant is gone, and nothing is told to it."""
    road, kernel = Road(grants, "gpu", "k1", "own"), Kernel()
    road.code(URL)
    road.follow(URL + "2", kernel)
    await asyncio.sleep(0.01)
    road.close()
    road.close()
    road.follow(URL, kernel)
    await asyncio.sleep(0.05)
    assert given(grants) == []
    assert len(kernel.heard) == 1


@asynccontextmanager
async def a_kernel(home: Home) -> AsyncIterator[tuple[Any, Callable[[str], Any]]]:
    """A kernel of the runtime here: its manager, and what runs a cell and gives what it prints."""
    kernel = await choose_kernel(home.registry, "here", None)
    async with running_kernel(home, kernel, home.root) as manager:
        client = manager.client()
        client.start_channels()
        await client.wait_for_ready(timeout=60)

        async def run(code: str) -> str:
            said: list[str] = []

            def hear(message: dict[str, Any]) -> None:
                said.append(message["content"].get("text", ""))

            reply = await client.execute_interactive(code, output_hook=hear, timeout=60)
            assert reply["content"]["status"] == "ok", reply["content"]
            return "".join(said)

        try:
            yield manager, run
        finally:
            client.stop_channels()


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    root = tmp_path / "project"
    root.mkdir()
    (root / "sales.csv").write_text("a,b\n1,x\n2,y\n")
    (root / "ropeway.toml").write_text('[datasets.sales]\nsource = "sales.csv"\n')
    async with serving_home(root, runtime="here") as found:
        yield found


def grant_of(manager: Any) -> str:
    """What a kernel of the workspace was granted."""
    road = manager.provisioner._sdk._road
    assert road is not None
    assert road._given is not None
    text: str = road._given.text
    return text


def holds(pid: int, secret: str) -> bool:
    """Whether a text is anywhere in what a process has written to its memory."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            place, access = line.split()[:2]
            if "w" not in access:
                continue
            start, end = (int(word, 16) for word in place.split("-"))
            with contextlib.suppress(OSError, ValueError, OverflowError):
                memory.seek(start)
                if secret.encode() in memory.read(end - start):
                    return True
    return False


async def status(home: Home, grant: str) -> int:
    """What home's door answers to a grant."""
    async with httpx.AsyncClient(trust_env=False) as client:
        url = f"http://127.0.0.1:{home.door.port}/v1/datasets"
        return (await client.get(url, headers={"Authorization": f"Bearer {grant}"})).status_code


async def test_the_life_of_a_kernel(home: Home) -> None:
    """A kernel takes the direct road from its first cell; its grant is its own, ends with its
    process, and a restart brings another; the service's own token never reaches it."""
    async with a_kernel(home) as (manager, run):
        first = await run(
            "import ropeway as rw; print(list(rw.sql('select sum(a) s from sales')), rw.road())"
        )
        assert first == "[(3,)] direct\n"
        before = grant_of(manager)
        assert await status(home, before) == 200
        service = home.data._process.running()
        assert service is not None
        pid = int(await run("import os; print(os.getpid())"))
        assert await asyncio.to_thread(holds, pid, before)
        assert not await asyncio.to_thread(holds, pid, service.token)
        await manager.restart_kernel()
        again = await _when_ready(run, "import ropeway as rw; print(rw.road())")
        assert again == "direct\n"
        after = grant_of(manager)
        assert await status(home, before) == 401
        assert await status(home, after) == 200
    assert await status(home, after) == 401
    assert given(home.data.grants) == []


async def _when_ready(run: Any, code: str) -> str:
    for _ in range(3):
        with contextlib.suppress(TimeoutError, RuntimeError):
            text: str = await asyncio.wait_for(run(code), 20)
            return text
    raise AssertionError("the kernel did not come back")


async def test_a_door_that_moved_is_followed_without_disturbing_a_cell(home: Home) -> None:
    """A runtime is reached by another way while a cell runs: the cell goes on, and the next one
    takes the new door; counter and history are as if nothing had been."""
    async with a_kernel(home) as (_, run):
        assert await run("import ropeway as rw; print(rw.road().kind)") == "direct\n"
        second = Door(home.data)
        await second.open()
        runtime = home.registry.get("here")
        runtime.provider.door = f"http://127.0.0.1:{second.port}"
        busy = asyncio.create_task(
            run("import time\nfor i in range(8): time.sleep(0.25); list(rw.sql('select 1 a'))")
        )
        await asyncio.sleep(0.3)
        await home.registry.look(runtime)
        await busy
        told = await run("print(rw.road().url, In[-1][:5], len(In))")
        assert told == f"{runtime.provider.door} print 4\n"
        await second.aclose()
        assert await run("print(list(rw.sql('select 7 a')), rw.road())") == "[(7,)] in-band\n"


async def test_a_kernel_of_a_disconnected_runtime_gets_nothing(home: Home) -> None:
    """When its runtime is disconnected, a kernel that goes on there is refused at the door."""
    async with a_kernel(home) as (manager, run):
        await run("import ropeway as rw; rw.road()")
        grant = grant_of(manager)
        provisioner = RuntimeProvisioner.live[manager.provisioner.kernel_id]
        home.registry.on_removed(home.registry.get("here"))
        assert await status(home, grant) == 401
        provisioner.remote_id = None
