"""From the bytes that crossed to tables: of Arrow, and of the libraries that read Arrow."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from ropeway.errors import BadInput, MissingPackage
from ropeway.kernel.incoming import Incoming
from ropeway.kernel.progress import Progress


def package(name: str, install: str = "") -> Any:
    """The package `name` of the kernel's environment. Raises `MissingPackage`, which says what to
    `install`."""
    try:
        found = import_module(name)
        if name == "pyarrow":
            import_module("pyarrow.ipc")
            import_module("pyarrow.compute")
        return found
    except ImportError as error:
        raise MissingPackage(
            f"This needs the package {name}, which is not in this kernel's environment.",
            hint=f"Run in a cell: %pip install {install or name}",
            package=name,
        ) from error


def opened(pa: Any, source: Any) -> Any:
    """The answer in a file as an open reader of record batches."""
    return pa.ipc.open_stream(source, memory_pool=pool(pa))


def pool(pa: Any) -> Any:
    """Where the memory of a table comes from: the system's own.

    Of Arrow's, made for many small pieces, a table takes half as much again as it holds.
    """
    return pa.system_memory_pool()


class Source:
    """An answer as the file that Arrow reads; what was read is let go."""

    closed = False

    def __init__(self, incoming: Incoming, progress: Progress) -> None:
        self._incoming = incoming
        self._progress = progress
        self._piece: Any = memoryview(b"")
        self._read = 0

    def read(self, size: int = -1) -> bytes:
        """That many bytes; fewer at the end alone."""
        parts: list[Any] = []
        wanted = size if size >= 0 else sys.maxsize
        while wanted:
            if not self._piece:
                piece = self._incoming.take(self._progress)
                if piece is None:
                    break
                self._piece = memoryview(piece)
            part = self._piece[:wanted]
            self._piece = self._piece[len(part) :]
            wanted -= len(part)
            parts.append(part)
            self._read += len(part)
        return b"".join(parts)

    def tell(self) -> int:
        """How many bytes were read."""
        return self._read

    def readable(self) -> bool:
        """It is."""
        return True

    def close(self) -> None:
        """The answer itself stays open: its end tells what became of the query."""


def plain(pa: Any, table: Any) -> Any:
    """A table, or batch, with the query's own types: texts with offsets of 32 bits, also where they
    crossed as dictionaries or lie with those of pandas."""
    return _retyped(pa, table, pa.string())


def wide(pa: Any, table: Any) -> Any:
    """A table, or batch, whose texts have offsets of 64 bits, as pandas keeps them: a DataFrame
    shares their memory then."""
    return _retyped(pa, table, pa.large_string())


def whole_numbers(pa: Any, table: Any, names: set[str]) -> Any:
    """A table with int64 for the columns of 128-bit numbers that have these names, where every
    value fits."""
    for index, field in enumerate(table.schema):
        if field.name in names and pa.types.is_decimal(field.type):
            column = _int64(pa, table.column(index))
            table = table.set_column(index, pa.field(field.name, column.type), column)
    return table


def without_decimals(pa: Any, table: Any) -> Any:
    """Decimals as float64, with which pandas and NumPy compute."""
    for index, field in enumerate(table.schema):
        if pa.types.is_decimal(field.type):
            column = table.column(index).cast(pa.float64())
            table = table.set_column(index, pa.field(field.name, column.type), column)
    return table


def frame(pa: Any, table: Any) -> Any:
    """A table as a DataFrame of pandas, which may share the memory of its texts."""
    # Not `split_blocks`: a frame of them cannot be written into.
    return table.to_pandas(memory_pool=pool(pa), date_as_object=False)


def arrays(pa: Any, table: Any) -> dict[str, Any]:
    """Each column as a NumPy array. Raises `BadInput` for one that holds no numbers.

    Whole numbers and booleans with a NULL become float64 with nan.
    """
    found: dict[str, Any] = {}
    for name, column in zip(table.column_names, without_decimals(pa, table).columns, strict=True):
        kind = column.type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or _is_bool(pa, kind)):
            raise BadInput(
                f"The column {name} is a {kind}, which is no number.",
                hint="Select the columns of numbers, or take .df() or .arrow().",
                column=name,
            )
        if column.null_count and not pa.types.is_floating(kind):
            column = column.cast(pa.int8() if _is_bool(pa, kind) else kind).cast(pa.float64())
        found[name] = column.to_numpy()
    return found


def for_torch(numpy: Any, name: str, array: Any) -> Any:
    """The array with a type that torch has, to be written into. Raises `BadInput`."""
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:
        if array.dtype.itemsize == 8 and array.size and array.max() >= 1 << 63:
            raise BadInput(f"The column {name} holds numbers that torch's int64 cannot.")
        return array.astype(numpy.int64)
    return array if array.flags.writeable and array.flags.c_contiguous else array.copy()


def polars_frame(polars: Any, data: Any, whole: set[str]) -> Any:
    """A Polars frame of an Arrow stream, without pyarrow."""
    frame = polars.read_ipc_stream(data)
    frame = frame.with_columns(polars.selectors.categorical().cast(polars.String))
    for name in whole:
        numbers = frame[name].cast(polars.Int64, strict=False)
        if numbers.null_count() == frame[name].null_count():
            frame = frame.with_columns(numbers)
    return frame


def _is_bool(pa: Any, kind: Any) -> bool:
    return bool(pa.types.is_boolean(kind))


def _retyped(pa: Any, table: Any, text: Any) -> Any:
    columns = [_decoded(pa, column, text) for column in table.columns]
    return type(table).from_arrays(columns, names=table.schema.names) if columns else table


def _decoded(pa: Any, column: Any, text: Any) -> Any:
    """Of a dictionary its values, of texts those of the type `text`, of others the same."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        if isinstance(column, pa.ChunkedArray):
            parts = [_decoded(pa, each, text) for each in column.chunks]
            return pa.chunked_array(parts, type=_own(pa, kind.value_type, text))
        values = _decoded(pa, column.dictionary, text)
        return pa.compute.take(values, column.indices, memory_pool=pool(pa))
    own = _own(pa, kind, text)
    return column if own == kind else column.cast(own)


def _own(pa: Any, kind: Any, text: Any) -> Any:
    return text if pa.types.is_string(kind) or pa.types.is_large_string(kind) else kind


def _int64(pa: Any, column: Any) -> Any:
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:
        return column
