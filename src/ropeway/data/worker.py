"""The process in which queries run: `python -m ropeway.data.worker FD`.

One process loads the engine and waits; for each worker that the service wants it makes a copy of
itself (`fork`, a few milliseconds), which shuts itself into the sandbox with its first job and
serves until its socket closes. It has no secret, no network and no file but those of its job; what
it is told and tells is in `ropeway.data.job`.

Over FD the service sends `S` with the descriptor of a worker's socket, answered by the worker's
process id in eight bytes, or `K` and such a number: kill that worker.
"""

from __future__ import annotations

import base64
import functools
import os
import select
import signal
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]

from ropeway.data import job as talk
from ropeway.data import params
from ropeway.data.engines.duckdb import LEAST_ROWS, Engine, Unreadable
from ropeway.data.engines.failure import explain
from ropeway.data.job import DATA, END, FAILED, FEED, HEAD, Job, Table
from ropeway.data.sandbox import Confinement, confine, die_with_parent
from ropeway.data.stream import Encoder
from ropeway.errors import Refused, RopewayError
from ropeway.wire import to_json

PID = struct.Struct("!Q")
SPAWN, KILL = b"S", b"K"

_CONVERSIONS = {
    "parse": "select json_serialize_sql($1::varchar)",
    "print": "select json_deserialize_sql($1::json)",
}

_NICE = 5
"""Queries step back where the workspace, and with it the page, wants the processor."""

_LOOK = 5.0
"""Seconds between two looks for workers that ended."""


def main() -> None:
    """Make workers until the service is gone; then all of them end.

    The end of the control line tells of that: the death signal is one of the *thread* that started
    this process, which was a query's.
    """
    os.nice(_NICE)
    control = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the service's business
    children: set[int] = set()
    while True:
        ready, _, _ = select.select([control], [], [], _LOOK)
        _reap(children)
        if not ready:
            continue
        order, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if order == SPAWN:
            _spawn(control, descriptors[0], children)
        elif order == KILL:
            _kill(PID.unpack(control.recv(PID.size, socket.MSG_WAITALL))[0], children)
        else:
            break
    for child in children:
        os.kill(child, signal.SIGKILL)
    os._exit(0)  # the engine's own tidying is of no use, and noisy


def _spawn(control: socket.socket, descriptor: int, children: set[int]) -> None:
    nest = os.getpid()
    child = os.fork()
    if child == 0:
        control.close()
        _live(socket.socket(fileno=descriptor), nest)
    os.close(descriptor)
    children.add(child)
    control.sendall(PID.pack(child))


def _reap(children: set[int]) -> None:
    """Forget those that ended. Until then no other process can have their number."""
    for child in list(children):
        if os.waitpid(child, os.WNOHANG)[0]:
            children.discard(child)


def _kill(child: int, children: set[int]) -> None:
    if child in children:
        os.kill(child, signal.SIGKILL)


def _live(line: socket.socket, nest: int) -> NoReturn:
    """A worker's life."""
    status = 1
    try:
        die_with_parent()
        if os.getppid() == nest:  # it may have died just before
            Worker(line).work()
            status = 0
    except (OSError, MemoryError):
        pass  # the service is gone, or will see that this process is
    finally:
        os._exit(status)


class Worker:
    """Does the jobs that come over `line`, one after the other."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._confinement: Confinement | None = None
        self._engine: tuple[tuple[Table, ...], Engine] | None = None
        self._turn = threading.Lock()
        """Frames go out whole, and one question for a feed at a time."""

    def work(self) -> None:
        """Until the other side closes. Raises `OSError` when it does so in the middle."""
        while (frame := talk.receive(self._line)) is not None:
            job = talk.job(frame)
            if self._confinement is None:
                self._confinement = confine([Path(each) for each in job.files], job.allowed)
            try:
                told = self._do(job)
            except RopewayError as error:
                self._say(FAILED, error.to_json())
            except MemoryError:
                self._say(FAILED, explain("Out of Memory Error: ").to_json())
            except Unreadable as error:
                self._say(FAILED, {"unreadable": error.table, "why": error.why})
            else:
                self._say(END, {**told, "confinement": to_json(self._confinement)})

    def _do(self, job: Job) -> dict[str, Any]:
        if job.op == "query":
            return self._query(job)
        if job.op == "describe":
            return {"tables": {each.name: _described(each, job) for each in job.tables}}
        return {"text": _converted(_CONVERSIONS[job.op], job.sql)}

    def _query(self, job: Job) -> dict[str, Any]:
        engine = self._opened(job)
        run = engine.run(job.sql, params.decode(job.params, frozenset(job.params)))
        try:
            batch = run.next_batch()
            # `next_batch` joins small ones, so a small one is the last.
            whole = batch is None or batch.num_rows < LEAST_ROWS
            columns = [to_json(each) for each in run.columns]
            self._say(HEAD, {"columns": columns, "whole": whole})
            encoder = Encoder(run.schema, batch, job.codec)
            while batch is not None:
                self._say(DATA, encoder.add(batch), batch.num_rows)
                batch = run.next_batch()
            last = base64.b64encode(encoder.end()).decode("ascii")
        finally:
            run.close()
        return {"last": last, "preview": encoder.preview, "scanned": engine.bytes_scanned()}

    def _opened(self, job: Job) -> Engine:
        """The engine over the job's tables; the next query of the same asker finds it ready."""
        if self._engine is None or self._engine[0] != job.tables:
            engine = Engine(
                job.tables,
                job.files,
                memory=job.memory,
                threads=job.threads,
                feed=lambda number: _FeedTable(self, number, job.tables[number].schema),
            )
            self._engine = job.tables, engine
        return self._engine[1]

    def pipe(self, number: int) -> BinaryIO:
        """The service's answer to one scan of a table from a database. Raises `OSError`."""
        with self._turn:
            talk.send(self._line, FEED, b"", number)
            _, descriptors, _, _ = socket.recv_fds(self._line, 1, 1)
        if not descriptors:
            raise OSError("home has no rows of this table")
        return os.fdopen(descriptors[0], "rb", 1 << 20)

    def _say(self, kind: int, body: Any, count: int = 0) -> None:
        with self._turn:
            talk.send(self._line, kind, body, count)


class _FeedTable:
    """A table from a database, for DuckDB: each scan asks the service for its rows anew."""

    def __init__(self, worker: Worker, number: int, schema: str) -> None:
        self._worker = worker
        self._number = number
        self._schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(schema)))

    def __arrow_c_schema__(self) -> object:
        return self._schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        incoming = pa.ipc.open_stream(self._worker.pipe(self._number))
        whole = pa.RecordBatchReader.from_batches(self._schema, self._filled(incoming))
        return whole.__arrow_c_stream__(requested_schema)

    def _filled(self, incoming: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        """Columns that the query does not name were not fetched: they stand empty."""
        for batch in incoming:
            names = set(batch.schema.names)
            yield pa.RecordBatch.from_arrays(
                [
                    batch.column(field.name).cast(field.type)
                    if field.name in names
                    else pa.nulls(batch.num_rows, field.type)
                    for field in self._schema
                ],
                schema=self._schema,
            )


def _described(table: Table, job: Job) -> dict[str, Any]:
    """The columns of a table, or why it cannot be opened."""
    try:
        engine = Engine([table], job.files, memory=job.memory, threads=job.threads)
        columns = [to_json(each) for each in engine.columns(table.name)]
        return {"columns": columns, "sniffed": engine.sniffed(table) if table.sniff else None}
    except Unreadable as error:
        return {"why": error.why}


@functools.cache
def _parser() -> duckdb.DuckDBPyConnection:
    """A connection that holds no table and reaches no file."""
    connection = duckdb.connect(":memory:", config={"threads": 1})
    connection.execute("set enable_external_access=false")
    connection.execute("set lock_configuration=true")
    return connection


def _converted(call: str, text: str) -> str:
    try:
        row = _parser().execute(call, [text]).fetchone()
    except (duckdb.Error, UnicodeEncodeError):
        raise Refused("The query holds characters that cannot be read.") from None
    assert row is not None
    return str(row[0])


if __name__ == "__main__":
    main()
