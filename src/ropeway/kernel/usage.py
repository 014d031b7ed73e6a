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
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ropeway import wire
from ropeway.kernel.accelerators import nvidia
from ropeway.kernel.accelerators.device import Device, Driver
from ropeway.kernel.processes import Processes

REQUEST = "ropeway_usage_request"
REPLY = "ropeway_usage_reply"

_GPU_FRESH = 2.0

_driver_seen: tuple[float, Driver] | None = None


def usage(folder: Path, kernels: Mapping[str, int] = MappingProxyType({})) -> wire.Usage:
    """RAM, the disk of `folder`, GPUs, and what `kernels` (ids with their process) hold of it.

    Limits of a container count as the machine's.
    """
    disk = _guarded(lambda: _disk(folder))
    driver = _driver()
    gpus = tuple(gpu for device in driver.devices if (gpu := _gpu(device)))
    held = _guarded(lambda: _held(kernels, driver)) if kernels else None
    return wire.Usage(ram(), disk, gpus, held or ())


def ram() -> wire.Amount | None:
    """The machine's memory, or what a container may use of it."""
    found: wire.Amount | None = _guarded(_ram)
    return found


def install(kernel: Any) -> None:
    """Teach an ipykernel to answer `ropeway_usage_request` on its control channel."""

    def answer(stream: Any, ident: Any, parent: Any) -> None:
        found = usage(Path.cwd(), {"": os.getpid()})  # who asks knows its id
        content = {"status": "ok", **wire.to_json(found)}
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


def _driver() -> Driver:
    global _driver_seen
    now = time.monotonic()
    if _driver_seen is None or now - _driver_seen[0] > _GPU_FRESH:
        _driver_seen = (now, nvidia.driver(details=False))
    return _driver_seen[1]


def _gpu(device: Device) -> wire.Gpu | None:
    """None where the driver does not tell its memory."""
    if device.memory_total is None or device.memory_free is None:
        return None
    used = device.memory_total - device.memory_free
    return wire.Gpu(device.name, used, device.memory_total, device.busy)


def _held(kernels: Mapping[str, int], driver: Driver) -> tuple[wire.KernelUsage, ...]:
    processes = Processes.now()
    # A driver outside of a container counts processes in its own way.
    told = bool(driver.devices) and all(
        each.pid in processes and each.memory is not None for each in driver.holders
    )
    found = []
    for kernel, pid in kernels.items():
        if family := processes.family(pid):
            held = [each.memory or 0 for each in driver.holders if each.pid in family.pids]
            found.append(wire.KernelUsage(kernel, family.memory, sum(held) if told else None))
    return tuple(found)
