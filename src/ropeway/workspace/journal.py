"""The journal: what kernels said for each cell, on disk before it is shown.

One private SQLite file for each workspace, in WAL mode: whatever kills the process, what was
written is there. Messages of more than 64 kB lie beside it in a file of their run. Bounded: what
the notebooks hold already is dropped after some days, or earlier when there is too much.

A *run* is one execution of one cell. It is *settled* once the notebook's file holds its outputs, or
once its user wants other ones there.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ropeway import config
from ropeway.frames import Part

log = logging.getLogger(__name__)

CHECKPOINT_SECONDS = 2.0
PRUNE_SECONDS = 600.0

LOG_BYTES = 32_000_000
"""SQLite's log begins anew beyond this, for which a writer waits some milliseconds."""

DROPPED_AT_ONCE = 2_000

SPILL_BYTES = 64 * 1024
"""A message beyond this lies in the run's own file."""

RUN_BYTES = 2_000_000_000
"""What is kept of one run; what it says beyond that is shown and not kept."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
  id INTEGER PRIMARY KEY, kernel TEXT NOT NULL, request TEXT NOT NULL UNIQUE, path TEXT NOT NULL,
  cell TEXT NOT NULL, began REAL NOT NULL, ended REAL, count INTEGER,
  settled INTEGER NOT NULL DEFAULT 0, followed INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS runs_of_path ON runs (path, settled);
CREATE INDEX IF NOT EXISTS runs_of_kernel ON runs (kernel, ended);
CREATE TABLE IF NOT EXISTS messages (
  number INTEGER PRIMARY KEY, kind TEXT NOT NULL, frame BLOB, start INTEGER, length INTEGER);
CREATE TABLE IF NOT EXISTS displays (
  kernel TEXT NOT NULL, display TEXT NOT NULL, run INTEGER NOT NULL,
  PRIMARY KEY (kernel, display, run)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kernels (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, runtime TEXT NOT NULL, remote_id TEXT NOT NULL,
  link TEXT NOT NULL, number INTEGER NOT NULL DEFAULT 0, info TEXT NOT NULL DEFAULT '{}');
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of one cell: `request` is the id of its message, times are seconds since 1970.

    `followed`: whether a page heard its end.
    """

    id: int
    kernel: str
    request: str
    path: str
    cell: str
    began: float
    ended: float | None
    count: int | None
    settled: bool
    followed: bool


@dataclass(frozen=True, slots=True)
class KernelRow:
    """A kernel that outlives this process: where it runs, how far its messages are kept, and what
    it said of itself."""

    id: str
    name: str
    runtime: str
    remote_id: str
    link: str
    number: int = 0
    info: dict[str, Any] = field(default_factory=dict)


_SHIFT = 28
"""A message's number is its run's id, shifted so far, plus its place in the run: the messages of a
run lie together without an index, and a message costs one page."""

_RUN = "id, kernel, request, path, cell, began, ended, count, settled, followed"
_KERNEL = "id, name, runtime, remote_id, link, number, info"


class Journal:
    """The journal in the folder `folder`. One process writes it; `close` it."""

    def __init__(self, folder: Path) -> None:
        self._folder = config.private_dir(folder)
        path = self._folder / "journal.sqlite"
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # SQLite's other files follow it
        # Each statement is a transaction: what was told is on disk before it is shown.
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("PRAGMA wal_autocheckpoint=0")  # it waits for the disk: see `checkpoint`
        self._db.executescript(_SCHEMA)
        self._path = path
        self._sizes: dict[int, int] = {}
        self._numbers: dict[int, int] = {}

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def checkpoint(self) -> None:
        """Bring what was written into the file itself; waits for the disk, so in a thread."""
        with contextlib.closing(sqlite3.connect(self._path)) as db:
            db.execute("PRAGMA wal_checkpoint(PASSIVE)")
            if self._path.with_name(f"{self._path.name}-wal").stat().st_size > LOG_BYTES:
                # Behind a kernel that never pauses the log would grow for ever.
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    # --- runs -----------------------------------------------------------------------------------

    def begin(self, kernel: str, request: str, path: str, cell: str) -> int | None:
        """A cell is to be run; returns the run's id, or None when it is known already.

        What the cell showed before is of no interest any more.
        """
        made = self._db.execute(
            "INSERT OR IGNORE INTO runs (kernel, request, path, cell, began) VALUES (?,?,?,?,?)",
            (kernel, request, path, cell, time.time()),
        )
        if not made.rowcount:
            return None
        self._db.execute(
            "UPDATE runs SET settled = 1 WHERE path = ? AND cell = ? AND id < ? AND NOT settled",
            (path, cell, made.lastrowid),
        )
        return made.lastrowid

    def end(self, run: int, *, followed: bool = False) -> None:
        """The run is over; `followed`: a page heard so."""
        self._db.execute(
            "UPDATE runs SET ended = ?, followed = ? WHERE id = ? AND ended IS NULL",
            (time.time(), followed, run),
        )

    def end_all(self, kernel: str, *, followed: bool = False) -> None:
        """The kernel ended: so did its runs."""
        for run in self.running(kernel):
            self.end(run.id, followed=followed)

    def heard(self, requests: Sequence[str]) -> None:
        """A page showed these runs to their end."""
        self._db.executemany(
            "UPDATE runs SET followed = 1 WHERE request = ? AND ended IS NOT NULL",
            [(request,) for request in requests],
        )

    def count(self, run: int, count: int | None) -> None:
        """The number in the cell's brackets."""
        self._db.execute("UPDATE runs SET count = ? WHERE id = ?", (count, run))

    def settle(self, run: int, *, settled: bool = True) -> None:
        """Whether the notebook's file holds what the run says."""
        self._db.execute("UPDATE runs SET settled = ? WHERE id = ?", (settled, run))

    def run(self, request: str) -> Run | None:
        """The run of a request."""
        return next(self._select("request = ?", request), None)

    def running(self, kernel: str) -> list[Run]:
        """The runs of a kernel that have not ended, in order."""
        return list(self._select("kernel = ? AND ended IS NULL", kernel))

    def unsettled(self, path: str, since: float = math.inf) -> list[Run]:
        """What a notebook's file may lack: the last run of each cell, unless that is settled.

        What has ended after `since` is among them even so: a page may lack it.
        """
        last = {run.cell: run for run in self._select("path = ?", path)}
        return [run for run in last.values() if not run.settled or (run.ended or 0) > since]

    def unsettled_paths(self) -> list[str]:
        """The notebooks whose files may lack something."""
        rows = self._db.execute("SELECT DISTINCT path FROM runs WHERE NOT settled")
        return [path for (path,) in rows]

    def settle_all(self, path: str) -> None:
        """A notebook, or a folder of notebooks, is no more."""
        self._db.execute(
            "UPDATE runs SET settled = 1 WHERE path = ? OR substr(path, 1, ?) = ?",
            (path, len(path) + 1, f"{path}/"),
        )

    def rename(self, old: str, new: str) -> None:
        """A notebook, or a folder of notebooks, has another name now."""
        self._db.execute("UPDATE runs SET path = ? WHERE path = ?", (new, old))
        self._db.execute(
            "UPDATE runs SET path = ? || substr(path, ?) WHERE substr(path, 1, ?) = ?",
            (new, len(old) + 1, len(old) + 1, f"{old}/"),
        )

    def _select(self, where: str, *values: object, order: str = "id") -> Iterator[Run]:
        statement = f"SELECT {_RUN} FROM runs WHERE {where} ORDER BY {order}"  # noqa: S608 (ours)
        rows = self._db.execute(statement, values)
        for row in rows.fetchall():
            found: dict[str, Any] = dict(zip(_RUN.split(", "), row, strict=True))
            yield Run(**found | {key: bool(found[key]) for key in ("settled", "followed")})

    # --- messages -------------------------------------------------------------------------------

    def add(
        self, run: int, kind: str, frame: Part, received: tuple[str, int] | None = None
    ) -> bool:
        """Keep a message of a run; False when the run has said more than is kept.

        With `received`, a kernel and the runtime's number of the message, both are kept or neither:
        what the runtime sends once more after a kill is known by its number.
        """
        if run not in self._sizes:
            self._sizes[run] = self._size(run)
            self._numbers[run] = max(self.last(run), _span(run)[0])
        if self._sizes[run] + len(frame) > RUN_BYTES:
            return False
        self._sizes[run] += len(frame)
        self._numbers[run] += 1
        kept: tuple[Part | None, int | None, int | None] = (frame, None, None)
        if len(frame) > SPILL_BYTES:
            kept = (None, self._spill(run, frame), len(frame))
        with self._transaction():
            self._db.execute(
                "INSERT INTO messages VALUES (?,?,?,?,?)", (self._numbers[run], kind, *kept)
            )
            if received is not None:
                self.received(*received)
        return True

    def messages(self, run: int, after: int = 0) -> Iterator[tuple[int, str, bytes]]:
        """What a run said: number, type and frame (`frames.pack_v1`) of each message, in order."""
        above, below = _span(run)
        rows = self._db.execute(
            "SELECT number, kind, frame, start, length FROM messages"
            " WHERE number > ? AND number < ? ORDER BY number",
            (max(after, above), below),
        )
        for number, kind, frame, start, length in rows:
            yield number, kind, self._spilled(run, start, length) if frame is None else frame

    def answered(self, run: int) -> int:
        """The number of the last answer to `input()`: what was asked before it needs none."""
        return self._last(run, "input_reply")

    def last(self, run: int) -> int:
        """The number of the last message of a run; 0 while it said nothing."""
        return self._last(run)

    def _last(self, run: int, kind: str | None = None) -> int:
        found = self._db.execute(
            "SELECT max(number) FROM messages WHERE number > ?1 AND number < ?2"
            " AND (?3 IS NULL OR kind = ?3)",
            (*_span(run), kind),
        )
        return int(found.fetchone()[0] or 0)

    def displayed(self, kernel: str, display: str, run: int) -> None:
        """A run showed something under a display id."""
        self._db.execute("INSERT OR IGNORE INTO displays VALUES (?,?,?)", (kernel, display, run))

    def displaying(self, kernel: str, display: str) -> list[int]:
        """The runs that showed something under a display id."""
        rows = self._db.execute(
            "SELECT run FROM displays WHERE kernel = ? AND display = ?", (kernel, display)
        )
        return [run for (run,) in rows]

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of it or nothing."""
        self._db.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

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

    # --- kernels --------------------------------------------------------------------------------

    def keep_kernel(self, kernel: KernelRow) -> None:
        """Remember where a kernel runs."""
        self._db.execute(
            "INSERT OR REPLACE INTO kernels (id, name, runtime, remote_id, link, number)"
            " VALUES (?,?,?,?,?,?)",
            (kernel.id, kernel.name, kernel.runtime, kernel.remote_id, kernel.link, kernel.number),
        )

    def informed(self, kernel: str, info: dict[str, Any]) -> None:
        """What a kernel said of itself (`kernel_info_reply`)."""
        self._db.execute("UPDATE kernels SET info = ? WHERE id = ?", (json.dumps(info), kernel))

    def received(self, kernel: str, number: int) -> None:
        """Everything up to that number is kept here."""
        self._db.execute("UPDATE kernels SET number = ? WHERE id = ?", (number, kernel))

    def forget_kernel(self, kernel: str) -> None:
        """The kernel has ended."""
        self._db.execute("DELETE FROM kernels WHERE id = ?", (kernel,))

    def kernels(self) -> list[KernelRow]:
        """The kernels that ran when this was written last."""
        rows = self._db.execute(f"SELECT {_KERNEL} FROM kernels ORDER BY id")  # noqa: S608 (ours)
        found: list[dict[str, Any]] = [
            dict(zip(_KERNEL.split(", "), row, strict=True)) for row in rows.fetchall()
        ]
        return [KernelRow(**{**row, "info": json.loads(row["info"])}) for row in found]

    def kernels_with_runs(self) -> set[str]:
        """The kernels with runs that have not ended."""
        rows = self._db.execute("SELECT DISTINCT kernel FROM runs WHERE ended IS NULL")
        return {kernel for (kernel,) in rows}

    # --- bounds ---------------------------------------------------------------------------------

    def total(self) -> int:
        """Bytes that are kept; reads everything, so in a thread."""
        with contextlib.closing(sqlite3.connect(self._path)) as db:
            return _size(db, 0, 1 << 62)

    def stale(self, days: float, most_bytes: int, total: int) -> Iterator[int]:
        """The runs to be dropped: what is settled and older than so many `days`, and, where `total`
        is beyond `most_bytes`, the oldest. What no notebook holds yet goes last, what runs never.
        """
        old = time.time() - days * 86400
        aged = [run.id for run in self._select("settled AND ended < ?", old)]
        for run in aged:
            total -= self._size(run)
            yield run
        for found in self._select("ended IS NOT NULL", order="settled DESC, id"):
            if total <= most_bytes:
                return
            if found.id not in aged:
                total -= self._size(found.id)
                yield found.id

    def drop(self, run: int) -> bool:
        """Drop a part of a run; whether there is more of it."""
        gone = self._db.execute(
            "DELETE FROM messages WHERE number IN"
            " (SELECT number FROM messages WHERE number > ? AND number < ? LIMIT ?)",
            (*_span(run), DROPPED_AT_ONCE),
        )
        if gone.rowcount:
            return True
        self._db.execute("DELETE FROM displays WHERE run = ?", (run,))
        self._db.execute("DELETE FROM runs WHERE id = ?", (run,))
        self._sizes.pop(run, None)
        self._numbers.pop(run, None)
        with contextlib.suppress(FileNotFoundError):
            self._file(run).unlink()
        return False

    def _size(self, run: int) -> int:
        return _size(self._db, *_span(run))


def _span(run: int) -> tuple[int, int]:
    """The numbers between which those of a run's messages lie."""
    return run << _SHIFT, (run + 1) << _SHIFT


def _size(db: sqlite3.Connection, above: int, below: int) -> int:
    """Bytes of the messages whose numbers lie between."""
    found = db.execute(
        "SELECT coalesce(sum(coalesce(length, length(frame))), 0) FROM messages"
        " WHERE number > ? AND number < ?",
        (above, below),
    )
    return int(found.fetchone()[0])


async def prune(journal: Journal, days: float, most_bytes: int) -> None:
    """Drop what is stale (`Journal.stale`), in small portions."""
    total = await asyncio.to_thread(journal.total)
    for run in list(journal.stale(days, most_bytes, total)):
        more = True
        while more:
            more = journal.drop(run)
            await asyncio.sleep(0)


async def tend(journal: Journal, days: float, most_bytes: int) -> None:
    """Keep a journal small and its log short, until cancelled."""
    due = 0.0
    while True:
        try:
            await asyncio.to_thread(journal.checkpoint)
            if time.monotonic() >= due:
                await prune(journal, days, most_bytes)
                due = time.monotonic() + PRUNE_SECONDS
        except (sqlite3.Error, OSError) as error:
            log.error("the journal cannot be tended: %s", error)
        await asyncio.sleep(CHECKPOINT_SECONDS)
