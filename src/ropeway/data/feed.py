"""The rows of a database on their way into a worker: from a driver, through a pipe, as Arrow IPC.

The worker has neither network nor password. It asks for a table's rows, once for each scan, and
the service sends those columns of them that the query needs.
"""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, BinaryIO, Protocol

import pyarrow as pa  # type: ignore[import-untyped]

PIPE_BYTES = 1 << 20


class Feed(Protocol):
    """What a source gives: `reader` streams; `cancel` may come from any thread."""

    reader: pa.RecordBatchReader
    bytes_read: int | None

    def cancel(self) -> None:
        """Stop it at the database."""

    def close(self) -> None:
        """Let go of it."""


Scan = Callable[[], Feed]
"""Begins to read a table anew."""


def schema_text(schema: pa.Schema) -> str:
    """The schema as `ropeway.data.job.Table.schema` wants it."""
    return base64.b64encode(schema.serialize().to_pybytes()).decode("ascii")


class Feeds:
    """The scans of one query, over the tables of its job in their order; None is one of files."""

    def __init__(self, scans: Sequence[Scan | None]) -> None:
        self._scans = scans
        self._turn = threading.Lock()
        self._open: list[Feed] = []
        self._over = False
        self._error: Exception | None = None
        self._read = 0

    @property
    def bytes_read(self) -> int:
        """Bytes that the databases sent so far, as far as their drivers tell."""
        with self._turn:
            return self._read + sum(feed.bytes_read or 0 for feed in self._open)

    @property
    def error(self) -> Exception | None:
        """Why a scan broke off: its database said so."""
        return self._error

    def pipe(self, number: int) -> int:
        """A descriptor from which a new scan of that table can be read; the caller closes it.

        Raises what the database raises.
        """
        scan = self._scans[number]
        assert scan is not None
        try:
            feed = scan()
        except Exception as error:
            self._error = error
            raise
        with self._turn:
            self._open.append(feed)
            over = self._over
        if over:
            feed.cancel()
        out, into = os.pipe()
        _widen(into)
        threading.Thread(target=self._pump, args=(feed, into), daemon=True).start()
        return out

    def close(self) -> None:
        """Stop all of them, at the database too."""
        with self._turn:
            self._over = True
            still = list(self._open)
        for feed in still:
            with suppress(Exception):
                feed.cancel()

    def _pump(self, feed: Feed, into: int) -> None:
        try:
            with os.fdopen(into, "wb") as file:
                self._copy(feed, file)
        except BrokenPipeError:
            pass  # the query has seen enough
        finally:
            self._done(feed)

    def _copy(self, feed: Feed, file: BinaryIO) -> None:
        try:
            with pa.ipc.new_stream(file, feed.reader.schema) as out:
                for batch in feed.reader:
                    out.write_batch(batch)
        except BrokenPipeError:
            raise
        except Exception as error:  # noqa: BLE001  # drivers raise what they like
            # Told before the pipe closes: to the worker, a stream that breaks off has ended.
            if not self._over:
                self._error = error

    def _done(self, feed: Feed) -> None:
        with self._turn:
            self._read += feed.bytes_read or 0
            self._open.remove(feed)
        with suppress(Exception):
            feed.cancel()
        with suppress(Exception):
            feed.close()


def _widen(pipe: int) -> None:
    with suppress(ImportError, OSError, AttributeError):
        import fcntl

        command: Any = fcntl.F_SETPIPE_SZ
        fcntl.fcntl(pipe, command, PIPE_BYTES)
