"""What this machine has for a framework to compute on."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from ropeway.kernel import usage
from ropeway.kernel.accelerators import amd, nvidia, tpu
from ropeway.kernel.accelerators.device import Accelerator, Device, visible
from ropeway.kernel.accelerators.sysfs import text

_UNREACHED = (
    "An NVIDIA GPU is in this machine, but its driver does not reach here: it is not installed, or "
    "the container lacks --gpus all."
)
_DIVIDED = (
    "NVIDIA's driver lists nothing to compute on: its GPU is divided (MIG) and has no instance, or "
    "none that this process may use."
)


def accelerator() -> Accelerator:
    """What a framework can compute on here, without importing one: NVIDIA's GPUs, else AMD's, else
    TPUs, else Apple's GPU, else the CPU.

    Only the devices that this process may use (`CUDA_VISIBLE_DEVICES` and its like). Never raises:
    where a device is there and its driver fails, `problem` says so.

        gpu = rw.accelerator()
        gpu.kind, gpu.name, gpu.memory_free    # ('cuda', 'NVIDIA H200', 150123456789)
    """
    problems = []
    for look in (_nvidia, _amd, _tpu, _apple):
        found = look()
        if isinstance(found, Accelerator):
            return found
        problems.append(found)
    return Accelerator("cpu", (_cpu(),), problem=" ".join(filter(None, problems)))


def _nvidia() -> Accelerator | str:
    told = nvidia.driver()
    if not told.devices:
        if not nvidia.is_here():
            return ""  # the driver of a machine without a GPU fails as well
        return told.problem or (_DIVIDED if told.version else _UNREACHED)
    seen = visible(told.devices, chosen := os.environ.get("CUDA_VISIBLE_DEVICES"))
    if chosen is None and seen[0].uuid.startswith("MIG-"):
        seen = seen[:1]  # CUDA gives a process one instance of a divided GPU
    if not seen:
        return _hidden(told.devices, "CUDA_VISIBLE_DEVICES", chosen or "")
    uuids = {device.uuid: device.index for device in seen}
    holders = tuple(
        replace(each, device=uuids[uuid])
        for each in told.holders
        if (uuid := told.devices[each.device].uuid) in uuids
    )
    return Accelerator("cuda", seen, told.version, told.speaks, holders)


def _amd() -> Accelerator | str:
    told = amd.driver()
    if not told.devices:
        return told.problem
    seen = told.devices
    for names in (("ROCR_VISIBLE_DEVICES",), ("HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES")):
        name = next((each for each in names if each in os.environ), "")
        seen = visible(seen, os.environ.get(name))
        if not seen:
            return _hidden(told.devices, name, os.environ[name])
    return Accelerator("rocm", seen, told.version, told.speaks)


def _tpu() -> Accelerator | str:
    chips = tpu.devices(os.environ)
    if not chips:
        return ""
    if problem := tpu.problem():
        return problem
    chosen = os.environ.get("TPU_VISIBLE_CHIPS") or None
    return Accelerator("tpu", visible(chips, chosen) or chips)


def _apple() -> Accelerator | str:
    if sys.platform != "darwin" or platform.machine() != "arm64":
        return ""
    return Accelerator("mps", (_cpu(),))  # one chip, one memory


def _hidden(devices: tuple[Device, ...], name: str, value: str) -> str:
    names = ", ".join(device.name for device in devices)
    return f"{name}={value!r} hides what is in this machine: {names}."


def _cpu() -> Device:
    ram = usage.ram()
    name = _processor() or platform.machine() or "CPU"
    return Device(0, name, ram.total, ram.total - ram.used) if ram else Device(0, name)


def _processor() -> str:
    if sys.platform == "darwin":
        try:
            asked = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(asked, capture_output=True, text=True, timeout=2).stdout.strip()
        except (OSError, subprocess.SubprocessError):
            return ""
    lines = text(Path("/proc/cpuinfo")).splitlines()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "")
