"""What a kernel tells of its machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ropeway import wire
from ropeway.kernel import usage as measured
from support.gpus import GIB, Nvml, gpu


def test_memory_and_disk_are_measured(tmp_path: Path) -> None:
    """RAM and disk are bytes in use out of a total."""
    found = measured.usage(tmp_path)
    assert found.ram is not None
    assert 0 < found.ram.used < found.ram.total
    assert found.disk is not None
    assert 0 < found.disk.used <= found.disk.total


@pytest.mark.asyncio(loop_scope="module")
async def test_usage_is_answered_while_a_cell_runs(notebook: Any) -> None:
    """The control channel answers `ropeway_usage_request` in the middle of a busy cell."""
    ran, done = await notebook.begin("import time\nfor _ in range(200): time.sleep(0.01)")
    reply = await notebook.control("ropeway_usage_request", timeout=1.9)
    assert not done.is_set()
    assert reply["status"] == "ok"
    assert wire.from_json(wire.Usage, reply).ram is not None
    await done.wait()
    ran.ok()


@pytest.mark.asyncio(loop_scope="module")
async def test_a_kernel_tells_what_it_holds(notebook: Any) -> None:
    """A kernel tells its own memory, which grows with what a cell keeps."""
    before = wire.from_json(wire.Usage, await notebook.control("ropeway_usage_request")).kernels[0]
    (await notebook.run("held = bytearray(b'x' * 200_000_000)")).ok()
    after = wire.from_json(wire.Usage, await notebook.control("ropeway_usage_request")).kernels[0]
    assert after.ram - before.ram > 150_000_000
    (await notebook.run("del held")).ok()


@pytest.fixture
def child() -> Iterator[int]:
    """A process that this one started; its id."""
    code = "held = b'x' * 100_000_000; print(flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline(), "it runs"
    yield process.pid
    process.communicate(b"\n")


def test_what_a_kernel_started_counts_for_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, child: int
) -> None:
    """Memory of a kernel is that of its process and of those that it started, GPUs' too; one that
    has ended is left out."""
    holders = {os.getpid(): 1 << 30, child: 2 << 30, 1: 4 << 30}
    monkeypatch.setitem(sys.modules, "pynvml", Nvml([gpu("GPU-1", processes=holders)]))
    monkeypatch.setattr(measured, "_driver_seen", None)
    ours, its = measured.usage(tmp_path, {"k1": os.getpid(), "gone": 2**30, "k2": child}).kernels
    assert (ours.id, ours.gpu) == ("k1", 3 << 30)
    assert (its.id, its.gpu) == ("k2", 2 << 30)
    assert its.ram > 100_000_000
    assert ours.ram > its.ram + 10_000_000


@pytest.mark.parametrize("holders", [{2**30: 1 << 30}, {1: None}])
def test_whose_memory_it_is_may_be_unknown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, holders: dict[int, int | None]
) -> None:
    """A driver that counts processes in its own way, or keeps their memory to itself, tells nothing
    of a kernel's share."""
    monkeypatch.setitem(sys.modules, "pynvml", Nvml([gpu("GPU-1", processes=holders)]))
    monkeypatch.setattr(measured, "_driver_seen", None)
    assert [k.gpu for k in measured.usage(tmp_path, {"k": os.getpid()}).kernels] == [None]


def test_a_container_limit_is_the_total(tmp_path: Path) -> None:
    """Where a control group allows less than the machine has, its figures count; file pages
    that can be given back are not in use."""
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("600000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 100000\n")
    assert measured._cgroup(8_000_000, tmp_path) == wire.Amount(500_000, 1_000_000)


def test_no_limit_means_the_machine(tmp_path: Path) -> None:
    """A control group without a limit says nothing."""
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("600000\n")
    assert measured._cgroup(8_000_000, tmp_path) is None


def test_gpus_are_read_from_the_driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every GPU that tells its memory is listed; a load that is not told is unknown."""
    load = {"GPU-1": SimpleNamespace(gpu=50), "GPU-2": None, "GPU-3": None}
    gpus = [gpu(uuid, load=busy) for uuid, busy in load.items()]
    gpus[2].memory = None
    monkeypatch.setitem(sys.modules, "pynvml", Nvml(gpus))
    monkeypatch.setattr(measured, "_driver_seen", None)
    assert measured.usage(tmp_path).gpus == (
        wire.Gpu("NVIDIA H200", 40 * GIB, 140 * GIB, 0.5),
        wire.Gpu("NVIDIA H200", 40 * GIB, 140 * GIB, None),
    )


def test_a_broken_driver_means_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that fails is no reason to tell nothing else."""
    broken = tmp_path / "nvidia-smi"
    broken.write_text("#!/bin/sh\nexit 9\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(measured, "_driver_seen", None)
    found = measured.usage(tmp_path)
    assert found.gpus == ()
    assert found.ram is not None
