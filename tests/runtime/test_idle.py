"""Auto-stop: when a runtime ends its kernels, and itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from jupyter_server._tz import utcnow

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
    idle = Idle(kernels, 0.2, stopped.set, lambda kernel: lacking)
    running = asyncio.create_task(idle.run())
    await asyncio.sleep(0.6)
    assert not kernels.ended
    lacking = False
    await asyncio.wait_for(stopped.wait(), 5)
    assert kernels.ended == ["k"]
    await running
