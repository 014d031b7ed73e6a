"""Answers that are kept in this kernel, for a query that is asked again.

Home gives an answer a name, its ETag, that changes with the data, the query and the policy. A query
that was asked before carries the name along, and where home would answer the same it says so
instead. The bytes lie in temporary files without a name, which nobody else can open and which end
with the kernel.
"""

from __future__ import annotations

import json
import mmap
import tempfile
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any

from ropeway import wire

MOST_OF_ONE = 128 * 1024 * 1024
"""Bytes of an answer that is kept."""

MOST = 512 * 1024 * 1024
"""Bytes of all of them; the one that was not wanted for the longest time gives way."""


@dataclass(frozen=True)
class Kept:
    """An answer that is here."""

    etag: str
    summary: wire.Summary
    data: Any
    """Its bytes, which lie in a file as long as anybody looks at them."""


class Keep:
    """Writes one answer down as it comes; without a key it keeps nothing."""

    def __init__(self, key: str = "") -> None:
        self._key = key
        self._size = 0
        self._file: Any = None

    def add(self, piece: Any) -> None:
        """One more piece; what grows too large, or finds no room, is dropped."""
        if not self._key:
            return
        self._size += len(piece)
        if self._size > MOST_OF_ONE:
            self.drop()
            return
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="ropeway-")  # noqa: SIM115
            self._file.write(piece)
        except OSError:
            self.drop()

    def whole(self, etag: str, summary: wire.Summary) -> Kept | None:
        """It is complete: found from now on, unless home gave it no name."""
        if not etag or self._file is None:
            self.drop()
            return None
        try:
            self._file.flush()
            data = mmap.mmap(self._file.fileno(), self._size, access=mmap.ACCESS_READ)
        except (OSError, ValueError):
            self.drop()
            return None
        # Nothing was read and nothing crosses when it is used again.
        told = replace(summary, bytes_scanned=0, bytes_sent=0, seconds=0.0)
        kept = Kept(etag, told, memoryview(data))
        _put(self._key, kept)
        self.drop()
        return kept

    def drop(self) -> None:
        """Keep nothing of it."""
        file, self._file, self._key = self._file, None, ""
        if file is not None:
            file.close()


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


def clear() -> None:
    """Forget them all."""
    with _turn:
        _kept.clear()


def _put(key: str, kept: Kept) -> None:
    with _turn:
        _kept.pop(key, None)
        _kept[key] = kept
        while sum(len(each.data) for each in _kept.values()) > MOST:
            _kept.popitem(last=False)
