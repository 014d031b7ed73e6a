"""What the agent measures."""

from pathlib import Path

import pytest

from ropeway.runtime import probe
from ropeway.wire import Amount, Gpu


def test_memory_and_disk_are_measured(tmp_path: Path) -> None:
    """RAM and disk are given as used and total bytes."""
    usage = probe.Probe(tmp_path).usage()
    assert usage.ram is not None
    assert usage.disk is not None
    assert 0 < usage.ram.used < usage.ram.total
    assert 0 < usage.disk.used < usage.disk.total


def test_a_containers_limit_is_the_total(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container the total is what the container may use, not the machine's memory."""
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("250000\n")
    monkeypatch.setattr(probe, "_CGROUP", tmp_path)
    assert probe.memory() == Amount(250000, 1000000)


def test_no_limit_means_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container without a limit uses the machine's memory."""
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("250000\n")
    monkeypatch.setattr(probe, "_CGROUP", tmp_path)
    assert probe.memory().total > 1_000_000_000


@pytest.mark.parametrize(
    ("line", "gpu"),
    [
        (
            "NVIDIA H200, 1024, 143771, 50",
            Gpu("NVIDIA H200", 1024 * 2**20, 143771 * 2**20, 0.5),
        ),
        ("Tesla T4, rev 2, 0, 15360, [N/A]", Gpu("Tesla T4, rev 2", 0, 15360 * 2**20, None)),
        ("No devices were found", None),
        ("", None),
    ],
)
def test_lines_of_nvidia_smi_are_read(line: str, gpu: Gpu | None) -> None:
    """Each line of nvidia-smi is one GPU; anything else is none."""
    assert probe.parse_gpu(line) == gpu


def test_a_broken_nvidia_smi_means_no_gpu(tmp_path: Path) -> None:
    """A driver that fails is no reason to fail."""
    broken = tmp_path / "nvidia-smi"
    broken.write_text("#!/bin/sh\nexit 9\n")
    broken.chmod(0o755)
    assert probe.read_gpus(str(broken)) == ()
