"""An answer's rows in a shell: as a table, CSV, JSON lines or Arrow, to the screen or a file."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ropeway.data.answer import Answer
from ropeway.errors import BadInput


def replace(output: Path, write: Callable[[BinaryIO], None]) -> None:
    """Put a new file in the place of `output` once it is whole: a failed query leaves the old."""
    fresh = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    try:
        with fresh.open("wb") as file:
            write(file)
        fresh.replace(output)
    except OSError as error:
        raise BadInput(f"{output} cannot be written: {error.strerror}.") from error
    finally:
        fresh.unlink(missing_ok=True)


def write(kind: str, answer: Answer, out: BinaryIO) -> None:
    """Write the whole answer in one of the formats."""
    writers: dict[str, Callable[[Answer, BinaryIO], None]] = {
        "table": _write_table,
        "csv": _write_csv,
        "json": _write_json,
        "arrow": _write_arrow,
    }
    writers[kind](answer, out)


def _write_arrow(answer: Answer, out: BinaryIO) -> None:
    for chunk in answer:
        out.write(chunk)


def _write_csv(answer: Answer, out: BinaryIO) -> None:
    text = io.TextIOWrapper(out, "utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    names, rows = _rows(answer)
    writer.writerow(names)
    writer.writerows(rows)
    text.detach()


def _write_json(answer: Answer, out: BinaryIO) -> None:
    names, rows = _rows(answer)
    for row in rows:
        line = json.dumps(dict(zip(names, row, strict=True)), default=_plain, ensure_ascii=False)
        out.write(line.encode() + b"\n")


def _plain(value: object) -> Any:
    """What JSON lacks: numbers stay numbers, all else is text."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value)


def _write_table(answer: Answer, out: BinaryIO) -> None:
    out.write(table(*_rows(answer)).encode())


def table(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Rows as people read them."""
    drawn = Table(*(escape(name) for name in names), box=None, header_style="bold")
    for row in rows:
        drawn.add_row(*("NULL" if value is None else escape(str(value)) for value in row))
    console = Console(soft_wrap=True)
    with console.capture() as captured:
        console.print(drawn)
    return captured.get()


def _rows(answer: Answer) -> tuple[list[str], Any]:
    """The names of the columns and an iterator of the rows; reads the stream as it comes."""
    import pyarrow as pa  # type: ignore[import-untyped]

    reader = pa.ipc.open_stream(_Source(answer))
    names = [str(name) for name in reader.schema.names]
    rows = (
        row
        for batch in reader
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)
    )
    return names, rows


class _Source(io.RawIOBase):
    """An answer's chunks as a file."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self._answer = answer
        self._held = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._held:
            self._held = memoryview(next(self._answer, b""))
        taken = self._held[: len(buffer)]
        buffer[: len(taken)] = taken
        self._held = self._held[len(taken) :]
        return len(taken)
