"""Auto-stop: when a runtime ends its kernels, and itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from jupyter_server._tz import utcnow
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from ropeway.frames import message, pack_v1, unpack_numbered
from ropeway.runtime import idle as idle_module
from ropeway.runtime.idle import Idle
from support.kernel_client import KernelClient
from support.servers import Server, lent

COUNT = "import time\nfor i in range(60): print(i); time.sleep(0.1)"


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until it is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def start_kernel(box: Server) -> str:
    """A kernel of the runtime."""
    status, model = box.api("/api/kernels", "POST", {"name": "python3"})
    assert status == 201, model
    return str(model["id"])


async def test_what_runs_goes_on_and_what_is_idle_ends(tmp_path: Path) -> None:
    """A cell that runs for longer than the time is not ended; afterwards kernel and runtime are,
    with pages connected and workspaces looking."""
    with lent(tmp_path, "--stop-idle", "3s") as box:
        async with KernelClient(box.url, box.token, start_kernel(box)) as page:
            ran = await page.execute(COUNT)
            assert ran.text.split()[-1] == "59"
            assert len(box.api("/api/kernels")[1]) == 1
            await asyncio.to_thread(until, lambda: box.process.poll() is not None)
        assert box.process.returncode == 0


async def test_a_runtime_without_kernels_ends_too(tmp_path: Path) -> None:
    """Nobody ever came."""
    with lent(tmp_path, "--stop-idle", "1s") as box:
        await asyncio.to_thread(until, lambda: box.process.poll() is not None)


class Kernels:
    """A server's kernels: one, which was idle for an hour."""

    execution_state = "idle"

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.last_activity = utcnow() - timedelta(hours=1)

    def list_kernel_ids(self) -> list[str]:
        """Those that run."""
        return [] if self.ended else ["k"]

    def get_kernel(self, kernel: str) -> Kernels:
        """Its manager."""
        return self

    async def shutdown_kernel(self, kernel: str) -> None:
        """End it."""
        self.ended.append(kernel)


async def test_what_home_lacks_keeps_a_kernel() -> None:
    """A kernel whose last words have not reached home is not ended until they have."""
    kernels, lacking, stopped = Kernels(), True, asyncio.Event()
    idle = Idle(kernels, lambda: 0.2, lambda _: stopped.set(), lambda kernel: lacking)
    running = asyncio.create_task(idle.run())
    await asyncio.sleep(0.6)
    assert not kernels.ended
    lacking = False
    await asyncio.wait_for(stopped.wait(), 5)
    assert kernels.ended == ["k"]
    await running


async def test_what_is_asked_later_counts_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A runtime that was to go on for ever is told a time: what was idle before is not ended at
    once, but that time later."""
    monkeypatch.setattr(idle_module, "LONGEST_PAUSE", 0.1)
    kernels, seconds, stopped = Kernels(), 0.0, asyncio.Event()
    idle = Idle(kernels, lambda: seconds, lambda _: stopped.set(), lambda kernel: False)
    running = asyncio.create_task(idle.run())
    await asyncio.sleep(0.3)
    assert not kernels.ended
    seconds, asked = 1.0, time.monotonic()
    await asyncio.sleep(0.5)
    assert not kernels.ended
    await asyncio.wait_for(stopped.wait(), 10)
    assert time.monotonic() - asked >= 2
    assert kernels.ended == ["k"]
    await running


async def test_a_runtime_says_when_it_ends(tmp_path: Path) -> None:
    """Who has the token is told the time; nobody else is."""
    with lent(tmp_path, "--stop-idle", "90m") as box:
        assert box.api("/ropeway/agent/idle") == (200, {"seconds": 5400.0})
        box.token = "wrong"
        assert box.api("/ropeway/agent/idle")[0] == 403


async def test_jupyters_own_culling_spares_what_home_lacks(tmp_path: Path) -> None:
    """A kernel that is culled by Jupyter's own setting there is kept until home has everything."""
    settings = tmp_path / "home/jupyter-config"
    settings.mkdir(parents=True)
    cull = {"cull_idle_timeout": 5, "cull_interval": 1}
    text = json.dumps({"MappingKernelManager": cull})
    (settings / "jupyter_server_config.json").write_text(text)
    with lent(tmp_path) as box:
        kernel = start_kernel(box)
        base = f"ws{box.url.removeprefix('http')}/ropeway/agent/kernels/{kernel}"
        request = HTTPRequest(
            f"{base}?link=home&life=one&after=0", headers={"Authorization": f"token {box.token}"}
        )
        socket = await websocket_connect(request)
        content = {"code": "print(1)", "silent": False}
        asked = message("shell", "execute_request", content, session="home")
        await socket.write_message(pack_v1(asked, 1), binary=True)
        await asyncio.sleep(2)
        socket.close()
        await asyncio.sleep(9)
        assert len(box.api("/api/kernels")[1]) == 1
        socket = await websocket_connect(request)
        last = 0
        with contextlib.suppress(TimeoutError):
            while isinstance(data := await asyncio.wait_for(socket.read_message(), 1), bytes | str):
                last = unpack_numbered(data)[0] if isinstance(data, bytes) else last
        await socket.write_message(json.dumps({"kept": last}))
        await asyncio.sleep(0.5)
        socket.close()
        await asyncio.to_thread(until, lambda: box.api("/api/kernels")[1] == [])
