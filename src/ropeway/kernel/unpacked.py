"""An answer as a table in a file that memory maps: what nobody looks at takes no memory.

A DataFrame made of it has its texts there, for they lie as pandas 3 keeps them, and copies numbers
alone; a query that is asked again finds its rows as they are wanted. Of an answer that the file
cannot take the rest lies in memory, and all of it has the query's own types.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ropeway.kernel.arrow import opened, plain, wide
from ropeway.kernel.cache import File


class Unpacked:
    """Takes the batches of an answer as they come."""

    def __init__(self, pa: Any, schema: Any) -> None:
        self._pa = pa
        self._empty = pa.Table.from_batches([], schema)
        self._file = File()
        self._writer = pa.ipc.new_stream(
            pa.PythonFile(self._file, "w"), wide(pa, self._empty).schema
        )
        self._whole_batches = 0
        """Bytes of the file: behind them may lie a part of one."""
        self._in_memory: list[Any] = []

    def add(self, batch: Any) -> None:
        """One more, as it came."""
        if not self._in_memory:
            with suppress(OSError):  # too large, or no room
                self._writer.write_batch(wide(self._pa, batch))
                self._whole_batches = self._file.size
                return
        self._in_memory.append(plain(self._pa, batch))

    def table(self) -> tuple[Any, memoryview | None]:
        """All of them, and the file, an Arrow IPC stream, if it holds all of them."""
        pa = self._pa
        batches, data = [], None
        if self._whole_batches:
            data = self._file.mapped(self._whole_batches)
            with opened(pa, pa.py_buffer(data)) as reader:
                batches = list(reader)
            if not self._in_memory:
                return pa.Table.from_batches(batches), data
        schema = plain(pa, self._empty).schema
        ours = [plain(pa, each) for each in batches]
        return pa.Table.from_batches([*ours, *self._in_memory], schema), None

    def __enter__(self) -> Unpacked:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
