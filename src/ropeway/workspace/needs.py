"""Which runtimes have what code needs, and which of them is picked. Pure.

The order: where this notebook's variables are, so that they stay; what was asked for by name; the
notebook's own runtime; this machine; the smallest GPU that will do, so that the large one is left
to those who need it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from ropeway import wire
from ropeway.kernel.words import bytes_text
from ropeway.notebooks.needs import Need
from ropeway.workspace.address import HERE

_WORDS = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Place:
    """A runtime that may run the code. Of its `gpus` nobody knows where they are None.

    `own`: the notebook runs there; `companion`: its `%%on` cells ran there. Their kernel holds
    `held` bytes of the GPUs: 0 where there is none, None where the driver does not tell.
    `unasked`: it may be picked without a question.
    """

    runtime: str
    gpus: tuple[wire.Gpu, ...] | None = None
    own: bool = False
    companion: bool = False
    held: int | None = 0
    unasked: bool = True


def choices(need: Need, places: Iterable[Place]) -> tuple[wire.Choice, ...]:
    """Where it may run, the best first: what fits, and at the end the notebook's own runtime,
    whatever it has. Unless one is picked, GPUs with less and unknown ones stand between."""
    fitting: list[tuple[tuple[Any, ...], Place, wire.Gpu]] = []
    less: list[Place] = []
    unknown: list[Place] = []
    own: list[Place] = []
    for place in places:
        gpu = _smallest(need, place)
        if gpu is not None:
            fitting.append((_rank(need, place, gpu), place, gpu))
        elif place.own:
            own.append(place)
        elif place.gpus is None:
            unknown.append(place)
        elif place.gpus and need.kind == "GPU":
            less.append(place)
    fitting.sort(key=lambda each: each[0])
    found = [_choice(place, gpu, fits=True) for _, place, gpu in fitting]
    if fitting and fitting[0][1].unasked:
        found[0] = replace(found[0], picked=True)
        return (*found, *map(_choice, own))
    less.sort(key=lambda place: (-max(map(_free, place.gpus or ())), place.runtime))
    unknown.sort(key=lambda place: place.runtime)
    return (*found, *map(_choice, (*less, *unknown, *own)))


def _smallest(need: Need, place: Place) -> wire.Gpu | None:
    """The GPU there that will do and is left with the least."""
    if need.kind != "GPU":
        return None
    fitting = [gpu for gpu in place.gpus or () if _room(gpu, place) >= need.memory]
    return min(fitting, key=lambda gpu: _size(need, gpu), default=None)


def _room(gpu: wire.Gpu, place: Place) -> int:
    """Bytes that the notebook can have: what its kernel holds there is not in its way."""
    if place.held is None:
        return gpu.total
    return min(gpu.total, _free(gpu) + place.held)


def _free(gpu: wire.Gpu) -> int:
    return max(0, gpu.total - gpu.used)


def _size(need: Need, gpu: wire.Gpu) -> tuple[bool, int, int]:
    wanted = not need.model or need.model.lower() in _WORDS.findall(gpu.name.lower())
    return not wanted, gpu.total, _free(gpu)


def _rank(need: Need, place: Place, gpu: wire.Gpu) -> tuple[Any, ...]:
    other_model, total, free = _size(need, gpu)
    first = (not place.unasked, not place.companion, other_model)
    return (*first, not place.own, place.runtime != HERE, total, free, place.runtime)


def _choice(place: Place, gpu: wire.Gpu | None = None, *, fits: bool = False) -> wire.Choice:
    told = _told(place.gpus, gpu)
    return wire.Choice(place.runtime, told, fits, own=place.own, known=place.gpus is not None)


def _told(gpus: tuple[wire.Gpu, ...] | None, gpu: wire.Gpu | None) -> str:
    """`NVIDIA T4, 3.1 GB of 16.1 GB free`, of one GPU and how many there are besides."""
    if gpus is None:
        return "its GPUs are not known"
    if not gpus:
        return "the CPU alone"
    shown = gpu or max(gpus, key=_free)
    free = f"{bytes_text(_free(shown))} of {bytes_text(shown.total)} free"
    more = f", {len(gpus) - 1} more" if len(gpus) > 1 else ""
    return f"{shown.name or 'GPU'}, {free}{more}"
