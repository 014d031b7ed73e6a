"""The messages of the runs, in order."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Generator
from pathlib import Path

from ropeway.frames import Part
from ropeway.notebooks.window import FULL
from ropeway.workspace.journal.database import SIZE

DROPPED_AT_ONCE = 2_000

SPILL_BYTES = 64 * 1024
"""A message beyond this lies in the run's own file."""

RUN_BYTES = 2_000_000_000
"""What is kept of what one run prints; what it prints beyond that is shown and not kept."""

SPARE_BYTES = 200_000_000
"""What is kept of its displays, results and errors beyond that, and of how it ended once more."""

_SPARES = {"stream": 0, "execute_reply": 2, "status": 2}

_SHIFT = 28
"""A message's number is its run's id, shifted so far, plus its place in the run: the messages of a
run lie together without an index, and a message costs one page."""


class Messages:
    """The messages in a journal; large ones lie in the folder `folder`, a file a run."""

    def __init__(self, db: sqlite3.Connection, folder: Path) -> None:
        self._db = db
        self._folder = folder
        self._sizes: dict[int, int] = {}
        self._numbers: dict[int, int] = {}
        self._full: set[int] = set()

    def add(self, run: int, kind: str, frame: Part) -> int:
        """Keep a message of a run; its number, or 0 when the run has said more than is kept."""
        if run not in self._sizes:
            self._sizes[run] = self.size(run)
            self._numbers[run] = max(self.last(run), _span(run)[0])
        most = RUN_BYTES + _SPARES.get(kind, 1) * SPARE_BYTES
        if self._sizes[run] + len(frame) > most:
            self._mark_full(run)
            return 0
        self._sizes[run] += len(frame)
        self._numbers[run] += 1
        kept: tuple[Part | None, int | None, int | None] = (frame, None, None)
        if len(frame) > SPILL_BYTES:
            kept = (None, self._spill(run, frame), len(frame))
        self._db.execute(
            "INSERT INTO messages VALUES (?,?,?,?,?)", (self._numbers[run], kind, *kept)
        )
        return self._numbers[run]

    def is_full(self, run: int) -> bool:
        """Whether the run said more, in this process's time, than is kept."""
        return run in self._full

    def of(
        self, run: int, after: int = 0, *, backwards: bool = False
    ) -> Generator[tuple[int, str, bytes], None, None]:
        """What a run said: number, type and frame (`frames.pack_v1`) of each message, in order."""
        above, below = _span(run)
        order = "DESC" if backwards else "ASC"
        rows = self._db.execute(
            "SELECT number, kind, frame, start, length FROM messages"  # noqa: S608 (ours)
            f" WHERE number > ? AND number < ? ORDER BY number {order}",
            (max(after, above), below),
        )
        for number, kind, frame, start, length in rows:
            yield number, kind, self._spilled(run, start, length) if frame is None else frame

    def answered(self, run: int) -> int:
        """The number of the last answer to `input()`: what was asked before it needs none."""
        return self._last(run, "input_reply")

    def unanswered(self, run: int) -> bytes | None:
        """The question of an `input()` that waits for its answer."""
        if self._last(run, "input_request") <= self.answered(run):
            return None
        return self.latest(run, "input_request")

    def latest(self, run: int, kind: str) -> bytes | None:
        """The frame of the last message of a type."""
        number = self._last(run, kind)
        return next(frame for _, _, frame in self.of(run, number - 1)) if number else None

    def last(self, run: int) -> int:
        """The number of the last message of a run; 0 while it said nothing."""
        return self._last(run)

    def size(self, run: int) -> int:
        """Bytes that are kept of a run."""
        found = self._db.execute(
            f"SELECT {SIZE} FROM messages WHERE number > ? AND number < ?",  # noqa: S608 (ours)
            _span(run),
        )
        return int(found.fetchone()[0])

    def drop(self, run: int) -> bool:
        """Drop a part of what a run said; whether there may be more of it."""
        gone = self._db.execute(
            "DELETE FROM messages WHERE number IN"
            " (SELECT number FROM messages WHERE number > ? AND number < ? LIMIT ?)",
            (*_span(run), DROPPED_AT_ONCE),
        )
        if gone.rowcount:
            return True
        self._sizes.pop(run, None)
        self._numbers.pop(run, None)
        self._full.discard(run)
        with contextlib.suppress(FileNotFoundError):
            self._file(run).unlink()
        return False

    def _mark_full(self, run: int) -> None:
        """An empty message tells so whoever reads the run, at its place and once."""
        if run in self._full:
            return
        self._full.add(run)
        if not self._last(run, FULL):
            self._numbers[run] += 1
            self._db.execute(
                "INSERT INTO messages (number, kind, frame) VALUES (?,?,?)",
                (self._numbers[run], FULL, b""),
            )

    def _last(self, run: int, kind: str | None = None) -> int:
        found = self._db.execute(
            "SELECT max(number) FROM messages WHERE number > ?1 AND number < ?2"
            " AND (?3 IS NULL OR kind = ?3)",
            (*_span(run), kind),
        )
        return int(found.fetchone()[0] or 0)

    def _spill(self, run: int, frame: Part) -> int:
        descriptor = os.open(self._file(run), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with open(descriptor, "ab", buffering=0) as file:  # noqa: PTH123 (opened as private)
            start = file.seek(0, os.SEEK_END)
            written = 0
            while written < len(frame):
                written += file.write(memoryview(frame)[written:])
        return start

    def _spilled(self, run: int, start: int, length: int) -> bytes:
        with self._file(run).open("rb") as file:
            file.seek(start)
            return file.read(length)

    def _file(self, run: int) -> Path:
        return self._folder / f"run-{run}.bin"


def _span(run: int) -> tuple[int, int]:
    """The numbers between which those of a run's messages lie."""
    return run << _SHIFT, (run + 1) << _SHIFT
