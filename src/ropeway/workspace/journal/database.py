"""The journal's file: what it holds, and how it is opened and brought to the disk."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

LOG_BYTES = 32_000_000
"""SQLite's log begins anew beyond this, for which a writer waits some milliseconds."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
  id INTEGER PRIMARY KEY, kernel TEXT NOT NULL, request TEXT NOT NULL UNIQUE, path TEXT NOT NULL,
  cell TEXT NOT NULL, began REAL NOT NULL, ended REAL, count INTEGER,
  settled INTEGER NOT NULL DEFAULT 0, followed INTEGER NOT NULL DEFAULT 0,
  late REAL, cleared INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS runs_of_path ON runs (path, settled);
CREATE INDEX IF NOT EXISTS runs_of_cell ON runs (path, cell);
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

SIZE = "coalesce(sum(coalesce(length, length(frame))), 0)"
"""Bytes of messages."""


def opened(path: Path) -> sqlite3.Connection:
    """The database at `path`, for its owner alone; made where there is none.

    Each statement is a transaction: what was told is on disk before it is shown.
    """
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # SQLite's other files follow it
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute("PRAGMA wal_autocheckpoint=0")  # it waits for the disk: see `checkpoint`
    db.executescript(_SCHEMA)
    return db


def reading(path: Path) -> sqlite3.Connection:
    """The database at `path`, to be looked at and not to be changed; from any one thread."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA query_only=ON")
    return db


def checkpoint(path: Path) -> None:
    """Bring what was written into the file itself; waits for the disk."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(PASSIVE)")
        if path.with_name(f"{path.name}-wal").stat().st_size > LOG_BYTES:
            # Behind a kernel that never pauses the log would grow for ever.
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def total(path: Path) -> int:
    """Bytes of all messages; reads all of them."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        return int(db.execute(f"SELECT {SIZE} FROM messages").fetchone()[0])  # noqa: S608 (ours)
