"""JSON and NDJSON, plain or packed with gzip or zstd: DuckDB reads them as they are."""

from __future__ import annotations

from ropeway.data.engines.csv import struct
from ropeway.data.files import Files


def arguments(files: Files) -> list[str]:
    """What `read_json` is told beyond the paths. `columns`, where given, are all columns."""
    types = files.options.get("columns")
    return [f"columns={struct(types)}"] if types else []
