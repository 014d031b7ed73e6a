"""Files that a cell hands to the person at the page: home keeps each until a browser has it."""

from __future__ import annotations

import asyncio
import shutil
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from ropeway import config
from ropeway.data.artefacts import FREE
from ropeway.errors import NotFound, NotSaved
from ropeway.kernel import filename
from ropeway.workspace.offers import Offers

KEPT = 24 * 3600.0
"""Seconds for which a file waits."""

MOST = 20_000_000_000
"""Bytes of all that wait, with those that still come."""

MOST_FILES = 1000
"""Of all that wait."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A file that waits, by its name on the kernel's machine."""

    name: str
    path: Path
    size: int
    since: float


class Downloads:
    """Those of one workspace, in `folder`; `offers` tells the pages."""

    def __init__(self, folder: Path, offers: Offers) -> None:
        self._folder = folder
        self._offers = offers
        self._waiting: dict[str, Waiting] = {}
        self._coming: dict[str, int] = {}
        """Bytes that have come of each file that still does."""
        self.target: Path | None = None
        """Where a headless run has them, under their own names."""
        self.kept: list[Path] = []
        """What lies in the target by now."""

    async def keep(self, notebook: str, name: str, stream: AsyncIterator[bytes]) -> tuple[str, int]:
        """Keep a file; its id, empty in a headless run, and its size. Raises `NotSaved`.

        What `stream` raises is passed on, and nothing is kept.
        """
        number, name = uuid.uuid4().hex, filename.plain(name, "download")
        folder = self._folder if self.target is None else self.target
        if self.target is None:
            config.private_dir(folder)
            self._drop_old()
        elif folder.is_symlink():  # of a project that somebody else wrote: it may lead anywhere
            raise NotSaved(
                f"{folder.name} is a link, and no file of a run goes through it.",
                hint="Name the folder yourself: ropeway run --downloads FOLDER",
            )
        else:
            folder.mkdir(parents=True, exist_ok=True)
        if len(self._waiting) + len(self._coming) >= MOST_FILES:
            raise _no_room()
        fresh = folder / f".{number}"
        try:
            size = await self._write(fresh, number, stream)
            if self.target is not None:
                place = filename.free(folder / name)
                fresh.rename(place)
                self.kept.append(place)
                return "", size
            fresh.rename(folder / number)
            self._waiting[number] = Waiting(name, folder / number, size, time.monotonic())
        finally:
            self._coming.pop(number, None)
            fresh.unlink(missing_ok=True)
        self._offers.add("download", notebook, number, name=name, size=size)
        return number, size

    def __getitem__(self, number: str) -> Waiting:
        """One that waits. Raises `NotFound`."""
        found = self._waiting.get(number)
        if found is None:
            raise NotFound("This file waits no more.", hint="Run the cell again.")
        return found

    def clear(self) -> None:
        """Drop what an earlier process left, and all that waits."""
        self._waiting.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _write(self, place: Path, number: str, stream: AsyncIterator[bytes]) -> int:
        self._coming[number] = 0
        with place.open("xb") as out:
            async for piece in stream:
                self._coming[number] += len(piece)
                if self._held > MOST or shutil.disk_usage(place.parent).free < FREE:
                    raise _no_room()
                await asyncio.to_thread(out.write, piece)
        return self._coming[number]

    @property
    def _held(self) -> int:
        waiting = sum(each.size for each in self._waiting.values())
        return waiting + sum(self._coming.values())

    def _drop_old(self) -> None:
        for number, each in list(self._waiting.items()):
            if time.monotonic() - each.since > KEPT:
                del self._waiting[number]
                each.path.unlink(missing_ok=True)


def _no_room() -> NotSaved:
    return NotSaved("Home has no room for this file.", hint="Make room on the disk at home.")
