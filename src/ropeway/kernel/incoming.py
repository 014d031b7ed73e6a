"""The bytes of one answer: those that are here, and the rest, which stays at home until pulled."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from contextlib import nullcontext, suppress
from typing import Any
from weakref import WeakSet

from ropeway import wire
from ropeway.errors import QueryFailed, RopewayError
from ropeway.kernel import cache
from ropeway.kernel.answer import Answer
from ropeway.kernel.progress import Progress

AHEAD = 64 * 1024 * 1024
"""Bytes of one answer that are read before anybody wants them."""

SOON = 0.5
"""Seconds after which a query reads no further ahead; the rest of `AHEAD` is here when its cell
ends."""


class Incoming:
    """An answer on its way here. One thread at a time may pull.

    A query that is not wanted any more ends at home: when its reader is interrupted or dropped.
    """

    def __init__(self, answer: Answer, key: str = "") -> None:
        self.road = answer.road
        self.was_kept = False
        """Home said that it is the one that was here already."""
        self.size = 0
        """Bytes that came so far."""
        self.in_file: cache.Kept | None = None
        """All of it, where it was kept in a file."""
        self._pieces: deque[Any] = deque()
        self._held = 0
        self._answer: Answer | None = answer
        self._key = key
        self._file: cache.File | None = cache.File() if key and answer.etag else None
        self._etag = answer.etag
        self._summary: wire.Summary | None = None
        self._failed: dict[str, Any] | None = None
        self._busy = threading.Lock()

    @classmethod
    def kept(cls, answer: Answer, key: str, found: cache.Kept) -> Incoming:
        """The answer that was here already, as home said."""
        made = cls(answer, key)
        made._answer, made._summary, made.was_kept = None, found.summary, True
        made.in_file, made._etag = found, found.etag
        made._add(found.data)
        return made

    def __del__(self) -> None:
        with suppress(Exception):  # at the kernel's end what it needs may be gone
            self.close()

    @property
    def is_whole(self) -> bool:
        """Whether all of it came."""
        return self._summary is not None

    @property
    def pieces(self) -> list[Any]:
        """What came and was not taken."""
        return list(self._pieces)

    def summary(self) -> wire.Summary:
        """What home says of the whole; the rest is read for it and held. Raises `RopewayError`."""
        if self._summary is None:
            with Progress() as progress, self._busy:
                while self._pull(progress):
                    pass
        assert self._summary is not None
        return self._summary

    def read_ahead(self, until: float = float("inf"), progress: Progress | None = None) -> None:
        """Have the first rows here, and up to `AHEAD` bytes of what comes `until` then, by
        `time.monotonic`.

        Raises what went wrong. An answer that another thread pulls is left to it.
        """
        if self.is_whole or not self._busy.acquire(blocking=False):
            return
        try:
            with nullcontext(progress) if progress else Progress() as shown:
                while self._wants_more(until) and self._pull(shown):
                    pass
        finally:
            self._busy.release()
        if not self.is_whole:
            _look_after(self)

    def _wants_more(self, until: float) -> bool:
        return not self.size or (self._held < AHEAD and time.monotonic() < until)

    def take(self, progress: Progress) -> Any:
        """The next bytes, which are let go; None behind the last. Raises `RopewayError`."""
        with self._busy:
            while not self._pieces and self._pull(progress):
                pass
            if not self._pieces:
                return None
            piece = self._pieces.popleft()
            self._held -= len(piece)
            return piece

    def keep_unpacked(self, data: memoryview) -> None:
        """It is whole, and all of it is in a file as batches that can be used as they lie there."""
        self.in_file = cache.put(self._key, self._etag, self.summary(), data)
        self._pieces.clear()

    def close(self) -> None:
        """Take no more; home stops the query if it still runs."""
        answer, self._answer = self._answer, None
        if answer is not None:
            self._drop_file()
            answer.close()

    def _pull(self, progress: Progress) -> bool:
        """Get the next piece from home; False when it is whole. Raises `RopewayError`."""
        if self._summary is not None:
            return False
        if self._answer is None:
            raise _again(self._failed)
        try:
            piece = self._answer.next(lambda: progress(self.size))
            if piece is not None:
                self._add(piece)
                self._write(piece)
                return True
            self._summary = wire.from_json(wire.Summary, self._answer.summary)
        except BaseException as error:
            self._failed = error.to_json() if isinstance(error, RopewayError) else None
            self.close()
            raise
        self._answer = None
        progress.rows = self._summary.rows
        self._written()
        return False

    def _add(self, piece: Any) -> None:
        self._pieces.append(piece)
        self._held += len(piece)
        self.size += len(piece)

    def _write(self, piece: Any) -> None:
        """What grows too large, or finds no room, is not kept."""
        if self._file is not None:
            try:
                self._file.write(piece)
            except OSError:
                self._drop_file()

    def _written(self) -> None:
        """All of it came: it is found again from now on."""
        assert self._summary is not None
        if self._file is not None:
            with suppress(OSError):
                data = self._file.mapped(self.size)
                self.in_file = cache.put(self._key, self._etag, self._summary, data)
                if self._held == self.size:
                    self._pieces = deque([data])  # once is enough
        self._drop_file()

    def _drop_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


_unfinished: WeakSet[Incoming] = WeakSet()


def _look_after(incoming: Incoming) -> None:
    """Have it read ahead when its cell ends: home does not wait for the next one."""
    _unfinished.add(incoming)
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is not None:
        shell.events.register("post_run_cell", _cell_ended)  # once, however often it is said


def _cell_ended(result: object = None) -> None:
    """Read ahead what the cell left. What goes wrong is told to whoever wants the rest."""
    for incoming in list(_unfinished):
        with suppress(RopewayError, KeyboardInterrupt):
            incoming.read_ahead()
    _unfinished.clear()


def _again(failed: dict[str, Any] | None) -> RopewayError:
    """The error for an answer that will never be whole, each time anew."""
    if failed is not None:
        return RopewayError.from_json(failed)
    return QueryFailed(
        "This result was stopped before all of it was here.", hint="Ask again with rw.sql."
    )
