"""The drive on a machine that is not home: its files are fetched, and what changes is sent home.

Standard library only.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ropeway import artefacts
from ropeway.artefacts import File
from ropeway.kernel import folder, road
from ropeway.kernel.checkpoint import Checkpoint, declare
from ropeway.kernel.folder import Seen
from ropeway.kernel.progress import Progress
from ropeway.kernel.resume import write
from ropeway.kernel.sender import Home

NOTE = ".ropeway-drive"
"""A file beside the mirror: which versions it had, so that another process knows what is new."""


def mirror(base: Path, name: str, known: DriveHome | None = None) -> tuple[Checkpoint, DriveHome]:
    """Fetch the drive into the folder `name` below `base`, and send home what changes there.

    What was changed here and not at home yet stays as it is. Raises `RopewayError`.
    """
    home = known or DriveHome(base, name)
    listed = home.listed()
    (base / name).mkdir(parents=True, exist_ok=True)
    home.remember()
    sent: dict[str, Seen] = {}
    with Progress(sum(each.size for each in listed), doing="fetching", done="fetched") as progress:
        crossed = 0
        for each in listed:
            if _bring(home, each, base):
                seen = (base / each.path).stat()
                sent[each.path] = Seen(seen.st_size, seen.st_mtime_ns)
            crossed += each.size
            progress(crossed)
    made = Checkpoint(name, base, home, sent)
    declare(made)
    return made, home


class DriveHome(Home):
    """The drive at home, as a `Sender` speaks of artefacts: every path begins with `name` here."""

    def __init__(self, base: Path, name: str) -> None:
        super().__init__(road.artefacts)
        self._name = name
        self._note = base / NOTE
        self._versions: dict[str, str] = {}
        """By path at home: the version that both had last."""
        with suppress(OSError, ValueError, TypeError):
            self._versions.update(map(json.loads, self._note.read_text("utf-8").splitlines()))
        self._aside: dict[str, str] = {}
        """By path here: another one at home, where home had a file of its own."""

    def listed(self) -> list[File]:
        """What home has, by its paths here."""
        self._ticket = ""
        told = self.open()["files"]
        return [File(f"{self._name}/{e['path']}", e["size"], e["mtime"]) for e in told]

    def open(
        self, name: str | None = None, environment: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Get a ticket, where there is none."""
        if self._ticket:
            return {}
        return super().open()

    def offer(self, file: File, crossed: int) -> list[int]:
        """As of `Home`; a file that is another one at home by now is kept beside that."""
        path = self._aside.get(file.path, self._there(file.path))
        told = {"op": "offer", "crossed": crossed, "before": self._versions.get(path, "")}
        told["file"] = replace(file, path=path).to_json()
        answer, _ = self._asked(told)
        if not answer["missing"]:
            kept = str(answer["path"])
            self._know(kept, file)
            if kept != path:
                self._aside[file.path] = kept
                print(
                    f"{path} was changed at home meanwhile: yours is {kept} there.", file=sys.stderr
                )
        return list(answer["missing"])

    def forget(self, path: str) -> None:
        """What is deleted here stays at home."""

    def describe(self, path: str) -> File:
        """As of `Home`."""
        found = super().describe(self._there(path))
        return replace(found, path=path)

    def fetch(self, file: File) -> Iterator[bytes]:
        """As of `Home`."""
        return super().fetch(replace(file, path=self._there(file.path)))

    def has(self, file: File) -> None:
        """Both have that file as it is."""
        self._know(self._there(file.path), file)

    def had(self, file: File) -> bool:
        """Whether both had it once as it is."""
        return self._versions.get(self._there(file.path)) == artefacts.version(file)

    def remember(self) -> None:
        """For the next process: what both had last, without what is no more."""
        lines = [json.dumps(each) + "\n" for each in self._versions.items()]
        self._note.write_text("".join(lines), "utf-8")

    def _know(self, path: str, file: File) -> None:
        version = artefacts.version(file)
        if self._versions.get(path) != version:
            self._versions[path] = version
            with self._note.open("a", encoding="utf-8") as note:
                note.write(json.dumps([path, version]) + "\n")

    def _there(self, path: str) -> str:
        return path[len(self._name) + 1 :]

    def _asked(self, told: dict[str, Any], data: bytes = b"") -> tuple[dict[str, Any], memoryview]:
        return super()._asked({**told, "drive": True}, data)


def _bring(home: DriveHome, listed: File, base: Path) -> bool:
    """Have a file here as it is at home; False where another one is here that home has not."""
    here = folder.described(listed.path, base)
    if here and (here.size, here.mtime) == (listed.size, listed.mtime) and home.had(here):
        return True
    found = home.describe(listed.path)
    same = here is not None and artefacts.version(here) == artefacts.version(found)
    if not same:
        if here is not None and not home.had(here):
            return False
        write(home, found, base / listed.path)
    home.has(found)
    return True
