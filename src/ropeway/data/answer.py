"""An answer: one query on its way from its worker to the asker, counted and written down."""

from __future__ import annotations

import base64
import logging
import os
import threading
import time
import uuid
from collections.abc import Generator, Hashable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol

from ropeway import wire
from ropeway.data import job
from ropeway.data.feed import Feeds
from ropeway.data.job import Frame, Job
from ropeway.data.workers import Worker, Workers
from ropeway.errors import QueryFailed, Refused, RopewayError
from ropeway.wire import Column, Query, Summary, Transfer

Chunk = bytes | memoryview

log = logging.getLogger(__name__)

SQL_KEPT = 4000
"""Characters of a query that are shown and written down."""

RESERVED = 16_000_000
"""Bytes that may cross before the ledger says so once more: after a crash they count as crossed."""


class Account(Protocol):
    """Who counts what crosses."""

    exact: bool
    """Whether each piece is written down before it crosses: a budget of the day depends on it."""

    def take(self, rows: int, size: int) -> None:
        """So much more is about to cross. Raises `Refused`; then it must not."""

    def record(self, summary: Summary) -> None:
        """What became of the query so far. Raises what keeps it from being written down; then
        nothing crosses any more."""


class Answer:
    """An iterator of the bytes of an Arrow IPC stream, and the summary of the query behind it.

    One thread at a time calls `__next__`; `cancel` and `summary` may come from any.
    """

    def __init__(
        self,
        workers: Workers,
        key: Hashable,
        task: Job,
        *,
        query: Query | None = None,
        etag: str = "",
        feeds: Feeds | None = None,
        account: Account | None = None,
        size: int = 0,
        tells_scanned: bool = True,
        seconds: float | None = None,
    ) -> None:
        self.id = uuid.uuid4().hex
        self.query = query or Query(task.sql)
        self.began = time.time()
        self.etag = etag
        """Its name: the same as long as the answer is; empty where the next may differ."""
        self.unchanged = False
        """The asker has it: there are no bytes to take."""
        self.seconds = seconds
        """How long it may take, where the policy says so."""
        self._workers = workers
        self._key = key
        self._job = task
        self._feeds = feeds or Feeds([])
        self._account = account
        self._size = size
        self._tells_scanned = tells_scanned
        self._began = time.monotonic()
        self._why = ""
        self._turn = threading.Lock()
        self._worker: Worker | None = None
        self._columns: tuple[Column, ...] = ()
        self._rows = self._bytes = 0
        self._reserved = -1
        self._told: Mapping[str, Any] = {}
        self._summary = Summary(self.id, "running")
        self._chunks = self._produce()

    def __iter__(self) -> Iterator[Chunk]:
        return self

    def __next__(self) -> Chunk:
        return next(self._chunks)

    def cancel(self, why: str = "The query was cancelled.") -> None:
        """Stop it, whatever it does: its worker is killed."""
        with self._turn:
            if self._summary.state != "running":
                return
            self._why = self._why or why
            if self._worker is not None:
                # Within: it may be about to be kept for the next query.
                self._worker.kill()
        self._feeds.close()

    def leave_out(self) -> None:
        """The asker has this answer: nothing runs, and nothing crosses."""
        self.unchanged = True
        self._size = 0
        self._record("cached")
        self._summary = self._sum("done")

    def close(self) -> None:
        """Let go of the engine; a query that did not end counts as cancelled."""
        self.cancel()
        self._chunks.close()
        if self._summary.state == "running":
            self._finish("cancelled", QueryFailed(self._why))

    def transfer(self) -> Transfer:
        """It and what became of it so far, for people at home."""
        told, query = self._now(), self.query
        return Transfer(
            self.id,
            told.state,
            self.began,
            query.sql[:SQL_KEPT],
            tuple(table.name for table in self._job.tables),
            query.runtime,
            query.runtime_class,
            query.notebook,
            query.cell,
            query.road,
            told.rows,
            told.bytes_scanned,
            told.bytes_sent,
            told.seconds,
            told.error,
        )

    def summary(self) -> Summary:
        """What became of it so far, for who asked. Where the policy hides rows or values, what was
        read for the answer would tell of them."""
        told = self._now()
        return told if self._tells_scanned else replace(told, bytes_scanned=0)

    def _now(self) -> Summary:
        return self._summary if self._summary.state != "running" else self._sum("running")

    def _produce(self) -> Generator[Chunk, None, None]:
        try:
            worker = self._take()
            worker.begin(self._job)
            whole = self._head(worker)
            first = self._next(worker)
            if first is not None and whole:
                # Beginning and end are one record, and one wait for the disk.
                end = self._next(worker)
                assert end is None
                last = self._end(worker)
                yield first.body
            elif first is not None:
                self._reserve()
                yield first.body
                while (frame := self._next(worker)) is not None:
                    self._reserve()
                    yield frame.body
                last = self._end(worker)
            else:
                last = self._end(worker)
        except GeneratorExit:
            raise
        except Exception as error:  # noqa: BLE001  # any error must become an answer
            raise self._failed(error) from None
        yield last

    def _take(self) -> Worker:
        worker = self._workers.take(self._key)
        with self._turn:
            self._worker = worker
            if self._why:
                raise QueryFailed(self._why)
        return worker

    def _head(self, worker: Worker) -> bool:
        """Wait for the first rows; whether they are all."""
        told = self._frame(worker).told
        self._columns = tuple(wire.from_json(Column, each) for each in told["columns"])
        return bool(told["whole"])

    def _next(self, worker: Worker) -> Frame | None:
        """The next rows, counted and allowed to cross; None after the last."""
        frame = self._frame(worker)
        if frame.kind == job.END:
            self._told = frame.told
            return None
        if self._account is not None:
            self._account.take(frame.count, len(frame.body))
        self._rows += frame.count
        self._bytes += len(frame.body)
        return frame

    def _frame(self, worker: Worker) -> Frame:
        """What the worker says, its questions for rows of databases answered."""
        while (frame := worker.frame()) is not None and frame.kind == job.FEED:
            self._feed(worker, frame.count)
        if self._feeds.error is not None:
            raise self._feeds.error
        if frame is None:
            raise _died()
        if frame.kind == job.FAILED:
            raise _said(frame.told)
        return frame

    def _feed(self, worker: Worker, number: int) -> None:
        try:
            pipe = self._feeds.pipe(number)
        except Exception:
            worker.feed(None)
            raise
        try:
            worker.feed(pipe)
        finally:
            os.close(pipe)

    def _end(self, worker: Worker) -> bytes:
        """The stream's last bytes; written down before they cross."""
        last = base64.b64decode(self._told["last"])
        self._bytes += len(last)
        with self._turn:
            self._worker = None
        self._workers.keep(self._key, worker)
        self._feeds.close()
        self._record("done")
        self._summary = self._sum("done")
        return last

    def _reserve(self) -> None:
        """Write down what is about to cross, unless that was done for enough of it."""
        account = self._account
        if account is not None and (account.exact or self._bytes > self._reserved):
            self._record("began")
            self._reserved = self._bytes + RESERVED

    def _record(self, state: str, error: RopewayError | None = None) -> None:
        if self._account is not None:
            self._account.record(self._sum(state, error))

    def _failed(self, error: Exception) -> RopewayError:
        """The error to raise. Not a variable where it is raised: the cycle through its traceback
        would keep the worker until the end of the process."""
        state = "cancelled" if self._why else "failed"
        if self._why:
            told: RopewayError = QueryFailed(self._why)
        elif isinstance(error, RopewayError):
            told = error
            state = "refused" if isinstance(error, Refused) else state
        else:
            log.warning("a query failed: %r", self._feeds.error or error)
            told = QueryFailed(f"The query failed at home ({type(error).__name__}).")
        self._finish(state, told)
        return told

    def _finish(self, state: str, error: RopewayError) -> None:
        with self._turn:
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.kill()
            worker.close()
        self._feeds.close()
        self._summary = self._sum(state, error)
        try:
            self._record(state, error)
        except (OSError, RopewayError) as problem:
            log.error("the end of a query cannot be written down: %s", problem)

    def _sum(self, state: str, error: RopewayError | None = None) -> Summary:
        scanned = self._told.get("scanned")
        if scanned is None:
            scanned = self._size if state == "done" else 0
        return Summary(
            self.id,
            state,
            rows=self._rows,
            bytes_scanned=scanned + self._feeds.bytes_read,
            bytes_sent=self._bytes,
            seconds=round(time.monotonic() - self._began, 6),
            error=error.to_json() if error else None,
            columns=self._columns,
            preview=tuple(tuple(row) for row in self._told.get("preview", ())),
        )


def _said(told: Mapping[str, Any]) -> RopewayError:
    """The worker's error. What it says of a table that cannot be opened is for home's log."""
    if "unreadable" in told:
        name = str(told["unreadable"])
        log.warning("the dataset %s cannot be opened: %s", name, told["why"])
        return QueryFailed(
            f"The dataset {name} cannot be read.",
            hint="Look at it at home: ropeway data show " + name,
        )
    return RopewayError.from_json(dict(told))


def _died() -> QueryFailed:
    return QueryFailed(
        "The query's process ended at home: it needed more memory than it may take.",
        hint="Ask for less: filter or group first; or raise data.memory in ropeway.toml.",
    )
