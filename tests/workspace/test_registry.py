"""The runtimes of a workspace, live."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from ropeway.workspace.registry import Registry
from ropeway.workspace.remembered import Record, runtime_list
from ropeway.workspace.specs import SpecCache
from support.servers import Server


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


async def _until(condition: Callable[[], bool]) -> None:
    for _ in range(100):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not happen within five seconds")
