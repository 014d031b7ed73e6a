"""An accelerator as a cell sees it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from html import escape

from ropeway.kernel.words import bytes_text

_KINDS = {"cuda": "CUDA", "rocm": "ROCm", "tpu": "TPU", "mps": "Apple's GPU", "cpu": "CPU"}


@dataclass(frozen=True)
class Device:
    """One device; `index` is the number that frameworks know it by, memory is in bytes.

    What the driver does not tell is None or empty. `compute_capability` is `9.0` and the like; of
    AMD's it is the architecture (`gfx90a`). `busy` is the share of time from 0 to 1.
    """

    index: int
    name: str
    memory_total: int | None = None
    memory_free: int | None = None
    compute_capability: str = ""
    uuid: str = ""
    busy: float | None = None

    def __str__(self) -> str:
        able = self.compute_capability
        told = f"compute capability {able}" if able[:1].isdigit() else able
        return "  ".join(filter(None, (str(self.index), self.name, self._memory(), told)))

    def _cells(self) -> tuple[str, str, str]:
        return self.name, self._memory(), self.compute_capability

    def _memory(self) -> str:
        if self.memory_total is None:
            return ""
        total = bytes_text(self.memory_total)
        if self.memory_free is None:
            return total
        return f"{bytes_text(self.memory_free)} of {total} free"


@dataclass(frozen=True)
class Holder:
    """A process that holds memory of a device: `name` is its command, `memory` in bytes.

    `here` says that it is this kernel; of a Jupyter kernel `kernel` is the id. What the driver does
    not tell is None or empty: a container cannot see the processes outside.
    """

    pid: int
    name: str
    memory: int | None
    device: int
    here: bool = False
    kernel: str = ""

    def __str__(self) -> str:
        held = "" if self.memory is None else f" {bytes_text(self.memory)}"
        if self.here:
            return f"this kernel{held}"
        name = f"kernel {self.kernel}" if self.kernel else self.name or "a process"
        return f"{name} (pid {self.pid}){held}"


@dataclass(frozen=True)
class Accelerator:
    """What a framework can compute on here: `kind` is `cuda`, `rocm`, `tpu`, `mps` or `cpu`.

    `name`, `memory_total`, `memory_free` (bytes) and `compute_capability` are those of the first
    device, which frameworks take when nothing else is said; `devices` are all that this process may
    use. `driver` is the driver's version, `version` that of CUDA or ROCm which it speaks. `holders`
    are the processes that hold memory, the largest first. `problem` says what is wrong where a
    device is there and cannot be used; else it is empty.
    """

    kind: str
    devices: tuple[Device, ...]
    driver: str = ""
    version: str = ""
    holders: tuple[Holder, ...] = ()
    problem: str = ""

    @property
    def name(self) -> str:
        """`NVIDIA H200`"""
        return self.devices[0].name

    @property
    def count(self) -> int:
        """How many devices."""
        return len(self.devices)

    @property
    def memory_total(self) -> int | None:
        """Bytes."""
        return self.devices[0].memory_total

    @property
    def memory_free(self) -> int | None:
        """Bytes that nobody holds now."""
        return self.devices[0].memory_free

    @property
    def compute_capability(self) -> str:
        """`9.0`"""
        return self.devices[0].compute_capability

    def __repr__(self) -> str:
        return "\n".join((self._head(), *(f"  {each}" for each in self.devices), *self._foot()))

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in ("", "device", "memory", "capability"))
        rows = "".join(
            "<tr>"
            + "".join(f"<td>{escape(cell)}</td>" for cell in (str(each.index), *each._cells()))
            + "</tr>"
            for each in self.devices
        )
        told = "<br>".join(map(escape, (self._head(), *self._foot())))
        return (
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
            f"<p><small>{told}</small></p>"
        )

    def _head(self) -> str:
        speaks = " ".join(filter(None, (_KINDS[self.kind], self.version)))
        return ", ".join(filter(None, (speaks, self.driver and f"driver {self.driver}")))

    def _foot(self) -> list[str]:
        held = ", ".join(map(str, self.holders))
        return [*([f"memory held by {held}"] if held else []), *filter(None, (self.problem,))]


@dataclass(frozen=True)
class Driver:
    """What a driver tells of the whole machine: its own version and that of CUDA or ROCm which it
    speaks; `problem` where it fails."""

    devices: tuple[Device, ...] = ()
    holders: tuple[Holder, ...] = ()
    version: str = ""
    speaks: str = ""
    problem: str = ""


def visible(devices: Iterable[Device], chosen: str | None) -> tuple[Device, ...]:
    """Those that a list as in `CUDA_VISIBLE_DEVICES` lets a process see, numbered as it sees them.

    As CUDA reads it: numbers or the beginnings of UUIDs; what follows one that names no device, or
    one that was named before, is not seen. None lets it see all.
    """
    everything = tuple(devices)
    if chosen is None:
        return everything
    seen: list[Device] = []
    for word in (part.strip() for part in chosen.split(",")):
        found = [d for d in everything if _is_named(d, word)]
        if len(found) != 1 or found[0] in seen:
            break
        seen.append(found[0])
    return tuple(replace(device, index=i) for i, device in enumerate(seen))


def _is_named(device: Device, word: str) -> bool:
    if word.isdigit():
        return device.index == int(word)
    return bool(word) and device.uuid.startswith(word)
