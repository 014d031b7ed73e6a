"""Stand-ins for NVIDIA's GPUs on a machine without one."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

GIB = 1 << 30


class NVMLError(Exception):
    """The root of pynvml's errors."""


class NotFound(NVMLError):
    """`NVMLError_LibraryNotFound`."""


class Nvml(ModuleType):
    """The part of `pynvml` (nvidia-ml-py 13) that is used, over GPUs as plain values.

    Names, arguments and what is given back are those of NVIDIA's "NVML API Reference Guide". NVML
    fails for what a device does not support: that is None here.
    """

    NVMLError = NVMLError
    NVMLError_LibraryNotFound = NotFound

    def __init__(self, gpus: list[Any], broken: str = "") -> None:
        super().__init__("pynvml")
        self.gpus = gpus
        self.broken = broken
        self.open = 0

    def nvmlInit(self) -> None:
        if self.broken:
            raise NVMLError(self.broken)
        self.open += 1

    def nvmlShutdown(self) -> None:
        self.open -= 1

    def nvmlSystemGetDriverVersion(self) -> str:
        return "570.86.15"

    def nvmlSystemGetCudaDriverVersion(self) -> int:
        return 12080

    def nvmlDeviceGetCount(self) -> int:
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Any:
        return self.gpus[index]

    def nvmlDeviceGetMigMode(self, gpu: Any) -> list[int]:
        return self._told([1, 1] if hasattr(gpu, "parts") else None)

    def nvmlDeviceGetMaxMigDeviceCount(self, gpu: Any) -> int:
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, gpu: Any, index: int) -> Any:
        return self._told(gpu.parts[index] if index < len(gpu.parts) else None)

    def nvmlDeviceGetName(self, gpu: Any) -> Any:
        return gpu.name

    def nvmlDeviceGetUUID(self, gpu: Any) -> Any:
        return gpu.uuid

    def nvmlDeviceGetMemoryInfo(self, gpu: Any) -> Any:
        return self._told(gpu.memory)

    def nvmlDeviceGetCudaComputeCapability(self, gpu: Any) -> tuple[int, int]:
        return self._told(gpu.able)

    def nvmlDeviceGetUtilizationRates(self, gpu: Any) -> Any:
        return self._told(gpu.load)

    def nvmlDeviceGetComputeRunningProcesses(self, gpu: Any) -> list[Any]:
        return [SimpleNamespace(pid=p, usedGpuMemory=m) for p, m in gpu.processes.items()]

    @staticmethod
    def _told(value: Any) -> Any:
        if value is None:
            raise NVMLError("Not Supported")
        return value


def gpu(uuid: str, name: str = "NVIDIA H200", **more: Any) -> Any:
    """A GPU of 140 GiB, 100 of them free."""
    memory = SimpleNamespace(total=140 * GIB, free=100 * GIB, used=40 * GIB)
    load = SimpleNamespace(gpu=50, memory=3)
    told = {"name": name, "uuid": uuid, "memory": memory, "able": (9, 0), "load": load}
    return SimpleNamespace(**(told | {"processes": {}} | more))


_PYNVML = """
import sys
import psutil
from support.gpus import GIB, Nvml, gpu

class Kernels:
    def items(self):
        return [(child.pid, 3 * GIB) for child in psutil.Process().children()]

sys.modules[__name__] = Nvml([gpu("GPU-1", processes=Kernels())])
"""


def with_a_gpu(folder: Path) -> tuple[str, ...]:
    """What stands before the command of a server, so that its machine has a GPU of 140 GiB, 100 of
    them free, of which each of its kernels holds 3."""
    (folder / "pynvml.py").write_text(_PYNVML)
    tests = str(Path(__file__).resolve().parents[1])
    path = filter(None, (os.environ.get("PYTHONPATH"), tests, str(folder)))
    return "env", f"PYTHONPATH={os.pathsep.join(path)}"
