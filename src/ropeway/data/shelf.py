"""What kernels put: each dataset a folder of numbered Parquet files, of which the last one counts.

    .ropeway/put/scores/1.parquet
    .ropeway/put/scores/2.parquet

The folder stands beside `ropeway.toml`, so that the shell and every workspace of the project see
the same, and its name begins with a dot, so that neither a folder nor a glob that somebody added as
a dataset takes in what a kernel put.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ropeway import config
from ropeway.errors import NameTaken

KEPT = 10
"""Versions of a dataset that are kept."""

_FILE = re.compile(r"([1-9][0-9]{0,8})\.parquet")
_FOLDER = Path(".ropeway") / "put"


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a dataset that was put; `time` is when, in seconds since 1970."""

    number: int
    path: Path
    size: int
    time: float


class Shelf:
    """What was put into the project in the folder `project`."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.folder = project / _FOLDER

    def names(self) -> list[str]:
        """The datasets that were put."""
        if not self.folder.is_dir():
            return []
        found = (each.name for each in self.folder.iterdir() if each.is_dir())
        return sorted(name for name in found if self.versions(name))

    def stamp(self) -> tuple[tuple[str, int], ...]:
        """Differs whenever something was put or removed."""
        try:
            with os.scandir(self.folder) as entries:
                return tuple(sorted((each.name, each.stat().st_mtime_ns) for each in entries))
        except FileNotFoundError:
            return ()

    def versions(self, name: str) -> list[Version]:
        """Its versions, the newest last; none where it was never put."""
        found: list[Version] = []
        folder = self.folder / name
        if not folder.is_dir():
            return found
        with os.scandir(folder) as entries:
            for entry in entries:
                match = _FILE.fullmatch(entry.name)
                if match and entry.is_file(follow_symlinks=False):
                    told = entry.stat()
                    number = int(match[1])
                    found.append(Version(number, Path(entry.path), told.st_size, told.st_mtime))
        return sorted(found, key=lambda each: each.number)

    @contextmanager
    def place(self, name: str) -> Iterator[Path]:
        """A file for what is on its way; gone behind the block, unless it was published."""
        folder = self._folder(name)
        fresh = folder / f".{uuid.uuid4().hex}.incoming"
        claim = config.Claim(fresh)
        claim.take()
        try:
            yield fresh
        finally:
            claim.release()
            fresh.unlink(missing_ok=True)

    def publish(self, name: str, fresh: Path, *, only_first: bool = False) -> Version:
        """Make the file the newest version; it is on the disk when this returns.

        Raises `NameTaken` with `only_first` where there is a version.
        """
        folder = fresh.parent
        with config.one_writer(folder):
            known = self.versions(name)
            if known and only_first:
                raise taken(name, f"version {known[-1].number} of it was put before")
            number = known[-1].number + 1 if known else 1
            path = folder / f"{number}.parquet"
            fresh.rename(path)
            config.sync(folder)
            for each in known[: max(0, len(known) + 1 - KEPT)]:
                each.path.unlink(missing_ok=True)
            self._sweep(folder)
        told = path.stat()
        return Version(number, path, told.st_size, told.st_mtime)

    def _folder(self, name: str) -> Path:
        folder = self.folder / name
        if not folder.is_dir():
            folder.mkdir(0o700, parents=True, exist_ok=True)
            ignored = self.folder.parent / ".gitignore"
            if not ignored.exists():
                ignored.write_text("*\n")
        return folder

    def _sweep(self, folder: Path) -> None:
        """Remove what a process that was killed left on its way."""
        for path in folder.glob(".*.incoming"):
            probe = config.Claim(path)
            try:
                if not probe.held():
                    path.unlink(missing_ok=True)
            finally:
                probe.release()


def taken(name: str, why: str) -> NameTaken:
    """The name cannot be put under."""
    return NameTaken(f"{name} cannot be put: {why}.", hint="Choose another name.", dataset=name)
