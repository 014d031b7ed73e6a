"""The runtimes of a workspace, live."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from ropeway.workspace.registry import Registry
from ropeway.workspace.remembered import Record, runtime_list
from ropeway.workspace.specs import SpecCache
from support.servers import Server, free_port


async def test_a_change_from_elsewhere_is_noticed(gpu: Server, tmp_path: Path) -> None:
    """A runtime that another process adds or removes is there or gone within a second or two."""
    registry = Registry(runtime_list(), SpecCache(tmp_path / "kernels"))
    await registry.start()
    try:
        runtime_list().add(Record("gpu", gpu.url, gpu.token))
        await _until(lambda: "gpu" in registry.runtimes and bool(registry.get("gpu").kernels))
        assert (tmp_path / "kernels/gpu.python3/kernel.json").is_file()
        runtime_list().remove("gpu")
        await _until(lambda: "gpu" not in registry.runtimes)
        assert not (tmp_path / "kernels/gpu.python3").exists()
    finally:
        await registry.aclose()


async def test_it_closes_whenever_a_runtime_is_woken(tmp_path: Path) -> None:
    """A workspace ends also in the very moment in which it is to look at a runtime again."""
    runtime_list().add(Record("gpu", f"http://127.0.0.1:{free_port()}", "t"))
    for moment in range(4):
        registry = Registry(runtime_list(), SpecCache(tmp_path / "kernels"))
        await registry.start()
        await _until(lambda all=registry.runtimes: all["gpu"].state == "unreachable")
        await asyncio.sleep(0.01)
        registry.get("gpu").wake.set()
        for _ in range(moment):
            await asyncio.sleep(0)
        async with asyncio.timeout(60):
            await registry.aclose()


async def _until(condition: Callable[[], bool]) -> None:
    for _ in range(100):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not happen within five seconds")
