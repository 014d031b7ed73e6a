"""A cable that is pulled: no packet passes, and nobody is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ropeway.workspace.registry import Registry
from ropeway.workspace.remembered import Record, runtime_list
from ropeway.workspace.specs import SpecCache
from support.far_machine import ALIAS, FarMachine
from support.far_network import FarNetwork
from support.kernel_client import KernelClient


@pytest.fixture
def machine(
    tmp_path: Path, network: FarNetwork, installed: tuple[Path, list[str]]
) -> Iterator[FarMachine]:
    """A far machine at the end of the cable."""
    folder = tmp_path / "machine"
    folder.mkdir()
    made = FarMachine(folder, prepared=installed[0], address=network.there)
    try:
        made.start(*network.prefix)
        yield made
    finally:
        made.end()


async def test_a_pulled_cable_is_told_and_mended(
    machine: FarMachine, network: FarNetwork, tmp_path: Path
) -> None:
    """A cut without a word is told within 15 s, the dead ssh too; within 15 s after the cable is
    back the runtime is, at the same address, with the same kernel and its variables."""
    record = Record("far", f"ssh://{ALIAS}", "", {"config": str(machine.config)})
    runtime_list().add(record)
    registry = Registry(runtime_list(), SpecCache(tmp_path / "kernels"))
    await registry.start()
    try:
        runtime = registry.get("far")
        await _until(lambda: runtime.state == "connected", 30)
        address = runtime.client.address
        kernel = await runtime.client.start_kernel("python3")
        async with KernelClient(address.url, address.token, kernel) as page:
            await page.execute("x = 7")
        (ssh,) = machine.home_side()
        network.cut()
        await _until(lambda: runtime.state != "connected", 15)
        assert ALIAS in runtime.detail
        await _until(lambda: not ssh.is_running(), 15)
        network.mend()
        await _until(lambda: runtime.state == "connected", 15)
        assert runtime.client.address == address
        async with KernelClient(address.url, address.token, kernel) as page:
            assert (await page.execute("print(x)")).text == "7\n"
    finally:
        await registry.aclose()
    assert machine.home_side() == []


async def _until(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        await asyncio.sleep(0.05)
