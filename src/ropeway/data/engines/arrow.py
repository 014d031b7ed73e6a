"""Arrow IPC (Feather 2) files and streams, turned into Parquet once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.feather  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from ropeway.data.problem import because
from ropeway.errors import BadInput

_FILE = b"ARROW1"
_OLD = b"FEA1"


def convert(path: Path, target: Path, options: Mapping[str, Any]) -> None:
    """Write what `path` holds to `target` as Parquet. Raises `BadInput`."""
    try:
        schema, batches = _read(path)
        write(target, schema, batches)
    except (pa.ArrowException, OSError) as error:
        raise because(BadInput("It cannot be read as an Arrow file."), str(error)) from None


def write(target: Path, schema: Any, batches: Iterator[Any]) -> None:
    """Parquet with the batches, a few in memory at a time."""
    with pq.ParquetWriter(target, schema, compression="zstd", compression_level=1) as writer:
        for batch in batches:
            writer.write_batch(batch)


def _read(path: Path) -> tuple[Any, Iterator[Any]]:
    with path.open("rb") as file:
        head = file.read(6)
    if head[:4] == _OLD:
        table = pa.feather.read_table(path)
        return table.schema, iter(table.to_batches())
    source = pa.memory_map(str(path))
    if head == _FILE:
        reader = pa.ipc.open_file(source)
        numbers = range(reader.num_record_batches)
        return reader.schema, (reader.get_batch(number) for number in numbers)
    stream = pa.ipc.open_stream(source)
    return stream.schema, iter(stream)
