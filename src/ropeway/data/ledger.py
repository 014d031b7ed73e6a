"""The ledger: what crossed, for whom and why, one JSON line after the other, never changed.

Each record holds the hash of the one before, so that none can be edited, removed, inserted or
moved without breaking the chain. `append` returns once the record is on the disk. A file of some
size is followed by the next, which begins with an anchor; `head.json` beside them says how far the
ledger had come, so that a cut-off end is found too.

Whoever may write these files can also write a whole new chain. Against that helps only a hash kept
elsewhere: `verify(expect=…)`.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import threading
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ropeway import config, wire
from ropeway.errors import LedgerDamaged
from ropeway.wire import LedgerEntry, LedgerRecord

FILE_BYTES = 32_000_000
"""A file that has grown beyond this is followed by the next."""

FIRST = "0" * 64
"""What stands before the first record."""

_HEAD = "head.json"


def entry_of(asker: wire.Query | wire.Put | wire.Asker, what: str, state: str) -> LedgerEntry:
    """An entry of what a kernel asks, under an id of its own."""
    return LedgerEntry(
        what,
        state,
        id=uuid.uuid4().hex,
        user=getpass.getuser(),
        notebook=asker.notebook,
        cell=asker.cell,
        runtime=asker.runtime,
        runtime_class=asker.runtime_class,
        kernel=asker.kernel,
        road=asker.road,
    )


def folder_of(start: Path) -> Path:
    """Where the ledger of the project lies that the folder `start` belongs to."""
    project = config.find_project(start)
    return config.workspace_state_dir(project.parent if project else start) / "ledger"


class Ledger:
    """The ledger in `folder`, for writing; several processes and threads may."""

    def __init__(self, folder: Path, *, file_bytes: int = FILE_BYTES) -> None:
        self._folder = config.private_dir(folder)
        self._file_bytes = file_bytes
        self._turn = threading.Lock()
        self._last: _Last | None = None
        self._disk = threading.Condition()
        self._written = self._kept = 0
        self._keeping = False

    def append(self, entry: LedgerEntry) -> LedgerRecord:
        """Write an entry; returns once it is on the disk.

        Raises `LedgerDamaged` or `OSError`; then the entry does not count.
        """
        with self._turn, config.one_writer(self._folder):
            last = self._caught_up()
            if last.size > self._file_bytes:
                last = self._next_file(last)
            record = self._write(last, entry)
            self._written += 1
            mine = self._written
        self._keep(mine)
        return record

    def _caught_up(self) -> _Last:
        """The end of the ledger now: another process may have written."""
        files = _files(self._folder)
        if not files:
            path = self._folder / _name(1)
            _create(path)
            return _Last(path, 0, 0, FIRST)
        known = self._last
        if known is not None and known.path == files[-1] and known.size == _size(files[-1]):
            return known
        return self._mended(files)

    def _mended(self, files: list[Path]) -> _Last:
        """The end of the ledger, read anew. A line that power cut off was never acknowledged: it
        is taken away, and a record says so."""
        last, torn = _end(files)
        if torn:
            os.truncate(last.path, last.size)
            reason = f"{torn} bytes of an unfinished record were dropped"
            self._write(last, LedgerEntry("mended", "done", reason=reason))
            assert self._last is not None
            return self._last
        return last

    def _next_file(self, last: _Last) -> _Last:
        config.sync(last.path)  # what stands in it may still be on its way
        path = self._folder / _name(int(last.path.stem) + 1)
        _create(path)
        begun = _Last(path, 0, last.number, last.hash)
        reason = f"{last.path.name} ends with number {last.number}, {last.hash}"
        self._write(begun, LedgerEntry("anchor", "done", reason=reason))
        assert self._last is not None
        return self._last

    def _write(self, last: _Last, entry: LedgerEntry) -> LedgerRecord:
        record = _record(last, entry)
        line = _line(record)
        try:
            with last.path.open("ab") as file:
                file.write(line)
        except OSError:
            with suppress(OSError):
                os.truncate(last.path, last.size)  # a full disk takes half a line
            self._last = None
            raise
        self._last = _Last(last.path, last.size + len(line), record.number, record.hash)
        return record

    def _keep(self, mine: int) -> None:
        """Wait until the disk has that record. One thread asks the disk for all that wait."""
        with self._disk:
            while self._kept < mine and self._keeping:
                self._disk.wait()
            if self._kept >= mine:
                return
            self._keeping = True
        upto = 0
        try:
            with self._turn:
                written, last = self._written, self._last
            assert last is not None
            config.sync(last.path)
            upto = written
            # Not before: it must never be ahead of what the disk has.
            told = json.dumps({"number": last.number, "hash": last.hash})
            config.write_private(self._folder / _HEAD, told, durable=False)
        finally:
            with self._disk:
                self._kept = max(self._kept, upto)
                self._keeping = False
                self._disk.notify_all()


@dataclass(frozen=True, slots=True)
class _Last:
    """Where the ledger ends."""

    path: Path
    size: int
    number: int
    hash: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong: in which file and line (from 1), and what."""

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.what}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found: how many records, the last hash, and what is wrong with them."""

    records: int
    hash: str
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    """What is worth knowing and no damage."""


def read(folder: Path, since: str = "") -> Iterator[LedgerRecord]:
    """The records, oldest first; from `since` on, an ISO 8601 time in UTC or its beginning.

    Raises `LedgerDamaged` at a line that is none.
    """
    files = _files(folder)
    while len(files) > 1 and _begins(files[1]) < since:
        del files[0]
    for path in files:
        for line, text in _raw(path):
            record = _parsed(text)
            if record is None and text.endswith(b"\n"):
                raise LedgerDamaged(
                    f"The ledger is damaged: {path.name}, line {line} is no record.",
                    hint="See what else is wrong: ropeway ledger verify.",
                )
            if record is not None and record.time >= since:
                yield record


def crossings(records: Iterable[LedgerRecord]) -> Iterator[LedgerRecord]:
    """One record for each thing that was asked: how it ended, where it did; what never ended
    comes last, in the state `unfinished`."""
    open_ones: dict[str, LedgerRecord] = {}
    for record in records:
        if record.entry.state == "began":
            open_ones[record.entry.id] = record
        else:
            open_ones.pop(record.entry.id, None)
            yield record
    for record in open_ones.values():
        yield replace(record, entry=replace(record.entry, state="unfinished"))


def verify(folder: Path, expect: str = "") -> Verdict:
    """Look at every record. `expect` is a hash noted elsewhere, which must be among them."""
    findings: list[Finding] = []
    notes: list[str] = []
    number, before, count = 0, FIRST, 0
    seen = not expect
    head = _head(folder)
    for file, line, text in _all(folder):
        record = _parsed(text)
        if record is None:
            if text.endswith(b"\n") or head.get("number", 0) > number:
                findings.append(Finding(file, line, "is no record"))
            else:
                notes.append(f"{file} ends with an unfinished record, which never counted")
            continue
        if count == 0 and record.number > 1 and record.entry.what == "anchor":
            notes.append(f"begins with number {record.number}: what was before is kept elsewhere")
            number, before = record.number - 1, record.before
        findings += [Finding(file, line, what) for what in _wrong(record, text, number, before)]
        number, before, count = record.number, record.hash, count + 1
        seen = seen or record.hash == expect
        if record.number == head.get("number") and record.hash != head.get("hash"):
            findings.append(Finding(file, line, "is not the record that was written"))
    if head.get("number", 0) > number:
        what = f"the records from {number + 1} to {head['number']} are missing"
        findings.append(Finding(_HEAD, 1, what))
    if not seen:
        findings.append(Finding("ledger", count, f"there is no record with the hash {expect}"))
    return Verdict(count, before, tuple(findings), tuple(notes))


def _wrong(record: LedgerRecord, text: bytes, number: int, before: str) -> list[str]:
    found = []
    if record.number != number + 1:
        found.append(f"has number {record.number}, but {number + 1} should follow")
    if record.before != before:
        found.append("does not follow the record before it")
    if _line(record) != text or _hash(record) != record.hash:
        found.append("was changed")
    return found


def _record(last: _Last, entry: LedgerEntry) -> LedgerRecord:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    record = LedgerRecord(last.number + 1, now, last.hash, entry, "")
    return LedgerRecord(record.number, now, last.hash, entry, _hash(record))


def _hash(record: LedgerRecord) -> str:
    return hashlib.sha256(_canonical({**_plain(record), "hash": ""})).hexdigest()


def _line(record: LedgerRecord) -> bytes:
    return _canonical(_plain(record)) + b"\n"


def _plain(record: LedgerRecord) -> dict[str, Any]:
    """The record as one flat object, without what is empty."""
    body = asdict(record)
    entry = {name: value for name, value in body.pop("entry").items() if value}
    return {**body, **entry}


def _canonical(body: dict[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode("ascii")


def _parsed(text: bytes) -> LedgerRecord | None:
    """The record of a line; None when it is none."""
    if not text.endswith(b"\n"):
        return None
    try:
        body = json.loads(text)
        entry = wire.from_json(LedgerEntry, body)
        return LedgerRecord(body["number"], body["time"], body["before"], entry, body["hash"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _begins(path: Path) -> str:
    """The time of a file's first record; that of an empty one is never over."""
    with path.open("rb") as file:
        record = _parsed(file.readline())
    return record.time if record is not None else "~"


def _all(folder: Path) -> Iterator[tuple[str, int, bytes]]:
    for path in _files(folder):
        for line, text in _raw(path):
            yield path.name, line, text


def _raw(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        yield from enumerate(file, 1)


def _end(files: list[Path]) -> tuple[_Last, int]:
    """The last record, and how many bytes stand behind it. Raises `LedgerDamaged`."""
    for path in reversed(files):
        size = _size(path)
        whole = _whole(path, size)
        if whole:
            text = _last_line(path, whole)
            record = _parsed(text)
            if record is None:
                raise LedgerDamaged(
                    f"The ledger cannot go on: the last line of {path.name} is no record.",
                    hint="See what is wrong: ropeway ledger verify.",
                )
            if path != files[-1]:  # the file after it was begun, and power cut its anchor off
                break
            return _Last(path, whole, record.number, record.hash), size - whole
    else:
        return _Last(files[-1], 0, 0, FIRST), _size(files[-1])
    return _Last(files[-1], 0, record.number, record.hash), _size(files[-1])


def _whole(path: Path, size: int) -> int:
    """The bytes up to the end of the last whole line."""
    with path.open("rb") as file:
        place = size
        while place > 0:
            begin = max(0, place - 65536)
            file.seek(begin)
            found = file.read(place - begin).rfind(b"\n")
            if found >= 0:
                return begin + found + 1
            place = begin
    return 0


def _last_line(path: Path, whole: int) -> bytes:
    begin = _whole(path, whole - 1)
    with path.open("rb") as file:
        file.seek(begin)
        return file.read(whole - begin)


def _head(folder: Path) -> dict[str, Any]:
    try:
        told = json.loads((folder / _HEAD).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) and isinstance(told.get("number"), int) else {}


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9]*.jsonl"))


def _name(number: int) -> str:
    return f"{number:06d}.jsonl"


def _size(path: Path) -> int:
    return path.stat().st_size


def _create(path: Path) -> None:
    """Make a file that only its owner can read, and have the disk know its name."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    config.sync(path.parent)
