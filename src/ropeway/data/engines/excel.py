"""Excel and OpenDocument workbooks, a sheet of which is turned into Parquet once
(`ropeway[excel]`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from ropeway.data.engines.arrow import write
from ropeway.data.engines.types import fit
from ropeway.data.problem import because, missing
from ropeway.errors import BadInput

_EXACT = 2.0**53
"""Whole numbers up to here are exact where a workbook keeps them, in floating point."""


def convert(path: Path, target: Path, options: Mapping[str, Any]) -> None:
    """Write the sheet `options` name to `target` as Parquet. Raises `BadInput`."""
    try:
        import fastexcel
    except ImportError:
        raise missing("Excel", "excel") from None
    try:
        book = fastexcel.read_excel(path)
        sheet = _sheet(book.sheet_names, options.get("sheet"))
        header = 0 if options.get("header", True) else None
        loaded = book.load_sheet(
            sheet, header_row=header, skip_rows=options.get("skip"), schema_sample_rows=None
        )
        batch = loaded.to_arrow()
    except fastexcel.FastExcelError as error:
        raise because(
            BadInput("It cannot be read as an Excel workbook."), str(error), f"at {path}"
        ) from None
    table = _typed(batch, options.get("columns", {}))
    write(target, table.schema, iter(table.to_batches()))


def _sheet(names: list[str], wanted: str | None) -> str:
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted in names:
        return str(wanted)
    asked = f"There is no sheet {wanted!r}." if wanted else "The workbook has several sheets."
    raise because(
        BadInput(asked, hint='Name one: --sheet NAME, or sheet = "…" in ropeway.toml.'),
        f"Its sheets are {', '.join(names)}.",
    )


def _typed(batch: Any, wanted: Mapping[str, str]) -> Any:
    """Whole numbers as such, and the types that were asked for: a workbook knows only numbers."""
    columns = {
        name: fit(name, column, wanted[name]) if name in wanted else _whole(column)
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    }
    return pa.table(columns)


def _whole(column: Any) -> Any:
    if not pa.types.is_floating(column.type) or column.null_count == len(column):
        return column
    same = pc.and_(pc.equal(column, pc.trunc(column)), pc.less(pc.abs(column), _EXACT))
    return column.cast(pa.int64()) if pc.all(same).as_py() else column
