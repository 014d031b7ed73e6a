"""What this machine uses right now: told by the agent where a runtime has one, else by a kernel.

The kernel answers on its control channel, also while a cell runs. Standard library only. What
cannot be measured here is left out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ropeway import wire

REQUEST = "ropeway_usage_request"
REPLY = "ropeway_usage_reply"

_GPU_FIELDS = "name,memory.used,memory.total,utilization.gpu"
_GPU_PATIENCE = 3.0
_GPU_FRESH = 4.0

_gpus_seen: tuple[float, tuple[wire.Gpu, ...]] | None = None


def usage(folder: Path) -> wire.Usage:
    """RAM, the disk of `folder`, and GPUs. Limits of a container count as the machine's."""
    disk = _guarded(lambda: _disk(folder))
    return wire.Usage(_guarded(_ram), disk, _guarded(_gpus) or ())


def install(kernel: Any) -> None:
    """Teach an ipykernel to answer `ropeway_usage_request` on its control channel."""

    def answer(stream: Any, ident: Any, parent: Any) -> None:
        content = {"status": "ok", **wire.to_json(usage(Path.cwd()))}
        kernel.session.send(stream, REPLY, content, parent, ident)

    kernel.control_handlers[REQUEST] = answer


def _guarded(measure: Any) -> Any:
    try:
        return measure()
    except (OSError, ValueError, ArithmeticError, subprocess.SubprocessError):
        return None


def _disk(folder: Path) -> wire.Amount:
    found = shutil.disk_usage(folder)
    return wire.Amount(found.used, found.total)


def _ram() -> wire.Amount | None:
    if sys.platform == "darwin":
        return _ram_of_a_mac()
    table = dict(_meminfo(Path("/proc/meminfo").read_text("ascii")))
    total = table["MemTotal"]
    boxed = _cgroup(total)
    return boxed or wire.Amount(total - table.get("MemAvailable", table["MemFree"]), total)


def _meminfo(text: str) -> list[tuple[str, int]]:
    lines = (line.split(":", 1) for line in text.splitlines() if line.endswith("kB"))
    return [(name, int(rest.split()[0]) * 1024) for name, rest in lines]


def _cgroup(total: int, root: Path = Path("/sys/fs/cgroup")) -> wire.Amount | None:
    """What a container may use and uses, where it has less than the machine."""
    for folder, limit, used in _cgroup_folders(root):
        try:
            allowed = int((folder / limit).read_text("ascii"))
            taken = int((folder / used).read_text("ascii"))
        except (OSError, ValueError):  # "max": no limit
            continue
        if 0 < allowed < total:
            return wire.Amount(max(0, taken - _reclaimable(folder)), allowed)
    return None


def _cgroup_folders(root: Path) -> list[tuple[Path, str, str]]:
    """Version 2 in this process's own group and at the top, then version 1."""
    own = [
        line.split("::", 1)[1].lstrip("/")
        for line in _read("/proc/self/cgroup").splitlines()
        if line.startswith("0::")
    ]
    second = [(root / part, "memory.max", "memory.current") for part in [*own, ""]]
    first = (root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes")
    return [*second, first]


def _reclaimable(folder: Path) -> int:
    """File pages that the kernel gives back when memory is short: no one's use."""
    for line in _read(str(folder / "memory.stat")).splitlines():
        name, _, value = line.partition(" ")
        if name in ("inactive_file", "total_inactive_file"):
            return int(value)
    return 0


def _read(path: str) -> str:
    try:
        return Path(path).read_text("ascii")
    except OSError:
        return ""


def _ram_of_a_mac() -> wire.Amount:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    said = subprocess.run(["/usr/bin/vm_stat"], capture_output=True, text=True, timeout=2).stdout
    page, free = 4096, 0
    for line in said.splitlines():
        if "page size of" in line:
            page = int(line.split("page size of")[1].split()[0])
        elif line.startswith(("Pages free", "Pages inactive", "Pages speculative")):
            free += int(line.split(":")[1].strip(" ."))
    return wire.Amount(max(0, total - free * page), total)


def _gpus() -> tuple[wire.Gpu, ...]:
    global _gpus_seen
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    now = time.monotonic()
    if _gpus_seen is None or now - _gpus_seen[0] > _GPU_FRESH:
        said = subprocess.run(
            [program, f"--query-gpu={_GPU_FIELDS}", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=_GPU_PATIENCE,
            check=True,
        ).stdout
        _gpus_seen = (now, parse_gpus(said))
    return _gpus_seen[1]


def parse_gpus(text: str) -> tuple[wire.Gpu, ...]:
    """The lines of `nvidia-smi` as GPUs; one whose memory is not told is left out."""
    found = []
    for line in text.splitlines():
        parts = [part.strip() for part in line.rsplit(",", 3)]
        if len(parts) != 4 or not (parts[1].isdigit() and parts[2].isdigit()):
            continue
        busy = int(parts[3]) / 100 if parts[3].isdigit() else None
        found.append(wire.Gpu(parts[0], int(parts[1]) << 20, int(parts[2]) << 20, busy))
    return tuple(found)
