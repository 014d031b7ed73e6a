"""The process that makes a Parquet file of what a kernel put: `python -m ropeway.data.intake`.

It reads an Arrow IPC stream from stdin and writes the file named by `--to`, compressed with zstd.
The stream comes from a machine that home does not trust, so it is read here and nowhere else: with
a bound on memory and on the file, every batch checked whole. It prints `{"rows": ...}`, or
`{"error": ...}`, as JSON. Nothing counts before the parent publishes the file.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import sys
from pathlib import Path
from typing import Any, BinaryIO

import psutil
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from ropeway.errors import BadInput, NotSaved, RopewayError

MEMORY = 2_000_000_000
"""Bytes of address space beyond what this process begins with."""

GROUP_ROWS = 122_880
GROUP_BYTES = 64 * 1024 * 1024
"""A row group of the file is full when it has as many."""

MOST_COLUMNS = 4096

FREE = 1_000_000_000
"""Bytes that stay free on home's disk."""


def main() -> None:
    """Read, write, tell."""
    parser = argparse.ArgumentParser(prog="python -m ropeway.data.intake")
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--most", type=int, required=True)
    given = parser.parse_args()
    _bound(given.most)
    told: dict[str, Any]
    try:
        told = {"rows": write(sys.stdin.buffer, given.to, given.most)}
    except RopewayError as error:
        told = {"error": error.to_json()}
    print(json.dumps(told))


def write(stream: BinaryIO, path: Path, most: int) -> int:
    """Write the table to `path`, durably, and give its rows. Raises `BadInput` or `NotSaved`."""
    try:
        with pa.ipc.open_stream(stream) as reader, path.open("wb") as file:
            rows = _rows(reader, file, most)
            file.flush()
            os.fsync(file.fileno())
            return rows
    except MemoryError:
        raise BadInput(
            "A batch of the table needs more memory than home gives it.",
            hint="Put it in smaller batches: an iterator of pyarrow.RecordBatch.",
        ) from None
    except OSError as error:
        raise NotSaved(f"Home could not write the table: {error.strerror or error}.") from None
    except pa.ArrowException as error:
        # Of the sender's own bytes, so it tells him nothing that he does not know.
        raise BadInput(f"The table cannot be kept: {str(error).splitlines()[0]}") from None


def _rows(reader: Any, file: BinaryIO, most: int) -> int:
    schema = _checked(reader.schema)
    held: list[Any] = []
    rows = 0
    with pq.ParquetWriter(file, schema, compression="zstd", compression_level=1) as writer:
        for batch in reader:
            batch.validate(full=True)
            held.append(batch)
            rows += batch.num_rows
            if _is_full(held):
                _write(writer, schema, held)
                _look_for_room(file, most)
        if held or not rows:
            _write(writer, schema, held)
            _look_for_room(file, most)
    return rows


def _checked(schema: Any) -> Any:
    """The schema as it is written: texts for dictionaries. Raises `BadInput`."""
    names = [name.lower() for name in schema.names]
    if not names or len(names) > MOST_COLUMNS:
        raise BadInput(f"The table has {len(names)} columns; 1 to {MOST_COLUMNS:,} can be put.")
    for name in names:
        if not name or names.count(name) > 1:
            raise BadInput(
                f"The table has two columns named {name!r}." if name else "A column has no name.",
                hint="A query tells columns by their names, small and capital letters alike.",
            )
    return _decoded(schema.empty_table()).schema


def _decoded(table: Any) -> Any:
    """Values for the dictionaries that only saved bytes on the way."""
    columns = [
        column.cast(field.type.value_type) if pa.types.is_dictionary(field.type) else column
        for column, field in zip(table.columns, table.schema, strict=True)
    ]
    return pa.table(columns, names=table.column_names)


def _is_full(held: list[Any]) -> bool:
    rows: int = sum(batch.num_rows for batch in held)
    size: int = sum(batch.nbytes for batch in held)
    return rows >= GROUP_ROWS or size >= GROUP_BYTES


def _write(writer: Any, schema: Any, held: list[Any]) -> None:
    parts = [_decoded(pa.Table.from_batches([batch])).cast(schema) for batch in held]
    writer.write_table(pa.concat_tables(parts) if parts else schema.empty_table())
    held.clear()


def _look_for_room(file: BinaryIO, most: int) -> None:
    if file.tell() > most:
        raise NotSaved(f"The table is larger than {most:,} bytes, the most that may be put.")
    if shutil.disk_usage(file.name).free < FREE:
        raise NotSaved("Home's disk is full.", hint="Make room at home; nothing was kept.")


def _bound(most: int) -> None:
    """Bounds for this process, which a batch that claims to be huge runs into."""
    used = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (most + FREE, most + FREE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
