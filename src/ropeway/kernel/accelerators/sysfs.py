"""Files in which Linux tells of devices; what cannot be read is empty."""

from __future__ import annotations

from pathlib import Path

_DISPLAY = "0x03"


def text(path: Path) -> str:
    """What stands in the file."""
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""


def entries(folder: Path) -> list[Path]:
    """What lies in the folder, by name."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def number(word: str) -> int | None:
    """A whole number, or None for anything else."""
    return int(word) if word.isascii() and word.isdigit() else None


def has_display(vendor: str, root: Path) -> bool:
    """Whether a graphics card of that PCI vendor is in the machine."""
    return any(
        text(bus / "vendor") == vendor and text(bus / "class").startswith(_DISPLAY)
        for bus in entries(root / "sys/bus/pci/devices")
    )
