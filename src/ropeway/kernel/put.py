"""Results on their way home: `rw.put(df, "scores")`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from ropeway import wire
from ropeway.errors import BadInput
from ropeway.kernel import road
from ropeway.kernel.arrow import package
from ropeway.kernel.progress import Progress
from ropeway.kernel.result import Result

BATCH_ROWS = 65_536
"""Rows of one batch on the way."""

PIECE = 1024 * 1024
"""Bytes that are sent at a time, or a batch where that is more."""


def put(table: Any, name: str, *, if_exists: str = "new version") -> wire.Receipt:
    """Send a table home, where it is the dataset `name` from then on.

    `table` is a pandas, Polars or pyarrow table, a result of `rw.sql`, a dict of columns, or an
    iterator of `pyarrow.RecordBatch`es, which may be longer than memory. Home writes it as Parquet;
    what was put under that name before stays as an older version, and `if_exists="error"` refuses
    instead. A dataset that was added at home is never replaced. Nothing is kept of a table that
    did not come whole.

        rw.put(df, "scores")
        rw.sql("select count(*) from scores")
    """
    pa = package("pyarrow")
    schema, batches, rows = _batches(pa, table)
    with Progress(rows=rows, doing="sending", done="sent") as progress:
        stream = _stream(pa, schema, batches, progress)
        receipt = road.put(name, if_exists, stream, progress.again)
    return wire.from_json(wire.Receipt, receipt)


def _batches(pa: Any, table: Any) -> tuple[Any, Iterable[Any], int]:
    """The schema, the batches, and how many rows there are; 0 where nobody knows yet."""
    whole = _whole(pa, table)
    if whole is not None:
        return whole.schema, whole.to_batches(max_chunksize=BATCH_ROWS), whole.num_rows
    if isinstance(table, pa.RecordBatchReader):
        return table.schema, table, 0
    if not hasattr(table, "__next__") and not isinstance(table, (list, tuple)):
        raise _no_table(table)
    batches = iter(table)
    first = next(batches, None)
    if not isinstance(first, pa.RecordBatch):
        raise _no_table(first)
    return first.schema, chain((first,), batches), 0


def _whole(pa: Any, table: Any) -> Any:
    """A `pyarrow.Table` of what is here at once, else None."""
    if isinstance(table, Result):
        return table.arrow()
    if isinstance(table, pa.Table):
        return table
    if isinstance(table, pa.RecordBatch):
        return pa.Table.from_batches([table])
    if isinstance(table, Mapping):
        return pa.table(dict(table))
    library = type(table).__module__.partition(".")[0]
    if library == "pandas" and hasattr(table, "columns"):
        named = any(name is not None for name in table.index.names)
        return pa.Table.from_pandas(table, preserve_index=named).replace_schema_metadata()
    if library == "polars" and hasattr(table, "to_arrow") and hasattr(table, "columns"):
        oldest = getattr(package("polars"), "CompatLevel", None)
        return table.to_arrow(**({"compat_level": oldest.oldest()} if oldest else {}))
    return None


def _stream(pa: Any, schema: Any, batches: Iterable[Any], progress: Progress) -> Iterator[bytes]:
    """The batches as an Arrow stream, in pieces."""
    sink = _Sink()
    crossed = progress.rows = 0
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(pa.PythonFile(sink, "w"), schema, options=options) as writer:
        for batch in batches:
            if not isinstance(batch, pa.RecordBatch) or batch.schema != schema:
                raise BadInput(
                    "The batches of a table are pyarrow.RecordBatches of one schema.",
                    hint="Give those that differ names of their own.",
                )
            writer.write_batch(batch)
            progress.rows += batch.num_rows
            if sink.size >= PIECE:
                crossed += sink.size
                yield sink.take()
                progress(crossed)
    yield sink.take()


class _Sink:
    """A file that keeps what was written until it is taken."""

    closed = False

    def __init__(self) -> None:
        self.size = 0
        self._parts: list[bytes] = []

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """Nothing to close."""

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        self.size = 0
        return taken


def _no_table(found: Any) -> BadInput:
    return BadInput(
        f"rw.put wants a table, not {'nothing' if found is None else f'a {type(found).__name__}'}.",
        hint="A pandas, Polars or pyarrow table, or an iterator of pyarrow.RecordBatch.",
    )
