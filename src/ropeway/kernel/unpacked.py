"""An answer as a table in a file that memory maps: what nobody looks at takes no memory.

A DataFrame made of it has its texts there, for they lie as pandas keeps them, and copies the numbers
alone; a query that is asked again finds its rows as they are wanted. What the file cannot take lies
in memory.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ropeway.kernel.arrow import pool, wide
from ropeway.kernel.cache import File


class Unpacked:
    """Takes the batches of an answer as they come."""

    def __init__(self, pa: Any, schema: Any) -> None:
        self._pa = pa
        self._empty = wide(pa, schema.empty_table())
        self._file = File()
        self._writer = pa.ipc.new_stream(pa.PythonFile(self._file, "w"), self._empty.schema)
        self._whole_batches = 0
        """Bytes of the file: behind them may lie a part of one."""
        self._in_memory: list[Any] = []

    def add(self, batch: Any) -> None:
        """One more, of any types for its texts."""
        batch = wide(self._pa, batch)
        if not self._in_memory:
            with suppress(OSError):  # too large, or no room
                self._writer.write_batch(batch)
                self._whole_batches = self._file.size
                return
        self._in_memory.append(batch)

    def table(self) -> tuple[Any, memoryview | None]:
        """All of them, and the file, an Arrow IPC stream, if it holds all of them."""
        if not self._whole_batches:
            return self._with([]), None
        data = self._file.mapped(self._whole_batches)
        with self._pa.ipc.open_stream(self._pa.py_buffer(data), memory_pool=pool(self._pa)) as read:
            return self._with(list(read)), None if self._in_memory else data

    def __enter__(self) -> Unpacked:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _with(self, batches: list[Any]) -> Any:
        return self._pa.Table.from_batches([*batches, *self._in_memory], self._empty.schema)
