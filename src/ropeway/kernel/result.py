"""What `rw.sql` gives: a result that crosses, as a table of whichever library is here."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from html import escape
from itertools import chain, islice
from typing import Any

from ropeway import wire
from ropeway.errors import BadInput, MissingPackage
from ropeway.kernel import arrow
from ropeway.kernel.arrow import package, plain
from ropeway.kernel.incoming import Incoming
from ropeway.kernel.preview import Preview
from ropeway.kernel.progress import Progress
from ropeway.kernel.unpacked import Unpacked
from ropeway.kernel.words import bytes_text, rows_text


class Result:
    """The rows of one query: here already, or, of a large result, its beginning.

    `.df()` is a pandas DataFrame, `.pl()` a Polars one, `.arrow()` an Arrow table; they bring the
    rest, and so does `len()`, which counts the rows. `.batches()` takes the rows bit by bit, in
    little memory. Iterating gives each row as a tuple; `.columns` are their names. pyarrow,
    pandas, polars, NumPy and torch are imported only when asked for.
    """

    def __init__(self, incoming: Incoming) -> None:
        self._incoming = incoming
        self._brought: Any = None
        """All rows as they lie here, texts perhaps as pandas keeps them."""
        self._table: Any = None
        """The same with the query's own types."""
        self._passed = False

    @property
    def summary(self) -> wire.Summary:
        """What home says of the query: rows, bytes, seconds. Brings the rest of the rows."""
        return self._incoming.summary()

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self._preview().columns)

    def __len__(self) -> int:
        return self.summary.rows

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """The rows as tuples, in the order of `columns`."""
        for batch in self.arrow().to_batches():
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    def batches(self) -> Iterator[Any]:
        """The rows as `pyarrow.RecordBatch`es, as they come from home; in one pass, unless the
        answer is kept here.

        What was given is let go, so that a result may be larger than memory. The query goes on at
        home while they are taken, and stops when the loop is left. `HUGEINT` stays a decimal.
        """
        pa = package("pyarrow")
        if self._brought is not None:
            return iter(self.arrow().to_batches())
        self._pass()
        return self._batches(pa)

    def arrow(self) -> Any:
        """A `pyarrow.Table` with the query's own types. Raises `MissingPackage`.

        Only `HUGEINT`, the type of a sum of whole numbers, becomes int64 where every value fits.
        """
        pa = package("pyarrow")
        if self._table is None:
            self._table = plain(pa, self._rows(pa))
        return self._table

    def df(self) -> Any:
        """A pandas DataFrame. Raises `MissingPackage`.

        Decimals become float64 and dates become timestamps, which pandas computes with;
        `.arrow()` keeps both as they are.
        """
        pa, _ = package("pyarrow"), package("pandas")
        return arrow.frame(pa, arrow.without_decimals(pa, self._rows(pa)))

    def pl(self) -> Any:
        """A Polars DataFrame; needs no pyarrow. Raises `MissingPackage`."""
        polars = package("polars")
        try:
            return polars.from_arrow(self.arrow())
        except MissingPackage:
            self._incoming.summary()
            data = io.BytesIO(b"".join(self._incoming.pieces))
            return arrow.polars_frame(polars, data, self._whole())

    def to_numpy(self, by_column: bool = False) -> Any:
        """A NumPy array of rows and columns; with `by_column` a dict of one array a column.

        Columns of numbers and booleans only; a NULL becomes nan. Raises `BadInput` for others.
        """
        numpy, pa = package("numpy"), package("pyarrow")
        columns = arrow.arrays(pa, self.arrow())
        return columns if by_column else numpy.column_stack(list(columns.values()))

    def to_torch(self, by_column: bool = False) -> Any:
        """As `to_numpy`, in tensors of torch."""
        torch, numpy = package("torch"), package("numpy")
        found = self.to_numpy(by_column)
        if not by_column:
            return torch.from_numpy(arrow.for_torch(numpy, "result", found))
        tensor = {name: arrow.for_torch(numpy, name, each) for name, each in found.items()}
        return {name: torch.from_numpy(each) for name, each in tensor.items()}

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Arrow's own interface between libraries: `polars.DataFrame(result)` works."""
        return self.arrow().__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        return f"{self._preview().text()}\n{self._footer()}"

    def _repr_html_(self) -> str:
        road = escape(self._incoming.road)
        footer = f'<p><small title="by the {road} road">{self._footer()}</small></p>'
        return self._preview().html() + footer

    def _rows(self, pa: Any) -> Any:
        """All of them as a table, in a file as far as that takes them."""
        if self._brought is None:
            self._pass()
            try:
                with Progress() as progress:
                    table = self._taken(pa, progress)
            finally:
                self._incoming.close()  # home stops a query of which the rest is not wanted
            self._brought = arrow.whole_numbers(pa, table, self._whole())
        return self._brought

    def _taken(self, pa: Any, progress: Progress) -> Any:
        kept, source = self._incoming.in_file, self._source(pa, progress)
        with arrow.opened(pa, source) as reader:
            others = _counted(progress, reader)
            first = list(islice(others, 1))
            batches = chain(first, others)
            if first and first[0].nbytes > source.tell():  # it came packed
                return self._unpacked(pa, reader.schema, batches)
            table = pa.Table.from_batches(batches, reader.schema)
        self._incoming.summary()  # raises when the end was none
        if self._incoming.in_file is kept:
            return table
        with arrow.opened(pa, self._source(pa, progress)) as reader:  # memory need not hold it too
            return reader.read_all()

    def _unpacked(self, pa: Any, schema: Any, batches: Iterator[Any]) -> Any:
        with Unpacked(pa, schema) as unpacked:
            for batch in batches:
                unpacked.add(batch)
            self._incoming.summary()
            table, data = unpacked.table()
        if data is not None:
            self._incoming.keep_unpacked(data)
        return table

    def _source(self, pa: Any, progress: Progress) -> Any:
        """The answer as a file; that of one that is kept is not copied."""
        kept = self._incoming.in_file
        if kept is not None:
            return pa.BufferReader(pa.py_buffer(kept.data))
        return arrow.Source(self._incoming, progress)

    def _batches(self, pa: Any) -> Iterator[Any]:
        try:
            with Progress() as progress:
                with arrow.opened(pa, self._source(pa, progress)) as reader:
                    for batch in _counted(progress, reader):
                        yield plain(pa, batch)
                self._incoming.summary()  # raises when the end was none
        finally:
            self._incoming.close()

    def _pass(self) -> None:
        """The bytes are read once, unless they are kept."""
        if self._passed and self._incoming.in_file is None:
            raise BadInput(
                "The rows of this result were taken already, by .batches() or a call that failed.",
                hint="Ask again with rw.sql; .arrow() keeps the rows for as often as you like.",
            )
        self._passed = True

    def _whole(self) -> set[str]:
        """The columns of 128-bit whole numbers, which Arrow can only carry as decimals."""
        return {column.name for column in self.summary.columns if column.type == "HUGEINT"}

    def _preview(self) -> Preview:
        """The first rows; of a result that is not whole, from what is here."""
        self._incoming.read_ahead()
        if not self._incoming.is_whole and not self._passed:
            found = Preview.of_pieces(self._incoming.pieces)
            if found is not None:
                return found
        told = self.summary
        return Preview(told.columns, told.preview, more=told.rows > len(told.preview))

    def _footer(self) -> str:
        if not self._incoming.is_whole:
            size = bytes_text(self._incoming.size)
            return f"{size} are here, the rest stays at home until you take it: .batches(), .df()"
        told = self.summary
        if self._incoming.was_kept:
            return f"{rows_text(told.rows)} · unchanged at home, nothing crossed"
        # Home does not say what it read where that would tell of hidden rows.
        scanned = [f"{bytes_text(told.bytes_scanned)} scanned"] if told.bytes_scanned else []
        crossed = f"{bytes_text(told.bytes_sent)} crossed"
        return " · ".join((rows_text(told.rows), *scanned, crossed, f"{told.seconds:.2f} s"))


def _counted(progress: Progress, batches: Iterable[Any]) -> Iterator[Any]:
    """The batches, as their rows are shown."""
    progress.rows = 0
    for batch in batches:
        progress.rows += batch.num_rows
        yield batch
