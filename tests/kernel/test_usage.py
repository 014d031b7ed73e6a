"""What a kernel tells of its machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ropeway import wire
from ropeway.kernel import usage as measured


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


def test_gpus_are_read_from_the_driver() -> None:
    """Every GPU that tells its memory is listed; a load that is not told is unknown."""
    told = (
        "NVIDIA A100, 1024, 40960, 50\nTesla T4, rev 2, 3, 15360, [N/A]\n"
        "Odd, [N/A], [N/A], 0\nNo devices were found\n\n"
    )
    assert measured.parse_gpus(told) == (
        wire.Gpu("NVIDIA A100", 1024 << 20, 40960 << 20, 0.5),
        wire.Gpu("Tesla T4, rev 2", 3 << 20, 15360 << 20, None),
    )


def test_a_broken_driver_means_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that fails is no reason to tell nothing else."""
    broken = tmp_path / "nvidia-smi"
    broken.write_text("#!/bin/sh\nexit 9\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = measured.usage(tmp_path)
    assert found.gpus == ()
    assert found.ram is not None
