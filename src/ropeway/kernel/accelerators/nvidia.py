"""NVIDIA's GPUs as their driver tells: through `nvidia-ml-py` where the environment has it, else
through `nvidia-smi`, which comes with the driver.

Nothing here raises: a driver that fails is a `problem`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from ropeway.kernel.accelerators.device import Device, Driver, Holder
from ropeway.kernel.accelerators.sysfs import has_display, number, text

_PATIENCE = 3.0
_FIELDS = "index,uuid,memory.used,memory.total,utilization.gpu,driver_version,name"
_CUDA = re.compile(r"CUDA (?:UMD )?Version\s*:\s*(\d+\.\d+)")
_VENDOR = "0x10de"
_NAME = 60
_KERNEL = re.compile(r"\bkernel-([0-9a-f-]{36})\.json$")
"""The connection file that Jupyter gives a kernel: its name has the kernel's id."""

T = TypeVar("T")


def driver(*, details: bool = True) -> Driver:
    """What the driver tells now. Without `details`: devices, memory, load and who holds it."""
    try:
        found = _by_nvml()
    except Exception as error:  # noqa: BLE001  # pynvml's errors, which cannot be named before it is there
        return Driver(problem=f"NVIDIA's driver fails: {error}")
    return found or _by_program(details)


def is_here(root: Path = Path("/")) -> bool:
    """Whether the machine has one, with a driver or without."""
    places = ("dev/nvidia0", "dev/nvidiactl", "dev/dxg")  # the last one is WSL's
    return any((root / place).exists() for place in places) or has_display(_VENDOR, root)


# --- by NVML ----------------------------------------------------------------------------------


def _by_nvml() -> Driver | None:
    """None where there is no NVML to ask."""
    try:
        nvml: Any = import_module("pynvml")
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
    except nvml.NVMLError_LibraryNotFound:
        return None
    try:
        return _Nvml(nvml).driver()
    finally:
        nvml.nvmlShutdown()


class _Nvml:
    """Asks NVML; what one device does not support is left out."""

    def __init__(self, nvml: Any) -> None:
        self._nvml = nvml

    def driver(self) -> Driver:
        """All that it tells. Raises `pynvml.NVMLError`."""
        nvml = self._nvml
        handles = [each for i in range(nvml.nvmlDeviceGetCount()) for each in self._parts(i)]
        version = int(self._get(nvml.nvmlSystemGetCudaDriverVersion) or 0)
        holders = [h for i, handle in enumerate(handles) for h in self._holders(i, handle)]
        return Driver(
            tuple(self._device(i, handle) for i, handle in enumerate(handles)),
            _largest_first(holders),
            _decoded(self._get(nvml.nvmlSystemGetDriverVersion) or ""),
            f"{version // 1000}.{version % 1000 // 10}" if version else "",
        )

    def _parts(self, index: int) -> list[Any]:
        """The GPU, or the instances that it is divided into: only those can be computed on."""
        nvml = self._nvml
        whole = nvml.nvmlDeviceGetHandleByIndex(index)
        mode = self._get(nvml.nvmlDeviceGetMigMode, whole)
        if not mode or not mode[0]:
            return [whole]
        most = self._get(nvml.nvmlDeviceGetMaxMigDeviceCount, whole) or 0
        parts = (self._get(nvml.nvmlDeviceGetMigDeviceHandleByIndex, whole, i) for i in range(most))
        return [part for part in parts if part is not None]

    def _device(self, index: int, handle: Any) -> Device:
        nvml = self._nvml
        memory = self._get(nvml.nvmlDeviceGetMemoryInfo, handle)
        able = self._get(nvml.nvmlDeviceGetCudaComputeCapability, handle)
        load = self._get(nvml.nvmlDeviceGetUtilizationRates, handle)
        return Device(
            index,
            _decoded(self._get(nvml.nvmlDeviceGetName, handle) or "NVIDIA GPU"),
            memory and int(memory.total),
            memory and int(memory.free),
            "{}.{}".format(*able) if able else "",
            _decoded(self._get(nvml.nvmlDeviceGetUUID, handle) or ""),
            load and load.gpu / 100,
        )

    def _holders(self, index: int, handle: Any) -> Iterator[Holder]:
        for each in self._get(self._nvml.nvmlDeviceGetComputeRunningProcesses, handle) or ():
            yield _holder(int(each.pid), each.usedGpuMemory, index)

    def _get(self, ask: Callable[..., T], *about: Any) -> T | None:
        try:
            return ask(*about)
        except self._nvml.NVMLError:
            return None


def _decoded(text: str | bytes) -> str:
    """Bytes came from versions before 11.5."""
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text


# --- by nvidia-smi ----------------------------------------------------------------------------


def _by_program(details: bool) -> Driver:
    program = shutil.which("nvidia-smi")
    if program is None:
        return Driver()
    try:
        lines = _said(program, f"--query-gpu={_FIELDS}")
    except subprocess.CalledProcessError as error:
        said = " ".join((error.stdout or error.stderr or "").split()) or f"exit {error.returncode}"
        return Driver(problem=f"NVIDIA's driver fails: {said}")
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return Driver(problem=f"NVIDIA's driver fails: {error}")
    devices = parse_devices(lines, _more(program, "--query-gpu=compute_cap") if details else None)
    holders = parse_holders(
        _more(program, "--query-compute-apps=gpu_uuid,pid,used_memory"), devices
    )
    if not details:
        return Driver(devices, holders)
    version = lines[0].split(",", 6)[5].strip() if devices else ""
    return Driver(devices, holders, version, parse_cuda(_more(program)))


def _said(program: str, *question: str) -> list[str]:
    """The lines of its answer. Raises `OSError`, `ValueError`, `subprocess.SubprocessError`."""
    form = ("--format=csv,noheader,nounits",) if question else ()
    return subprocess.run(
        [program, *question, *form], capture_output=True, text=True, timeout=_PATIENCE, check=True
    ).stdout.splitlines()


def _more(program: str, *question: str) -> list[str]:
    """The same of what an older driver need not know."""
    try:
        return _said(program, *question)
    except (OSError, ValueError, subprocess.SubprocessError):
        return []


def parse_cuda(lines: list[str]) -> str:
    """The version of CUDA in the head of the plain `nvidia-smi`."""
    found = (_CUDA.search(line) for line in lines)
    return next((match[1] for match in found if match), "")


def parse_devices(lines: list[str], able: list[str] | None = None) -> tuple[Device, ...]:
    """The lines of `nvidia-smi` as devices; `able` are their compute capabilities."""
    rows = [[part.strip() for part in line.split(",", 6)] for line in lines]
    if not able or len(able) != len(rows):
        able = [""] * len(rows)
    found = []
    for row, capability in zip(rows, able, strict=True):
        if len(row) != 7 or (index := number(row[0])) is None:
            continue
        used, total, load = (number(each) for each in row[2:5])
        size = total << 20 if total is not None else None
        free = size - (used << 20) if size is not None and used is not None else None
        busy = load / 100 if load is not None else None
        found.append(Device(index, row[6], size, free, capability.strip(), row[1], busy))
    return tuple(found)


def parse_holders(lines: list[str], devices: tuple[Device, ...]) -> tuple[Holder, ...]:
    """The lines of `nvidia-smi` as processes, the largest first."""
    numbers = {device.uuid: device.index for device in devices}
    found = []
    for line in lines:
        row = [part.strip() for part in line.split(",")]
        if len(row) == 3 and row[0] in numbers and (pid := number(row[1])) is not None:
            memory = number(row[2])
            held = memory << 20 if memory is not None else None
            found.append(_holder(pid, held, numbers[row[0]]))
    return _largest_first(found)


# --- processes --------------------------------------------------------------------------------


def _holder(pid: int, memory: int | None, device: int) -> Holder:
    words = text(Path(f"/proc/{pid}/cmdline")).split("\0")
    name = " ".join((Path(words[0]).name, *words[1:])).strip()
    short = name if len(name) <= _NAME else name[: _NAME - 1] + "…"
    kernel = next((found[1] for word in words if (found := _KERNEL.search(word))), "")
    return Holder(pid, short, memory, device, pid == os.getpid(), kernel)


def _largest_first(holders: Iterable[Holder]) -> tuple[Holder, ...]:
    return tuple(sorted(holders, key=lambda each: -(each.memory or 0)))
