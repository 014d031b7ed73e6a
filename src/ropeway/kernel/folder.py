"""A folder of artefacts in the kernel's working folder, as it is at one moment. Standard library.

Links are left out: what they lead to need not be the folder's.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from ropeway import artefacts
from ropeway.artefacts import File
from ropeway.errors import BadInput

COMING = ".ropeway-coming"
"""How the name of a file ends that comes from home and is not whole yet."""


@dataclass(frozen=True)
class Seen:
    """By these a file is told from what it was."""

    size: int
    mtime: int


def named(folder: str | os.PathLike[str]) -> str:
    """How home calls a folder: its path below the working folder. Raises `BadInput`."""
    here = Path.cwd()
    given = here / Path(folder).expanduser()
    # As it was named first: a linked folder below this one leads elsewhere.
    for path in (Path(os.path.normpath(given)), given.resolve()):
        with suppress(ValueError, BadInput):
            name = path.relative_to(here).as_posix()
            artefacts.check_path(name)
            return name
    raise BadInput(
        f"The folder {str(folder)!r} does not lie below the kernel's working folder {here}.",
        hint='Name one below it, as rw.checkpoint("runs/"): so it is found on any runtime.',
    )


def scan(name: str, base: Path) -> dict[str, Seen]:
    """The files below the folder `name` of `base`, by their paths from `base`; one whose name
    cannot cross is left out."""
    found: dict[str, Seen] = {}
    for path, seen in _walk(base / name):
        relative = path.relative_to(base).as_posix()
        with suppress(BadInput):
            artefacts.check_path(relative)
            found[relative] = Seen(seen.st_size, seen.st_mtime_ns)
    return found


def described(path: str, base: Path) -> File | None:
    """The file with its chunks; None where it changed or vanished while it was read."""
    try:
        with (base / path).open("rb") as stream:
            before = os.fstat(stream.fileno())
            chunks = artefacts.digests(stream, before.st_size)
            after = (base / path).stat()
    except OSError:
        return None
    same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    if not same or len(chunks) != artefacts.count(before.st_size):
        return None
    return File(path, before.st_size, before.st_mtime_ns, chunks)


def latest(name: str, base: Path, pattern: str) -> Path | None:
    """The newest file whose name or path fits the pattern."""
    found = [
        (seen.mtime, path)
        for path, seen in scan(name, base).items()
        if fnmatch(path.rpartition("/")[2], pattern) or fnmatch(path[len(name) + 1 :], pattern)
    ]
    return base / max(found)[1] if found else None


def _walk(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    waiting = [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.name.endswith(COMING):
                        continue
                    with suppress(FileNotFoundError):
                        seen = entry.stat(follow_symlinks=False)
                        if stat.S_ISDIR(seen.st_mode):
                            waiting.append(Path(entry.path))
                        elif stat.S_ISREG(seen.st_mode):
                            yield Path(entry.path), seen
        except (FileNotFoundError, NotADirectoryError):
            continue
