"""`ropeway data`: which data at home can be asked for, and a look at it from the shell."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

import click
from rich.console import Console
from rich.table import Table

from ropeway.config import PROJECT_FILE
from ropeway.data import catalog
from ropeway.data.query import Answer, Home
from ropeway.errors import BadInput
from ropeway.kernel.words import bytes_text, rows_text
from ropeway.wire import Dataset, Query, Summary


@click.group()
def data() -> None:
    """Data at home that notebooks on any runtime may ask for.

    \b
    Examples:
      ropeway data add sales data/sales.csv
      ropeway data query "select count(*) from sales"
    """


@data.command()
@click.argument("name")
@click.argument("source")
def add(name: str, source: str) -> None:
    """Make SOURCE known to notebooks as the table NAME.

    SOURCE is a CSV, TSV, JSON, NDJSON or Parquet file, a folder of such files, or a glob. It is
    written into the nearest ropeway.toml, or into a new one here; no data is copied.

    \b
    Examples:
      ropeway data add sales data/sales.csv
      ropeway data add events 'logs/**/*.ndjson.gz'
    """
    here = Path.cwd()
    entry = catalog.add(here, name, source)
    files = entry.files()
    count = len(files.paths)
    what = f"{count} files" if count > 1 else "1 file"
    place = entry.base / PROJECT_FILE
    click.echo(f"Added {name} to {place}: {entry.source} ({what}, {bytes_text(files.size)})")
    if problem := _dataset(Home(here), name).error:
        click.echo(f"But it cannot be read yet: {problem}", err=True)
    else:
        query = f"select * from {name} limit 10"  # noqa: S608  # shown to a person, not run
        click.echo(f'In a cell: import ropeway as rw; rw.sql("{query}")')


@data.command()
def ls() -> None:
    """List the datasets.

    \b
    Example:
      ropeway data ls
    """
    entries = catalog.load(Path.cwd()).entries
    if not entries:
        click.echo("No dataset was added yet: ropeway data add NAME SOURCE")
        return
    table = Table("name", "source", "columns", "state", box=None, header_style="bold")
    for each in Home(Path.cwd()).datasets():
        state = each.error or "ready"
        table.add_row(each.name, entries[each.name].source, str(len(each.columns)), state)
    _console().print(table)


@data.command()
@click.argument("name")
def rm(name: str) -> None:
    """Forget the dataset NAME; its files stay.

    \b
    Example:
      ropeway data rm sales
    """
    catalog.remove(Path.cwd(), name)
    click.echo(f"Removed {name}; its files are untouched.")


@data.command()
@click.argument("name")
def show(name: str) -> None:
    """Show the columns and the size of the dataset NAME.

    \b
    Example:
      ropeway data show sales
    """
    entry = catalog.load(Path.cwd())[name]
    files = entry.files()
    found = _dataset(Home(Path.cwd()), name)
    click.echo(f"{name}: {entry.source}")
    click.echo(f"{files.kind}, {len(files.paths)} file(s), {bytes_text(files.size)}")
    if found.error:
        click.echo(f"It cannot be read: {found.error}", err=True)
        return
    table = Table("column", "type", box=None, header_style="bold")
    for column in found.columns:
        table.add_row(column.name, column.type)
    _console().print(table)


@data.command()
@click.argument("sql")
@click.option("--param", "-p", multiple=True, metavar="NAME=VALUE", help="Bind $NAME to VALUE.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["table", "csv", "json", "arrow"]),
    default="table",
    show_default=True,
    help="json writes one object a line; arrow is an Arrow IPC stream.",
)
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Write to this file.")
def query(sql: str, param: tuple[str, ...], kind: str, output: Path | None) -> None:
    """Run one SELECT over the datasets, under the rules that hold for notebooks.

    \b
    Examples:
      ropeway data query "select region, sum(amount) from sales group by region"
      ropeway data query "select * from sales where amount > \\$low" -p low=10 --format csv -o a.csv
    """
    answer = Home(Path.cwd()).prepare(Query(sql, dict(_param(each) for each in param)))
    try:
        if output is None:
            _write(kind, answer, sys.stdout.buffer)
            sys.stdout.flush()
        else:
            _replace(output, lambda file: _write(kind, answer, file))
    finally:
        answer.close()
    click.echo(_footer(answer.summary()), err=True)


def _replace(output: Path, write: Callable[[BinaryIO], None]) -> None:
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


def _param(text: str) -> tuple[str, Any]:
    """`low=10`: the value as JSON where it is JSON, else as text."""
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise BadInput(f"The parameter {text!r} has no value.", hint="Write -p low=10.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _write(kind: str, answer: Answer, out: BinaryIO) -> None:
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
    names, rows = _rows(answer)
    table = Table(*names, box=None, header_style="bold")
    for row in rows:
        table.add_row(*("NULL" if value is None else str(value) for value in row))
    console = _console()
    with console.capture() as captured:
        console.print(table)
    out.write(captured.get().encode())


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
        self._held = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._held:
            self._held = next(self._answer, b"")
        taken = self._held[: len(buffer)]
        buffer[: len(taken)] = taken
        self._held = self._held[len(taken) :]
        return len(taken)


def _dataset(home: Home, name: str) -> Dataset:
    return next(each for each in home.datasets() if each.name == name)


def _footer(told: Summary) -> str:
    scanned = f"{bytes_text(told.bytes_scanned)} scanned"
    return f"{rows_text(told.rows)} · {scanned} · {told.seconds:.2f} s"


def _console() -> Console:
    return Console(soft_wrap=True)
