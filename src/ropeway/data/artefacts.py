"""The artefacts of a notebook at home: whole files that a runtime wrote, in a folder beside it.

    .ropeway/artefacts/train.ipynb/files/runs/model.npz
    .ropeway/artefacts/train.ipynb/environment.json

The folder's name begins with a dot, so that no folder or glob that somebody added as a dataset
takes in what a runtime wrote. The files are the truth: each takes its place in one step, and the
index beside them only spares reading them again. A runtime writes plain files below `files` and
nothing else: no link, no path that leads out, no more than the notebook's room.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ropeway import artefacts, config
from ropeway.artefacts import File
from ropeway.errors import BadInput, NotFound, NotSaved

MOST_FILES = 5_000
"""Files of one notebook."""

FREE = 1_000_000_000
"""Bytes that stay free on home's disk."""

STALE = 24 * 3600.0
"""Seconds after which a chunk that no file took is dropped."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a file was written."""

    runtime: str
    runtime_class: str


UNKNOWN = Origin("", "here")
"""Of a file that no runtime sent: somebody put it there at home, so it is home's."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A file at home, where it came from, and its `inode`: by that and the file's size and time the
    index knows that it is the same."""

    file: File
    origin: Origin
    inode: int

    def to_json(self) -> dict[str, Any]:
        """As it stands in the index."""
        origin = {"runtime": self.origin.runtime, "runtime_class": self.origin.runtime_class}
        return {"file": self.file.to_json(), "origin": origin, "inode": self.inode}


def folder_of(notebook: Path) -> Path:
    """Where the artefacts of a notebook lie."""
    notebook = notebook.resolve()
    return notebook.parent / ".ropeway" / "artefacts" / notebook.name


class Artefacts:
    """The artefacts in `folder`, of at most `most` bytes; several processes and threads may."""

    def __init__(self, folder: Path, most: int = 0, place: Path | None = None) -> None:
        """`place` has the files themselves, by default `files` in the folder."""
        self.folder = folder
        self.place = place or folder / "files"
        self.most = most
        self._chunks = folder / "chunks"
        self._index = folder / "index.json"
        self._read: tuple[Any, dict[str, Kept]] | None = None

    def exist(self) -> bool:
        """Whether a notebook ever declared any."""
        return self._index.is_file()

    def begin(self, environment: Mapping[str, Any] | None) -> None:
        """Make the folder, and note the environment that the files are written in, where it is
        told."""
        if not self._chunks.is_dir():
            self._chunks.mkdir(0o700, parents=True, exist_ok=True)
            self.place.mkdir(0o700, exist_ok=True)
            ignored = self.folder.parents[1] / ".gitignore"
            if self.place.parent == self.folder and not ignored.exists():
                ignored.write_text("*\n")
        with config.one_writer(self.folder):
            if not self.exist():
                self._write({})
        if environment:
            config.write_private(self.folder / "environment.json", json.dumps(environment))
        for waiting in self._chunks.iterdir():
            with suppress(FileNotFoundError):  # another thread has just made a file of it
                if time.time() - waiting.stat().st_mtime > STALE:
                    waiting.unlink()

    def environment(self) -> dict[str, Any]:
        """What was noted last; empty where nothing was."""
        return _read(self.folder / "environment.json")

    def files(self) -> dict[str, Kept]:
        """All that is there, by path; a file that somebody changed at home is read anew."""
        told, found = self._told(), {}
        for path, seen in sorted(_walk(self.place, self.folder)):
            known = told.get(path)
            if known is None or not _same(known, seen):
                try:
                    artefacts.check_path(path)
                except BadInput:  # no runtime sent that, and none could take it
                    continue
                try:
                    known = _looked_at(self.place / path, path, seen, known)
                except FileNotFoundError:  # deleted since
                    continue
            found[path] = known
        return found

    def size(self) -> tuple[int, int]:
        """How many files there are and how many bytes, without reading them."""
        sizes = [seen.st_size for _, seen in _walk(self.place, self.folder)]
        return len(sizes), sum(sizes)

    def noted(self) -> dict[str, Kept]:
        """`files`, in the index from now on: those that nobody changes are read once."""
        with config.one_writer(self.folder):
            found = self.files()
            self._write(found)
        return found

    def __getitem__(self, path: str) -> Kept:
        """One file; no other is looked at. Raises `NotFound`."""
        found = self.find(path)
        if found is None:
            raise NotFound(f"Home has no artefact {path} of this notebook.")
        return found

    def find(self, path: str) -> Kept | None:
        """One file, None where none is, or something else."""
        place = self.place / path
        with suppress(BadInput, OSError):
            artefacts.check_path(path)
            between = [each for each in place.parents if each.is_relative_to(self.place)][:-1]
            seen = place.lstat()
            plain = stat.S_ISREG(seen.st_mode) and not any(each.is_symlink() for each in between)
            if plain and self.folder not in between:
                known = self._told().get(path)
                if known is None or not _same(known, seen):
                    known = _looked_at(place, path, seen, known)
                return known
        return None

    def take(self, chunk: bytes) -> None:
        """Have a chunk wait for the file that needs it. Raises `NotSaved`."""
        if shutil.disk_usage(self._chunks).free < FREE:
            raise NotSaved("Home's disk is full.", hint="Make room at home.")
        with os.scandir(self._chunks) as waiting:
            if sum(1 for _ in waiting) * artefacts.CHUNK > self.most:
                raise self._no_room()
        path = self._chunks / artefacts.digest(chunk)
        if not path.exists():
            fresh = path.with_name(f".{uuid.uuid4().hex}")
            fresh.write_bytes(chunk)
            fresh.rename(path)

    def keep(self, file: File, origin: Origin) -> list[int]:
        """Make the file one of the artefacts; it is on the disk when this returns.

        Where chunks of it are not here yet nothing is done, and their places are returned. Raises
        `BadInput` or `NotSaved`.
        """
        with config.one_writer(self.folder):
            known = self.files()
            self._check_room(file, known)
            old = known.get(file.path)
            if old is None or old.file.chunks != file.chunks or old.file.size != file.size:
                if missing := self._missing(file, known):
                    return missing
                self._assemble(file, known)
            os.utime(self.place / file.path, ns=(file.mtime, file.mtime))
            seen = (self.place / file.path).stat()
            # The disk may keep times more coarsely than the runtime told them.
            kept = Kept(replace(file, mtime=seen.st_mtime_ns), origin, seen.st_ino)
            self._write(known | {file.path: kept})
            for each in set(file.chunks):
                (self._chunks / each).unlink(missing_ok=True)
        return []

    def forget(self, path: str) -> None:
        """The file is gone on its runtime, and so it is here."""
        artefacts.check_path(path)
        with config.one_writer(self.folder):
            known = self.files()
            if known.pop(path, None) is not None:
                (self.place / path).unlink(missing_ok=True)
                self._write(known)

    def read(self, file: File, start: int, most: int) -> bytes:
        """The bytes of a file from the chunk `start` on. Raises `NotFound` where it has changed."""
        with (self.place / file.path).open("rb") as stream:
            stream.seek(start * artefacts.CHUNK)
            data = stream.read(most * artefacts.CHUNK)
        view = memoryview(data)
        parts = [view[i : i + artefacts.CHUNK] for i in range(0, len(data), artefacts.CHUNK)]
        if [artefacts.digest(each) for each in parts] != list(file.chunks[start : start + most]):
            raise NotFound(f"The artefact {file.path} has just changed at home.", hint="Try again.")
        return data

    def _missing(self, file: File, known: Mapping[str, Kept]) -> list[int]:
        here = {each for kept in known.values() for each in kept.file.chunks}
        missing: dict[str, int] = {}
        for index, each in enumerate(file.chunks):
            if each not in here and not (self._chunks / each).exists():
                missing.setdefault(each, index)
        return list(missing.values())

    def _check_room(self, file: File, known: Mapping[str, Kept]) -> None:
        size = file.size + sum(each.file.size for path, each in known.items() if path != file.path)
        if size > self.most or (len(known) >= MOST_FILES and file.path not in known):
            raise self._no_room()
        if shutil.disk_usage(self.folder).free < FREE + file.size:
            raise NotSaved("Home's disk is full.", hint="Make room at home.")
        parents = [file.path[:i] for i, letter in enumerate(file.path) if letter == "/"]
        if any(each in known for each in parents) or (self.place / file.path).is_dir():
            raise BadInput(
                f"{file.path} cannot be kept: at home a file stands where a folder is wanted, or "
                "a folder where a file is.",
                hint="Write it under another name.",
            )

    def _no_room(self) -> NotSaved:
        return NotSaved(
            f"The artefacts of one notebook may be {self.most:,} bytes in {MOST_FILES:,} files.",
            hint="Delete older checkpoints in the folder, or raise artefacts.megabytes at home.",
        )

    def _assemble(self, file: File, known: Mapping[str, Kept]) -> None:
        places = {
            each: (path, index)
            for path, kept in known.items()
            for index, each in enumerate(kept.file.chunks)
        }
        with self._place(file.path) as fresh:
            with fresh.open("xb") as out:
                for each in file.chunks:
                    out.write(self._chunk(each, places))
                out.flush()
                os.fsync(out.fileno())
            if fresh.stat().st_size != file.size:
                raise BadInput(f"The chunks of {file.path} do not make up its size.")
            fresh.rename(self.place / file.path)
            config.sync((self.place / file.path).parent)

    def _chunk(self, name: str, places: Mapping[str, tuple[str, int]]) -> bytes:
        """A chunk that waits, or stands in a file that is here."""
        try:
            data = (self._chunks / name).read_bytes()
        except FileNotFoundError:
            path, index = places[name]
            with (self.place / path).open("rb") as stream:
                stream.seek(index * artefacts.CHUNK)
                data = stream.read(artefacts.CHUNK)
        if artefacts.digest(data) != name:
            (self._chunks / name).unlink(missing_ok=True)
            raise NotSaved("A chunk changed at home while its file was made.", hint="Try again.")
        return data

    @contextmanager
    def _place(self, path: str) -> Iterator[Path]:
        """A file that may be moved to `path`, whose folders are there; gone behind the block."""
        at = self.place
        for part in path.split("/")[:-1]:
            at = at / part
            at.mkdir(0o700, exist_ok=True)
            if at.is_symlink():
                raise BadInput(f"{path} cannot be kept: a folder of it is a link at home.")
        fresh = self._chunks / f".{uuid.uuid4().hex}"
        try:
            yield fresh
        finally:
            fresh.unlink(missing_ok=True)

    def _told(self) -> dict[str, Kept]:
        """What the index says; read again when somebody else wrote it."""
        stamp = _stamp(self._index)
        if self._read is not None and self._read[0] == stamp:
            return dict(self._read[1])
        found: dict[str, Kept] = {}
        with suppress(KeyError, TypeError, AttributeError, BadInput):
            for body in _read(self._index).get("files", []):
                file = artefacts.file(body["file"])
                found[file.path] = Kept(file, Origin(**body["origin"]), body["inode"])
        self._read = stamp, found
        return dict(found)

    def _write(self, files: Mapping[str, Kept]) -> None:
        told = {"files": [each.to_json() for each in files.values()]}
        config.write_private(self._index, json.dumps(told), durable=False)
        self._read = _stamp(self._index), dict(files)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        seen = path.stat()
    except FileNotFoundError:
        return None
    return seen.st_mtime_ns, seen.st_size, seen.st_ino


def _walk(folder: Path, without: Path) -> Iterator[tuple[str, os.stat_result]]:
    """The plain files below a folder but those of another one in it; links are none."""
    # By os.scandir and texts: with pathlib a folder of a thousand files takes four times as long.
    waiting = [str(folder)]
    while waiting:
        at = waiting.pop()
        try:
            entries = list(os.scandir(at))
        except FileNotFoundError:
            continue
        for entry in entries:
            seen = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(seen.st_mode):
                if entry.path != str(without):
                    waiting.append(entry.path)
            elif stat.S_ISREG(seen.st_mode):
                yield entry.path[len(str(folder)) + 1 :], seen


def _same(known: Kept, seen: os.stat_result) -> bool:
    now = seen.st_size, seen.st_mtime_ns, seen.st_ino
    return (known.file.size, known.file.mtime, known.inode) == now


def _looked_at(path: Path, name: str, seen: os.stat_result, known: Kept | None) -> Kept:
    """A file that the index does not know as it is: it was changed at home, or home ended before it
    could note it."""
    with path.open("rb") as stream:
        chunks = artefacts.digests(stream, seen.st_size)
    file = File(name, seen.st_size, seen.st_mtime_ns, chunks)
    return Kept(file, known.origin if known is not None else UNKNOWN, seen.st_ino)


def _read(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}
