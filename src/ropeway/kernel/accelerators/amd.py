"""AMD's GPUs as the Linux kernel tells: the compute driver (KFD) knows them, DRM their memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ropeway.kernel.accelerators.device import Device, Driver
from ropeway.kernel.accelerators.sysfs import entries, number, text

_NODES = "sys/class/kfd/kfd/topology/nodes"


def driver(root: Path = Path("/")) -> Driver:
    """What the kernel tells now; a `problem` where a GPU cannot be computed on."""
    devices = tuple(_devices(root))
    if not devices:
        return Driver()
    if not (root / "dev/kfd").exists():
        return Driver(
            problem="An AMD GPU is in this machine, but /dev/kfd is not here: a container wants "
            "--device /dev/kfd --device /dev/dri."
        )
    version = text(root / "sys/module/amdgpu/version")
    return Driver(devices, version=version, speaks=text(root / "opt/rocm/.info/version"))


def _devices(root: Path) -> Iterator[Device]:
    """In the order of the nodes, which is that of ROCm; a node without a GPU is a CPU."""
    nodes = sorted(entries(root / _NODES), key=lambda path: number(path.name) or 0)
    found = 0
    for node in nodes:
        told = dict(
            line.split(maxsplit=1) for line in text(node / "properties").splitlines() if " " in line
        )
        target = number(told.get("gfx_target_version", "")) or 0
        if not target:
            continue
        card = root / f"sys/class/drm/renderD{told.get('drm_render_minor', '')}/device"
        total, used = (number(text(card / f"mem_info_vram_{each}")) for each in ("total", "used"))
        free = total - used if total is not None and used is not None else None
        name = text(card / "product_name") or f"AMD {_architecture(target)}"
        unique = number(told.get("unique_id", "")) or 0
        uuid = f"GPU-{unique:016x}" if unique else ""
        yield Device(found, name, total, free, _architecture(target), uuid)
        found += 1


def _architecture(target: int) -> str:
    """`gfx90a` of 90010: major, minor and, in hexadecimal, the step."""
    return f"gfx{target // 10000}{target // 100 % 100:x}{target % 100:x}"
