"""Answers that are kept in this kernel, for a query that is asked again.

Home gives an answer a name, its ETag, that changes with the data, the query and the policy. A query
that was asked before carries the name along, and where home would answer the same it says so
instead. The bytes lie in temporary files without a name, which nobody else can open and which end
with the kernel.
"""

from __future__ import annotations

import errno
import json
import mmap
import os
import tempfile
import threading
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from ropeway import wire

MOST_OF_ONE = 128 * 1024 * 1024
"""Bytes of an answer that is kept."""

MOST = 512 * 1024 * 1024
"""Bytes of all of them; the one that was not wanted for the longest time gives way."""

MOST_ANSWERS = 500
"""Answers that are kept: each file that is mapped takes a descriptor, of which there are few."""

MAPPED = 256 * 1024
"""Bytes from which a file is mapped; what is smaller lies in memory."""


@dataclass(frozen=True)
class Kept:
    """An answer that is here."""

    etag: str
    summary: wire.Summary
    data: memoryview
    """An Arrow IPC stream, in a file as long as anybody looks at it."""


class File:
    """Bytes in a temporary file without a name, which memory maps once they are there.

    pyarrow writes into it: that is what `closed` and `flush` are for.
    """

    closed = False

    def __init__(self) -> None:
        self.size = 0
        """Bytes that were written whole."""
        self._file: Any = None
        self._ended = False

    def write(self, piece: Any) -> int:
        """One more piece. Raises `OSError` where it grows too large or finds no room; then it takes
        no more."""
        rest = memoryview(piece).cast("B")
        size = len(rest)
        try:
            if self._ended or self.size + size > MOST_OF_ONE:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="ropeway-", buffering=0)  # noqa: SIM115
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            self._ended = True
            raise
        self.size += size
        return size

    def mapped(self, size: int) -> memoryview:
        """Its first `size` bytes; then it takes no more. Raises `OSError`."""
        file, self._file, self._ended = self._file, None, True
        if file is None:
            raise OSError(errno.ENODATA, os.strerror(errno.ENODATA))
        with file:
            if size >= MAPPED:
                with suppress(OSError, ValueError):  # too many of them, or a disk that knows none
                    return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))
            file.seek(0)
            data = file.read(size)
        if len(data) < size:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return memoryview(data)

    def close(self) -> None:
        """Keep nothing of it."""
        file, self._file, self._ended = self._file, None, True
        if file is not None:
            file.close()

    def flush(self) -> None:
        """Nothing waits here."""


_kept: OrderedDict[str, Kept] = OrderedDict()
_turn = threading.Lock()


def key(sql: str, params: dict[str, Any]) -> str:
    """What tells one query from another."""
    return json.dumps([sql, params], sort_keys=True)


def find(key: str) -> Kept | None:
    """The answer that was given to that query last."""
    with _turn:
        if key in _kept:
            _kept.move_to_end(key)
        return _kept.get(key)


def put(key: str, etag: str, summary: wire.Summary, data: memoryview) -> Kept:
    """The answer to that query, found from now on unless home gave it no name."""
    # Nothing was read and nothing crosses when it is used again.
    told = replace(summary, bytes_scanned=0, bytes_sent=0, seconds=0.0)
    kept = Kept(etag, told, data)
    if key and etag:
        with _turn:
            _kept.pop(key, None)
            _kept[key] = kept
            while (
                sum(len(each.data) for each in _kept.values()) > MOST or len(_kept) > MOST_ANSWERS
            ):
                _kept.popitem(last=False)
    return kept


def clear() -> None:
    """Forget them all."""
    with _turn:
        _kept.clear()
