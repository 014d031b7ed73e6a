"""The history of a workspace's notebooks: every version of each, in one file beside its state.

A version is a list of chunks (`notebooks.chunks`), of which each is stored once, compressed. One
SQLite transaction keeps a version, so a process that is killed at any moment leaves a whole store.
"""

from __future__ import annotations

import os
import sqlite3
import time
import zlib
from array import array
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path

from ropeway.errors import NotFound, NotKept
from ropeway.notebooks import changes, chunks, thinning
from ropeway.wire import Version

FORMAT = 1
BUSY_SECONDS = 30.0
THIN_SECONDS = 600.0
"""How often, at most, old versions are looked for."""

ROW_BYTES = 100
"""About what a row costs beside what it holds."""

FILL = 0.9
"""The share of the room that is still taken when some had to be made."""

_SCHEMA = """
CREATE TABLE chunk (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, body BLOB NOT NULL);
CREATE TABLE version (
  id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL, time REAL NOT NULL, why TEXT NOT NULL,
  size INTEGER NOT NULL, cells INTEGER NOT NULL, outputs INTEGER NOT NULL, changed TEXT NOT NULL,
  rich INTEGER NOT NULL DEFAULT 0, digest BLOB NOT NULL, chunks BLOB NOT NULL
);
CREATE INDEX version_path ON version (path, id);
"""
_COLUMNS = "id, path, time, why, size, cells, outputs, changed"


class History:
    """The kept versions in `folder`, which is private.

    Any process may use it at any time. `path` is a notebook's path below the workspace's folder,
    with slashes. Every call raises `NotKept` when the store cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        *,
        days: float,
        megabytes: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder
        self._file = folder / "history.db"
        self._days = days
        self._most = megabytes * 1e6
        self._clock = clock
        self._thinned = -THIN_SECONDS

    def keep(self, path: str, body: bytes, why: str) -> Version:
        """Keep a document as the newest version of a notebook; the newest itself if it is that."""
        with self._writing() as db:
            digest = _digest(body)
            row = db.execute(
                "SELECT id, digest FROM version WHERE path = ? ORDER BY id DESC LIMIT 1", (path,)
            ).fetchone()
            if row and row[1] == digest:
                return self._version(db, row[0])
            new = changes.parse(body)
            old = _document(db, row[0]) if row else None
            if old and changes.is_poorer(old, new):
                db.execute("UPDATE version SET rich = 1 WHERE id = ?", (row[0],))
            values = (path, self._clock(), why, new.size, len(new.cells), new.outputs)
            number = db.execute(
                "INSERT INTO version (path, time, why, size, cells, outputs, changed, digest,"
                " chunks) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*values, changes.summary(old, new), digest, _store(db, body)),
            ).lastrowid
            kept = self._version(db, number or 0)
        self._make_room()
        return kept

    def versions(self, path: str) -> list[Version]:
        """The versions of a notebook, the newest first."""
        with self._reading() as db:
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM version WHERE path = ? ORDER BY id DESC",  # noqa: S608
                (path,),
            )
            return [_told(row) for row in rows]

    def notebooks(self) -> list[Version]:
        """The newest version of each notebook, by path, deleted ones as well."""
        with self._reading() as db:
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM version WHERE id IN"  # noqa: S608
                " (SELECT max(id) FROM version GROUP BY path) ORDER BY path"
            )
            return [_told(row) for row in rows]

    def version(self, number: int) -> Version:
        """One version. Raises `NotFound`."""
        with self._reading() as db:
            return self._version(db, number)

    def body(self, number: int) -> bytes:
        """The document of a version, byte for byte. Raises `NotFound`."""
        with self._reading() as db:
            self._version(db, number)
            return _body(db, number)

    def rename(self, old: str, new: str) -> None:
        """What was kept of a notebook, or of all in a folder, goes on under another path."""
        with self._writing() as db:
            db.execute(
                "UPDATE version SET path = ?2 || substr(path, length(?1) + 1)"
                " WHERE path = ?1 OR substr(path, 1, length(?1) + 1) = ?1 || '/'",
                (old, new),
            )

    def thin(self) -> None:
        """Let go of versions whose time is over, and of more where they take too much room."""
        with self._writing() as db:
            rows = _kept(db)
            gone = thinning.outlived(rows, self._clock(), self._days)
            if _taken(db) > self._most:
                left = [row for row in rows if row.id not in gone]
                gone |= set(thinning.too_much(left, _sizes(db), self._most * FILL))
            _delete(db, gone)
        with self._reading() as db:
            db.executescript("PRAGMA incremental_vacuum")  # a step a page: execute takes one

    def _make_room(self) -> None:
        with self._reading() as db:
            full = _taken(db) > self._most
        now = time.monotonic()
        if full or now - self._thinned > THIN_SECONDS:
            self._thinned = now
            self.thin()

    def _version(self, db: sqlite3.Connection, number: int) -> Version:
        row = db.execute(
            f"SELECT {_COLUMNS} FROM version WHERE id = ?",  # noqa: S608
            (number,),
        ).fetchone()
        if row is None:
            raise NotFound(
                f"There is no version {number} in the history.",
                hint="`ropeway history NOTEBOOK` lists the versions; old ones are let go of.",
            )
        return _told(row)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(self._connect()) as db:
                yield db
        except (sqlite3.Error, zlib.error, OSError) as error:
            raise NotKept(
                f"The history in {self._file} cannot be used: {error}.",
                hint="See whether the disk is full; if the file is damaged, move it away.",
            ) from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as db:
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")

    def _connect(self) -> sqlite3.Connection:
        os.close(os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite would let others read
        db = sqlite3.connect(self._file, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            found = _format(db)
            if found == 0:
                _create(db)
            elif found != FORMAT:
                raise NotKept(
                    f"The history in {self._file} was written by another version of Ropeway.",
                    hint="Use that version, or move the file away to begin anew.",
                )
            db.execute("PRAGMA synchronous = FULL")
        except BaseException:
            db.close()
            raise
        return db


def _format(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _create(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    db.execute("PRAGMA journal_mode = WAL").fetchall()
    db.execute("BEGIN IMMEDIATE")
    if _format(db) == 0:  # nobody else was faster
        for statement in _SCHEMA.split(";"):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {FORMAT}")
    db.execute("COMMIT")


def _told(row: tuple[object, ...]) -> Version:
    number, path, seconds, why, size, cells, outputs, changed = row
    when = datetime.fromtimestamp(float(str(seconds)), UTC).isoformat(timespec="milliseconds")
    counts = (int(str(size)), int(str(cells)), int(str(outputs)))
    return Version(int(str(number)), str(path), when, str(why), *counts, str(changed))


# --- chunks in the store ----------------------------------------------------------------------


def _digest(body: bytes) -> bytes:
    return blake2b(body, digest_size=16).digest()


def _store(db: sqlite3.Connection, body: bytes) -> bytes:
    """Store what is new of a document; the list of its chunks, packed."""
    numbers = array("I")
    for piece in chunks.cut(body):
        digest = _digest(piece)
        row = db.execute("SELECT id FROM chunk WHERE digest = ?", (digest,)).fetchone()
        if row is None:
            made = db.execute(
                "INSERT INTO chunk (digest, body) VALUES (?, ?)", (digest, zlib.compress(piece))
            )
            row = (made.lastrowid,)
        numbers.append(row[0])
    return zlib.compress(numbers.tobytes())


def _unpacked(packed: bytes) -> array[int]:
    numbers = array("I")
    numbers.frombytes(zlib.decompress(packed))
    return numbers


def _body(db: sqlite3.Connection, number: int) -> bytes:
    packed, digest = db.execute(
        "SELECT chunks, digest FROM version WHERE id = ?", (number,)
    ).fetchone()
    parts = []
    for chunk in _unpacked(packed):
        row = db.execute("SELECT body FROM chunk WHERE id = ?", (chunk,)).fetchone()
        parts.append(zlib.decompress(row[0]) if row else b"")
    body = b"".join(parts)
    if _digest(body) != digest:
        raise sqlite3.DatabaseError(f"version {number} is damaged")
    return body


def _document(db: sqlite3.Connection, number: int) -> changes.Document | None:
    """A version to compare with; None when it is damaged, which must not stop the next one."""
    try:
        return changes.parse(_body(db, number))
    except (sqlite3.DatabaseError, zlib.error):
        return None


# --- letting go -------------------------------------------------------------------------------


def _kept(db: sqlite3.Connection) -> list[thinning.Kept]:
    rows = db.execute("SELECT id, path, time, rich, chunks FROM version ORDER BY id")
    return [
        # The row itself counts as a chunk of its own, with a number that no chunk has.
        thinning.Kept(number, path, at, bool(rich), frozenset((*_unpacked(packed), -number)))
        for number, path, at, rich, packed in rows
    ]


def _sizes(db: sqlite3.Connection) -> dict[int, int]:
    """The bytes of each chunk, and under its negative number of each version's row."""
    found = dict(db.execute("SELECT id, length(body) + ? FROM chunk", (ROW_BYTES,)))
    rows = db.execute("SELECT -id, length(chunks) + 2 * ? FROM version", (ROW_BYTES,))
    return found | dict(rows)


def _taken(db: sqlite3.Connection) -> int:
    """The bytes of the file that are in use."""
    pages, free, size = (
        int(db.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def _delete(db: sqlite3.Connection, gone: set[int]) -> None:
    if not gone:
        return
    db.executemany("DELETE FROM version WHERE id = ?", [(number,) for number in gone])
    used = {chunk for version in _kept(db) for chunk in version.chunks}
    stored = {number for (number,) in db.execute("SELECT id FROM chunk")}
    db.executemany("DELETE FROM chunk WHERE id = ?", [(number,) for number in stored - used])
