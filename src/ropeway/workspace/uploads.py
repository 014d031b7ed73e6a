"""Files that a cell asks the person at the page for, on their way to the kernel.

The page sends pieces; each goes on to the kernel before the next one is taken, so that home holds
one of them, however large the file. A headless run has files instead of a person.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from ropeway import wire
from ropeway.errors import BadInput, NotFound, Refused
from ropeway.workspace.talk import Talk

Crossed = Callable[[str, int], Awaitable[None]]
"""Told the name and the size of each file before its first piece goes."""


_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a file from `at` on; the file has `size` of them."""

    name: str
    at: int
    size: int
    data: bytes

    @property
    def is_last(self) -> bool:
        """Whether the file is whole with it."""
        return self.at + len(self.data) == self.size


class Uploads:
    """Those that cells wait for; `followed` says whether a page shows a kernel's notebook."""

    def __init__(self, followed: Callable[[str], bool]) -> None:
        self._followed = followed
        self._open: dict[str, _Upload] = {}
        self.given: deque[Path] | None = None
        """The files of a headless run, one for each time that a cell asks."""

    async def serve(self, number: str, kernel: str, talk: Talk, crossed: Crossed) -> None:
        """Answer a cell with the files that somebody chooses, until there are no more.

        Raises `BadInput` where the kernel's `number` for it is none, or one in use.
        """
        if not _ID.fullmatch(number) or number in self._open:
            raise BadInput("An upload wants a number of its own.")
        upload = _Upload(talk, crossed)
        if self.given is not None:
            await self._send_given(upload)
        elif not self._followed(kernel):
            raise Refused(
                "No page shows this notebook, and choosing files needs one.",
                hint="Open the notebook; without a page: ropeway run --upload FILE",
            )
        else:
            self._open[number] = upload
            try:
                await upload.ended.wait()
            finally:
                del self._open[number]
                upload.gone.set_result(None)
        await talk.say("end", {})

    def check(self, number: str) -> None:
        """Raises `NotFound` where no cell waits for that upload any more."""
        self._found(number)

    async def give(self, number: str, piece: Piece) -> None:
        """Pass a piece on; returns when the kernel has room for the next. Raises `NotFound` once
        the cell waits no more, `BadInput` for a piece out of turn."""
        upload = self._found(number)
        async with upload.turn:
            sending = asyncio.ensure_future(upload.send(piece))
            await asyncio.wait({sending, upload.gone}, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                sending.cancel()
                raise _over()
            await sending

    def end(self, number: str) -> None:
        """Nobody chooses any more. Raises `NotFound`."""
        self._found(number).ended.set()

    def _found(self, number: str) -> _Upload:
        if number not in self._open:
            raise _over()
        return self._open[number]

    async def _send_given(self, upload: _Upload) -> None:
        assert self.given is not None
        if not self.given:
            raise Refused(
                "A cell asks for a file, and none is left of those that were given.",
                hint="Give one for each time that a cell asks: ropeway run --upload FILE",
            )
        path = self.given.popleft()
        at, size = 0, path.stat().st_size
        with path.open("rb") as file:
            while at < size or at == 0:
                data = await asyncio.to_thread(file.read, wire.CHUNK_BYTES)
                await upload.send(Piece(path.name, at, size, data))
                if not (at := at + len(data)):
                    return


class _Upload:
    """What one cell waits for."""

    def __init__(self, talk: Talk, crossed: Crossed) -> None:
        self._talk = talk
        self._crossed = crossed
        self._next = ("", 0, 0)
        self.turn = asyncio.Lock()
        self.ended = asyncio.Event()
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def send(self, piece: Piece) -> None:
        if piece.at and (piece.name, piece.at, piece.size) != self._next:
            raise BadInput("The pieces of a file come one after the other, the next file behind.")
        if not piece.is_last and (not piece.data or piece.at + len(piece.data) > piece.size):
            raise BadInput("The piece does not fit the size of its file.")
        if piece.at == 0:
            await self._crossed(piece.name, piece.size)
        await self._talk.granted()
        about = {"name": piece.name, "at": piece.at, "size": piece.size}
        await self._talk.say("data", about, piece.data)
        after = piece.at + len(piece.data)
        self._next = ("", 0, 0) if piece.is_last else (piece.name, after, piece.size)


def _over() -> NotFound:
    return NotFound("No cell waits for these files any more.", hint="Run the cell again.")
