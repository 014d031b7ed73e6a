"""Private copies in the state folder: of files that are elsewhere, and Parquet made from files
that DuckDB does not read.

A copy is known by what it was made of and by how that looked then, so that a source that changed
gets another one. It appears whole or not at all, and only its owner can read it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from ropeway import config
from ropeway.errors import BadInput

KEPT = 3600.0
"""Seconds after its last use for which no copy is removed: a query may be reading it."""


Watch = Callable[[int, int], None]
"""Called with the bytes that came and their number in all, 0 where nobody knows."""


class Stopped(BaseException):
    """A watch wants no more of a copy. No error of the source, and none that explains it away."""


_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)


@contextmanager
def watched(watch: Watch | None) -> Iterator[None]:
    """Whoever copies in this block tells `watch` how far it is; it may raise `Stopped`."""
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)


def tell(came: int, size: int) -> None:
    """So much of a copy is here."""
    watch = _watch.get()
    if watch is not None:
        watch(came, size)


def made(source: str, state: str, name: str, make: Callable[[Path], None], *, room: int) -> Path:
    """The copy `name` of `source` as it is in `state`; `make` writes it where there is none.

    All copies together are kept within `room` bytes; those that were not used for the longest
    time go first. Raises `BadInput` when this one alone needs more, and what `make` raises.
    """
    folder = config.private_dir(config.state_dir() / "copies")
    place = folder / _digest(source, state)
    path = place / name
    with config.one_writer(folder):
        if not path.exists():
            _make(place, name, make, room)
            _sweep(folder, place, room)
    # The time of the last use. The file itself keeps its times: they say whether it changed.
    os.utime(place)
    return path


def _make(place: Path, name: str, make: Callable[[Path], None], room: int) -> None:
    fresh = place.with_name(f".{place.name}.{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    before = os.umask(0o077)
    try:
        (fresh / name).parent.mkdir(parents=True)
        make(fresh / name)
        if (size := (fresh / name).stat().st_size) > room:
            raise too_large(size, room)
        shutil.rmtree(place, ignore_errors=True)
        fresh.replace(place)
    finally:
        os.umask(before)
        shutil.rmtree(fresh, ignore_errors=True)


def too_large(size: int, room: int) -> BadInput:
    """The error for a source whose copy would not fit."""
    return BadInput(
        f"Its copy needs {size:,} bytes, and copies may take {room:,} at home.",
        hint="Raise data.copies in ropeway.toml.",
    )


def _sweep(folder: Path, spared: Path, room: int) -> None:
    found = [each for each in folder.iterdir() if each != spared]
    ages = sorted((each.stat().st_mtime, each) for each in found)
    total = _size(spared) + sum(_size(each) for each in found)
    for used, each in ages:
        left = each.name.startswith(".")
        if (total <= room and not left) or time.time() - used < KEPT:
            continue
        total -= _size(each)
        shutil.rmtree(each, ignore_errors=True)


def _size(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
