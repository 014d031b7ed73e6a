"""`ropeway ledger`: what crossed from home, for whom and why, and whether that record is whole."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from ropeway.data import ledger as book
from ropeway.duration import seconds
from ropeway.errors import BadInput
from ropeway.kernel.words import bytes_text
from ropeway.wire import LedgerEntry, LedgerRecord, to_json

_STYLES = {"refused": "yellow", "failed": "red", "unfinished": "red", "cancelled": "dim"}

_AT_ONCE = 10_000
"""Records that are written at a time."""

_WIDE = 500

_DAMAGED = 3
"""The exit code of a ledger that is not whole."""


@click.group(invoke_without_command=True)
@click.option("--since", default="", help="No older than this: 30m, 8h, 7d.")
@click.option("--dataset", default="", help="Only of this dataset.")
@click.option("--runtime", default="", help="Only for this runtime, and values from it.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines, oldest first, all of them.")
@click.pass_context
def ledger(
    context: click.Context, since: str, dataset: str, runtime: str, limit: int, as_json: bool
) -> None:
    """List what crossed from home and what was refused, the newest last.

    \b
    Examples:
      ropeway ledger --since 7d --dataset sales
      ropeway ledger --runtime gpu --json
      ropeway ledger verify
      ropeway ledger export july.parquet --since 31d
    """
    if context.invoked_subcommand is not None:
        return
    found = _chosen(since, dataset, runtime)
    if as_json:
        for record in found:
            click.echo(json.dumps(_flat(record), ensure_ascii=False))
        return
    last: list[LedgerRecord] = []
    for record in found:
        last = [*last[-limit + 1 :], record] if limit > 1 else [record]
    if last:
        # In a pipe nothing is cut off.
        Console(width=None if sys.stdout.isatty() else _WIDE).print(_table(last))
    else:
        click.echo("Nothing crossed.")


@ledger.command()
@click.option("--expect", default="", metavar="HASH", help="A hash that you noted elsewhere.")
def verify(expect: str) -> int:
    """Look whether any record was edited, removed, moved or added. Exit code 3 if so.

    It prints the hash of the last record. Note it down elsewhere, and give it with --expect another
    time: that also finds a ledger that was written anew as a whole.

    \b
    Examples:
      ropeway ledger verify
      ropeway ledger verify --expect 9f2c…
    """
    verdict = book.verify(_folder(), expect)
    for note in verdict.notes:
        click.echo(f"note: {note}")
    for finding in verdict.findings:
        click.secho(str(finding), fg="red")
    if verdict.findings:
        click.echo(f"The ledger is damaged: {len(verdict.findings)} finding(s).", err=True)
        return _DAMAGED
    click.echo(f"{verdict.records} records, none changed. The last: {verdict.hash}")
    return 0


@ledger.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--since", default="", help="No older than this: 30m, 8h, 7d.")
@click.option("--dataset", default="", help="Only of this dataset.")
@click.option("--runtime", default="", help="Only for this runtime.")
def export(file: Path, since: str, dataset: str, runtime: str) -> None:
    """Write the records to FILE: JSON lines (.jsonl) or Parquet (.parquet).

    \b
    Examples:
      ropeway ledger export ledger.jsonl
      ropeway ledger export ledger.parquet --since 30d
    """
    writers = {".jsonl": _write_lines, ".parquet": _write_parquet}
    if file.suffix not in writers:
        raise BadInput(f"{file} is of no kind that can be written.", hint="Use .jsonl or .parquet.")
    if file.exists():
        raise BadInput(f"{file} exists already.", hint="Choose another name, or remove it first.")
    count = writers[file.suffix](file, _chosen(since, dataset, runtime))
    click.echo(f"{count} records written to {file}.")


def _write_lines(file: Path, records: Iterator[LedgerRecord]) -> int:
    count = 0
    with file.open("w", encoding="utf-8") as out:
        for record in records:
            out.write(json.dumps(_flat(record), ensure_ascii=False) + "\n")
            count += 1
    return count


def _write_parquet(file: Path, records: Iterator[LedgerRecord]) -> int:
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    kinds = {int: pa.int64(), float: pa.float64(), list: pa.list_(pa.string())}
    blank = _flat(LedgerRecord(0, "", "", LedgerEntry("", ""), ""))
    fields = [(name, kinds.get(type(value), pa.string())) for name, value in blank.items()]
    schema, count = pa.schema(fields), 0
    with pq.ParquetWriter(file, schema) as out:
        while rows := [_flat(record) for record in islice(records, _AT_ONCE)]:
            out.write_table(pa.Table.from_pylist(rows, schema=schema))
            count += len(rows)
    return count


def _chosen(since: str, dataset: str, runtime: str) -> Iterator[LedgerRecord]:
    first = ""
    if since:
        first = (datetime.now(UTC) - timedelta(seconds=seconds("--since", since))).isoformat()
    for record in book.crossings(book.read(_folder(), first)):
        entry = record.entry
        between = ("", entry.runtime, entry.source)
        if (not dataset or dataset in entry.datasets) and runtime in between:
            yield record


def _folder() -> Path:
    return book.folder_of(Path.cwd())


def _flat(record: LedgerRecord) -> dict[str, object]:
    body = to_json(record)
    entry = body.pop("entry")
    return {**body, **entry}


def _table(records: list[LedgerRecord]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("time", "runtime", "class", "datasets", "what", "state", "rows", "crossed", ""):
        right = column in ("rows", "crossed")
        table.add_column(
            column,
            justify="right" if right else "left",
            no_wrap=column == "time",
            overflow="fold",
        )
    for record in records:
        entry = record.entry
        table.add_row(
            datetime.fromisoformat(record.time).astimezone().strftime("%Y-%m-%d %H:%M:%S"),
            entry.runtime,
            entry.runtime_class,
            ", ".join(entry.datasets) or _value(entry),
            entry.what,
            f"[{_STYLES[entry.state]}]{entry.state}[/]" if entry.state in _STYLES else entry.state,
            f"{entry.rows:,}",
            bytes_text(entry.bytes_crossed),
            _said(record),
        )
    return table


def _value(entry: LedgerEntry) -> str:
    """What crossed between kernels, as the one that sent it says."""
    return f"{entry.value} ({entry.type})" if entry.value else ""


def _said(record: LedgerRecord) -> str:
    """Where it was asked and, of what did not go well, why."""
    where = " ".join(part for part in (record.entry.notebook, record.entry.cell[:8]) if part)
    source = f"from {record.entry.source}" if record.entry.source else ""
    return " · ".join(part for part in (source, where, record.entry.reason) if part)
