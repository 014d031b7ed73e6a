"""Stock's culling of idle kernels, switched on for the workspace: whom it spares."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.forwarder import forwarder
from support.kernel_client import KernelClient
from support.servers import Server, free_port, lent, workspace

CULL_SECONDS = 3
LONG = "import time, pathlib\ntime.sleep(9)\npathlib.Path('done').write_text('done')"


@pytest.fixture
def culling(tmp_path: Path) -> Iterator[Server]:
    """A workspace whose user lets Jupyter cull kernels that were idle for three seconds."""
    settings = tmp_path / "user/jupyter-config"
    settings.mkdir(parents=True)
    cull = {"cull_idle_timeout": CULL_SECONDS, "cull_interval": 1}
    config = {"MappingKernelManager": cull}
    (settings / "jupyter_server_config.json").write_text(json.dumps(config))
    with workspace(tmp_path / "user", tmp_path / "files") as server:
        yield server


async def run_and_leave(work: Server, kernel: str, code: str) -> None:
    """A page runs a cell and is closed."""
    async with KernelClient(work.url, work.token, kernel) as page:
        await page.execute("1")
        page.send("shell", "execute_request", {"code": code, "silent": False})
        await asyncio.sleep(0.3)


def start_kernel(work: Server, kind: str) -> str:
    """A kernel; returns its id."""
    status, made = work.api("/api/kernels", "POST", {"name": kind})
    assert status == 201, made
    return str(made["id"])


def there(work: Server, kernel: str) -> bool:
    """Whether it is."""
    return kernel in [model["id"] for model in work.api("/api/kernels")[1]]


async def until_culled(work: Server, kernel: str) -> None:
    """Wait for it."""
    end = time.monotonic() + 30
    while await asyncio.to_thread(there, work, kernel):
        assert time.monotonic() < end, "it was never culled"
        await asyncio.sleep(0.1)


async def test_a_cell_that_runs_is_not_culled(culling: Server) -> None:
    """A cell that says nothing for longer than the limit runs to its end with no page there; the
    idle kernel is culled afterwards."""
    kernel = start_kernel(culling, "python3")
    await run_and_leave(culling, kernel, LONG)
    await until_culled(culling, kernel)
    assert (culling.root / "done").exists()


async def test_what_waits_behind_a_dead_link_is_not_culled(culling: Server, tmp_path: Path) -> None:
    """A cell that was sent while the link was down, and no page is there any more, waits for longer
    than the limit, runs once the link is back, and the kernel is culled after that."""
    port = free_port()
    (tmp_path / "box").mkdir()
    with lent(tmp_path / "box") as box:
        target = int(box.url.rsplit(":", 1)[1])
        with forwarder(port, target) as line:
            body = {"url": f"http://127.0.0.1:{port}", "token": box.token, "name": "box"}
            assert culling.api("/ropeway/api/runtimes", "POST", body)[0] == 201
            kernel = start_kernel(culling, "box.python3")
            async with KernelClient(culling.url, culling.token, kernel) as page:
                await page.execute("1")
                line.stop()
                await asyncio.sleep(CULL_SECONDS + 1)
                code = "open('ran', 'a').write('once')"
                page.send("shell", "execute_request", {"code": code, "silent": False})
                await asyncio.sleep(0.3)
        await asyncio.sleep(CULL_SECONDS + 4)
        assert there(culling, kernel)
        with forwarder(port, target):
            await until_culled(culling, kernel)
        assert (box.root / "ran").read_text() == "once"
