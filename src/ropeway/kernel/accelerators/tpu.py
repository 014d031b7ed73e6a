"""Google's TPUs on a machine that has them: a Colab VM, a TPU VM, a node of GKE.

The chips are known by their PCI ids, as JAX (`hardware_utils.py`) and Google's `tpu-info` know
them; memory is that of a chip. How much of it is free only the program knows that holds the chip.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ropeway.kernel.accelerators.device import Device
from ropeway.kernel.accelerators.sysfs import entries, text

_VENDOR = "0x1ae0"
_CHIPS = {
    "0x005e": ("TPU v4", 32),
    "0x0062": ("TPU v5p", 95),
    "0x0063": ("TPU v5e", 16),
    "0x006f": ("TPU v6e", 32),
    "0x0076": ("TPU7x", 192),
}
_OLDER = {"0x004e": ("TPU v2", 16), "0x004f": ("TPU v3", 32)}
"""Both are 0x0027; the subsystem tells them apart."""


def devices(environ: Mapping[str, str], root: Path = Path("/")) -> tuple[Device, ...]:
    """The chips; where the bus does not tell, as many as there are device files, by the name that
    the machine was made with (`TPU_ACCELERATOR_TYPE`)."""
    found = [chip for bus in entries(root / "sys/bus/pci/devices") if (chip := _chip(bus))]
    if not found and (name := environ.get("TPU_ACCELERATOR_TYPE")):
        found = [(f"TPU {name}", 0)] * len(_files(root))
    return tuple(Device(i, name, gib << 30 or None) for i, (name, gib) in enumerate(found))


def problem(root: Path = Path("/")) -> str:
    """What hinders a chip that is in the machine; empty where nothing does."""
    if _files(root):
        return ""
    return (
        "A TPU is in this machine, but neither /dev/accel* nor /dev/vfio/* is here: a container "
        "wants --privileged."
    )


def _chip(bus: Path) -> tuple[str, int] | None:
    if text(bus / "vendor") != _VENDOR:
        return None
    kind = text(bus / "device")
    return _OLDER.get(text(bus / "subsystem_device")) if kind == "0x0027" else _CHIPS.get(kind)


def _files(root: Path) -> list[Path]:
    return [
        path
        for path in (*entries(root / "dev"), *entries(root / "dev/vfio"))
        if re.fullmatch(r"accel\d+" if path.parent.name == "dev" else r"\d+", path.name)
    ]
