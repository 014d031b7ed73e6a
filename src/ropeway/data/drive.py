"""What kernels on other machines ask of the drive, a folder at home.

The questions are those of `ropeway.artefacts`, and say that they are about the drive.

A file that changed at home since the runtime got it is never replaced: what the runtime wrote is
kept beside it. What is deleted on a runtime stays at home.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from ropeway import artefacts, config
from ropeway.artefacts import AT_ONCE, File
from ropeway.data.artefacts import MOST_FILES, Artefacts, Origin
from ropeway.data.ledger import Ledger, entry_of
from ropeway.errors import BadInput, NotSaved, Refused
from ropeway.wire import CLASSES, Asker

OURS = ".ropeway"
"""The folder in the drive with what is on its way."""


def folder_of(settings: config.Config) -> Path:
    """Where the drive lies: `drive.folder`, or `Ropeway Drive` in the user's home folder."""
    given = settings["drive.folder"]
    return Path(given).expanduser().absolute() if given else Path.home() / "Ropeway Drive"


def check_may_mount(runtime_class: str, settings: config.Config) -> None:
    """The one place that decides which runtimes have the drive. Raises `Refused`."""
    farthest = settings["drive.farthest"]
    if runtime_class in CLASSES[: CLASSES.index(farthest) + 1]:
        return
    raise Refused(
        f"The drive is for runtimes up to the class {farthest}, and this one is {runtime_class}.",
        hint="Run the notebook on here; or keep files with rw.checkpoint and tables with rw.put, "
        "and read tables of home with rw.sql. Home decides it: drive.farthest in ropeway.toml.",
    )


class Drive:
    """Answers the questions of all kernels; `settings` are read anew for each."""

    def __init__(self, settings: Callable[[], config.Config], ledger: Ledger) -> None:
        self._settings = settings
        self._ledger = ledger
        self._turn = threading.Lock()
        self._kept: dict[Path, Artefacts] = {}
        self._described: dict[str, File] = {}
        """By kernel: the file that was described last."""

    def answer(self, asker: Asker, told: dict[str, Any], data: memoryview, ticket: str) -> bytes:
        """The answer to one question. Raises `RopewayError`."""
        settings = self._settings()
        check_may_mount(asker.runtime_class, settings)
        folder = folder_of(settings)
        kept = self._kept.setdefault(folder, Artefacts(folder / OURS, 0, folder))
        kept.most = settings["drive.megabytes"] * 1_000_000
        with self._turn:
            if told["op"] == "open":
                return self._open(kept, ticket)
            if told["op"] == "offer":
                return self._offer(asker, kept, told)
            if told["op"] == "chunks":
                for chunk in artefacts.parts(told.get("sizes"), data):
                    kept.take(chunk)
                return artefacts.pack({})
            if told["op"] == "describe":
                return self._describe(asker, kept[str(told.get("path"))].file)
            if told["op"] == "fetch":
                return self._fetch(asker, kept, told)
        raise BadInput(f"Home knows no question {told['op']!r} about the drive.")

    def _open(self, kept: Artefacts, ticket: str) -> bytes:
        kept.begin(None)
        count, size = kept.size()
        if size > kept.most or count > MOST_FILES:
            raise NotSaved(
                f"The drive has {size:,} bytes in {count:,} files; at most {kept.most:,} bytes in "
                f"{MOST_FILES:,} files are mirrored on another machine.",
                hint="Run the notebook on here, or raise drive.megabytes in ropeway.toml.",
            )
        told = [replace(each.file, chunks=()).to_json() for each in kept.noted().values()]
        return artefacts.pack({"ticket": ticket, "files": told})

    def _offer(self, asker: Asker, kept: Artefacts, told: dict[str, Any]) -> bytes:
        file = artefacts.file(told.get("file"))
        if file.path.split("/")[0].casefold() == OURS:
            raise BadInput(f"{OURS} in the drive is Ropeway's own.", hint="Take another name.")
        file = _beside(file, kept, asker.runtime, str(told.get("before", "")))
        missing = kept.keep(file, Origin(asker.runtime, asker.runtime_class))
        if not missing:
            crossed = told.get("crossed")
            self._note(asker, "from", file, crossed if type(crossed) is int else file.size)
        return artefacts.pack({"missing": missing, "path": file.path})

    def _describe(self, asker: Asker, file: File) -> bytes:
        self._note(asker, "to", file, file.size)  # before the first byte leaves
        self._described[asker.kernel] = file
        return artefacts.pack({"file": file.to_json()})

    def _fetch(self, asker: Asker, kept: Artefacts, told: dict[str, Any]) -> bytes:
        file, start = self._described.get(asker.kernel), told.get("start")
        if file is None or file.path != told.get("path"):
            raise BadInput("Home is asked for a file of the drive that it has not described.")
        if type(start) is not int or not 0 <= start < len(file.chunks):
            raise BadInput(f"The file {file.path} has no such part.")
        return artefacts.pack({}, kept.read(file, start, AT_ONCE))

    def _note(self, asker: Asker, way: str, file: File, crossed: int) -> None:
        entry = replace(
            entry_of(asker, "drive", "done"), value=file.path, type=f"file {way} runtime"
        )
        self._ledger.append(replace(entry, bytes_crossed=crossed))


def _beside(file: File, kept: Artefacts, runtime: str, before: str) -> File:
    """The file under its own name where home has it as the runtime knew it, or not at all; else
    under a name beside it."""
    place, count, tried = PurePosixPath(file.path), 1, file
    while os.path.lexists(kept.place / tried.path):
        other = kept.find(tried.path)  # none of a link
        if other and artefacts.version(other.file) in (before, artefacts.version(file)):
            break
        again = f" {count}" if count > 1 else ""
        name = f"{place.stem} (from {runtime}{again}){place.suffix}"
        tried, count = replace(file, path=str(place.with_name(name))), count + 1
    return tried
