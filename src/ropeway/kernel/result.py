"""What `rw.sql` gives: a result that crossed, as a table of whichever library is here."""

from __future__ import annotations

import io
from collections.abc import Iterator
from html import escape
from typing import Any

from ropeway import wire
from ropeway.errors import MissingPackage
from ropeway.kernel.words import bytes_text, rows_text


class Result:
    """The rows of one query, already here.

    `.df()` is a pandas DataFrame, `.pl()` a Polars one, `.arrow()` an Arrow table. Iterating
    gives each row as a tuple; `len()` counts the rows; `.columns` are their names. pyarrow,
    pandas and polars are imported only when asked for.
    """

    def __init__(self, summary: wire.Summary, buffers: list[Any], road: str = "in-band") -> None:
        self.summary = summary
        self._road = road
        self._buffers = buffers
        self._table: Any = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self.summary.columns)

    def __len__(self) -> int:
        return self.summary.rows

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """The rows as tuples, in the order of `columns`."""
        for batch in self.arrow().to_batches():
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    def arrow(self) -> Any:
        """A `pyarrow.Table` with the query's own types. Raises `MissingPackage`.

        Only `HUGEINT`, the type of a sum of whole numbers, becomes int64 where every value fits.
        """
        if self._table is None:
            pa = _package("pyarrow")
            with pa.ipc.open_stream(pa.py_buffer(b"".join(self._buffers))) as reader:
                self._table = _plain(pa, reader.read_all(), self._whole())
            self._buffers = []
        return self._table

    def df(self) -> Any:
        """A pandas DataFrame. Raises `MissingPackage`.

        Decimals become float64 and dates become timestamps, which pandas computes with;
        `.arrow()` keeps both as they are.
        """
        pa, _ = _package("pyarrow"), _package("pandas")
        return _without_decimals(pa, self.arrow()).to_pandas(date_as_object=False)

    def pl(self) -> Any:
        """A Polars DataFrame; needs no pyarrow. Raises `MissingPackage`."""
        polars = _package("polars")
        try:
            return polars.from_arrow(self.arrow())
        except MissingPackage:
            frame = polars.read_ipc_stream(io.BytesIO(b"".join(self._buffers)))
        frame = frame.with_columns(polars.selectors.categorical().cast(polars.String))
        for name in self._whole():
            numbers = frame[name].cast(polars.Int64, strict=False)
            if numbers.null_count() == frame[name].null_count():
                frame = frame.with_columns(numbers)
        return frame

    def _whole(self) -> set[str]:
        """The columns of 128-bit whole numbers, which Arrow can only carry as decimals."""
        return {column.name for column in self.summary.columns if column.type == "HUGEINT"}

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Arrow's own interface between libraries: `polars.DataFrame(result)` works."""
        return self.arrow().__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        rows = [self.columns, *self.summary.preview]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)) for r in rows]
        if len(self) > len(self.summary.preview):
            lines.append("…")
        return "\n".join([*(line.rstrip() for line in lines), self._footer()])

    def _repr_html_(self) -> str:
        head = "".join(
            f'<th title="{escape(column.type)}">{escape(column.name)}</th>'
            for column in self.summary.columns
        )
        rows = "".join(
            "<tr>" + "".join(f"<td>{escape(value)}</td>" for value in row) + "</tr>"
            for row in self.summary.preview
        )
        if len(self) > len(self.summary.preview):
            rows += f'<tr><td colspan="{len(self.columns)}">…</td></tr>'
        return (
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
            f'<p><small title="by the {escape(self._road)} road">{self._footer()}</small></p>'
        )

    def _footer(self) -> str:
        told = self.summary
        return " · ".join(
            (
                rows_text(told.rows),
                f"{bytes_text(told.bytes_scanned)} scanned",
                f"{bytes_text(told.bytes_sent)} crossed",
                f"{told.seconds:.2f} s",
            )
        )


class DatasetList(list[wire.Dataset]):
    """The datasets at home, as a list that shows itself as a table."""

    def __repr__(self) -> str:
        return "\n".join(f"{each.name}: {_described(each)}" for each in self) or _NONE

    def _repr_html_(self) -> str:
        if not self:
            return f"<p>{escape(_NONE)}</p>"
        rows = "".join(
            f"<tr><td>{escape(each.name)}</td><td>{escape(_described(each))}</td></tr>"
            for each in self
        )
        head = "<thead><tr><th>dataset</th><th>columns</th></tr></thead>"
        return f"<table>{head}<tbody>{rows}</tbody></table>"


_NONE = "No dataset was added at home yet: ropeway data add NAME SOURCE."


def _described(dataset: wire.Dataset) -> str:
    return dataset.error or ", ".join(f"{c.name} {c.type}" for c in dataset.columns)


def _plain(pa: Any, table: Any, whole: set[str]) -> Any:
    """The query's own types: texts for the dictionaries that only saved bytes on the way."""
    for index, field in enumerate(table.schema):
        column = table.column(index)
        if pa.types.is_dictionary(field.type):
            chunks = [chunk.dictionary_decode() for chunk in column.chunks]
            column = pa.chunked_array(chunks, type=field.type.value_type)
        elif field.name in whole and pa.types.is_decimal(field.type):
            column = _int64(pa, column)
        table = _with(pa, table, index, column)
    return table


def _without_decimals(pa: Any, table: Any) -> Any:
    for index, field in enumerate(table.schema):
        if pa.types.is_decimal(field.type):
            table = _with(pa, table, index, table.column(index).cast(pa.float64()))
    return table


def _with(pa: Any, table: Any, index: int, column: Any) -> Any:
    """The table with another column in that place, where it is another."""
    field = table.schema.field(index)
    if column.type == field.type:
        return table
    return table.set_column(index, pa.field(field.name, column.type), column)


def _int64(pa: Any, column: Any) -> Any:
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:
        return column


def _package(name: str) -> Any:
    from importlib import import_module

    try:
        package = import_module(name)
        if name == "pyarrow":
            import_module("pyarrow.ipc")
        return package
    except ImportError as error:
        raise MissingPackage(
            f"This needs the package {name}, which is not in this kernel's environment.",
            hint=f"Run in a cell: %pip install {name}",
            package=name,
        ) from error
