"""What this machine uses: memory, disk and GPUs, as the agent reports them.

Respects a container's memory limit (cgroup v2 and v1). GPUs are read through `nvidia-smi`, at
most every few seconds, since it takes longer than everything else together.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import psutil

from ropeway.wire import Amount, Gpu, Usage

GPU_SECONDS = 4.0
_MIB = 1024 * 1024
_CGROUP = Path("/sys/fs/cgroup")
_LIMITS = (
    ("memory.max", "memory.current"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
)


class Probe:
    """Measures the machine; `folder` is where the runtime's files lie."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._gpus: tuple[Gpu, ...] = ()
        self._gpus_at = float("-inf")
        self._nvidia_smi = shutil.which("nvidia-smi")

    def usage(self) -> Usage:
        """Memory, disk and GPUs right now. May take a second: call it in a thread."""
        disk = shutil.disk_usage(self._folder)
        return Usage(memory(), Amount(disk.used, disk.total), self.gpus())

    def gpus(self) -> tuple[Gpu, ...]:
        """The NVIDIA GPUs, or none."""
        if self._nvidia_smi is None:
            return ()
        if time.monotonic() - self._gpus_at > GPU_SECONDS:
            self._gpus = read_gpus(self._nvidia_smi)
            self._gpus_at = time.monotonic()
        return self._gpus


def memory() -> Amount:
    """RAM in use out of what this process may use."""
    machine = psutil.virtual_memory()
    for limit_name, used_name in _LIMITS:
        limit, used = _number(_CGROUP / limit_name), _number(_CGROUP / used_name)
        if limit is not None and used is not None and limit < machine.total:
            return Amount(used, limit)
    return Amount(machine.total - machine.available, machine.total)


def read_gpus(nvidia_smi: str) -> tuple[Gpu, ...]:
    """The GPUs as `nvidia-smi` lists them."""
    query = "--query-gpu=name,memory.used,memory.total,utilization.gpu"
    try:
        text = subprocess.run(
            [nvidia_smi, query, "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(gpu for line in text.splitlines() if (gpu := parse_gpu(line)))


def parse_gpu(line: str) -> Gpu | None:
    """One line of `nvidia-smi`: name, MiB used, MiB in all, percent busy; None if it is not."""
    fields = [field.strip() for field in line.rsplit(",", 3)]
    if len(fields) != 4 or not fields[1].isdigit() or not fields[2].isdigit():
        return None
    busy = int(fields[3]) / 100 if fields[3].isdigit() else None
    return Gpu(fields[0], int(fields[1]) * _MIB, int(fields[2]) * _MIB, busy)


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
