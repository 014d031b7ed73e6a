"""Tables as Arrow streams, and back: those of pandas, Polars and Arrow, and results of queries."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from ropeway.errors import BadInput, MissingPackage
from ropeway.kernel.arrow import package
from ropeway.kernel.tensors import type_of

_BATCH_BYTES = 16 * 1024 * 1024
"""About as much of a table is written at a time."""

_SAFE_SINCE = (14, 0, 1)
"""Older releases of pyarrow unpickle what an Arrow stream may hold (CVE-2023-47248)."""


class Stream(Protocol):
    """Bytes that come; each road gives one."""

    def readinto(self, view: Any) -> int:
        """Fill `view`, from its beginning; how many bytes that were, fewer at the end alone."""


def stream(value: Any) -> tuple[dict[str, Any], Iterator[Any]] | None:
    """What describes the table, and its Arrow stream in pieces.

    None for what is no table, where Arrow cannot hold it, and where pyarrow is not there.
    """
    like = _like(value)
    if like is None:
        return None
    try:
        pa = package("pyarrow")
        table = _AS_ARROW[like](pa, value)
    except MissingPackage:
        return None
    except Exception:  # noqa: BLE001 (columns of anything: Arrow has many words for it)
        return None
    return {"like": like}, _pieces(pa, table)


def restored(head: dict[str, Any], incoming: Stream, *, code: bool) -> Any:
    """The table that was described. Raises `MissingPackage`, and `BadInput` for what would run
    `code` of its sender unless that is allowed."""
    like = str(head["like"])
    file = _File(incoming)
    if like == "polars" and "pyarrow" not in sys.modules:
        return package("polars").read_ipc_stream(file.read())
    pa = package("pyarrow")
    if not code:
        _check(pa)
    with pa.ipc.open_stream(pa.PythonFile(file, "r")) as reader:
        table = reader.read_all()
    if like == "arrow":
        return table
    if like == "polars":
        return package("polars").from_arrow(table)
    package("pandas")
    frame = table.to_pandas()
    if like == "pandas":
        return frame
    name = str(frame.columns[0])
    return frame.iloc[:, 0].rename(name[1:] if name else None)


_TABLES = {
    ("pandas", "DataFrame"): "pandas",
    ("pandas", "Series"): "series",
    ("polars", "DataFrame"): "polars",
    ("pyarrow", "Table"): "arrow",
    ("ropeway", "Result"): "arrow",
}

_AS_ARROW: dict[str, Callable[[Any, Any], Any]] = {
    "pandas": lambda pa, frame: pa.Table.from_pandas(frame),
    "series": lambda pa, series: pa.Table.from_pandas(series.to_frame(_column(series))),
    "polars": lambda pa, frame: frame.to_arrow(),
    "arrow": lambda pa, table: table if isinstance(table, pa.Table) else table.arrow(),
}


def _like(value: Any) -> str | None:
    return _TABLES.get(type_of(value))


def _column(series: Any) -> str:
    if series.name is not None and not isinstance(series.name, str):
        raise BadInput("Arrow names columns by texts.")
    return "" if series.name is None else f"={series.name}"


def _check(pa: Any) -> None:
    release = tuple(int(part) for part in pa.__version__.split(".")[:3] if part.isdecimal())
    if release < _SAFE_SINCE:
        raise BadInput(
            f"pyarrow {pa.__version__} may run code that a table brings, and that runtime may run "
            "none here.",
            hint="Run in a cell: %pip install -U pyarrow",
        )


def _pieces(pa: Any, table: Any) -> Iterator[Any]:
    sink = _Sink()
    rows = max(1, _BATCH_BYTES * table.num_rows // max(1, table.nbytes))
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(pa.PythonFile(sink, "w"), table.schema, options=options) as writer:
        for batch in table.to_batches(max_chunksize=rows):
            writer.write_batch(batch)
            yield from sink.take()
    yield from sink.take()


class _Sink:
    """A file whose pieces are taken as they were written."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: Any) -> int:
        part = bytes(data)  # its memory is only lent
        self._parts.append(part)
        return len(part)

    def flush(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """Nothing to close."""

    def take(self) -> list[bytes]:
        parts, self._parts = self._parts, []
        return parts


class _File:
    """A stream as a file that Arrow reads."""

    closed = False

    def __init__(self, incoming: Stream) -> None:
        self._incoming = incoming

    def read(self, size: int = -1) -> Any:
        if size >= 0:
            held = bytearray(size)
            return memoryview(held)[: self._incoming.readinto(memoryview(held))]
        parts = []
        while part := self.read(1024 * 1024):
            parts.append(part)
        return b"".join(parts)

    def readable(self) -> bool:
        """It is."""
        return True

    def close(self) -> None:
        """The stream's own end is looked for where it was opened."""
