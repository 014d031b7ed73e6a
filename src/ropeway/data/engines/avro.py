"""Avro object container files, turned into Parquet once (`ropeway[avro]`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ropeway.data.problem import because, missing
from ropeway.errors import BadInput


def convert(path: Path, target: Path, options: Mapping[str, Any]) -> None:
    """Write what `path` holds to `target` as Parquet. Raises `BadInput` or `MissingPackage`."""
    try:
        import polars
        import polars_avro
    except ImportError:
        raise missing("Avro", "avro") from None
    try:
        frame = polars_avro.scan_avro(path, glob=False, batch_size=16_384)
        frame.sink_parquet(target, compression="zstd", compression_level=1)
    except (polars_avro.AvroError, polars_avro.AvroSpecError, polars.exceptions.PolarsError) as why:
        raise because(
            BadInput(
                "It cannot be read as an Avro file.",
                hint="Unions of several types besides null have no place in a table.",
            ),
            str(why),
        ) from None
