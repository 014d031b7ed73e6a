"""`ropeway data`: which data at home can be asked for, and a look at it from the shell."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from ropeway.cli.policy import policy
from ropeway.cli.rows import replace, table, write
from ropeway.config import PROJECT_FILE
from ropeway.data import catalog, passwords
from ropeway.data.query import Home
from ropeway.data.sources import Database, Files, columns, is_url, rows
from ropeway.errors import BadInput, RopewayError
from ropeway.kernel.words import bytes_text, rows_text
from ropeway.wire import Query, Summary


@click.group()
def data() -> None:
    """Data at home that notebooks on any runtime may ask for.

    \b
    Examples:
      ropeway data add sales data/sales.csv
      ropeway data query "select count(*) from sales"
    """


data.add_command(policy)


@data.command()
@click.argument("name")
@click.argument("source")
@click.option("--table", "-t", help="The table or view of a database; also schema.table.")
@click.option("--query", "-q", help="A SELECT in the database's own SQL instead of a table.")
@click.option("--sheet", help="The sheet of a workbook.")
@click.option("--format", "kind", help="The kind of file, where its ending does not tell.")
@click.option("--delimiter", help="What stands between two values of a CSV file.")
@click.option("--no-header", is_flag=True, help="The first row is no row of names.")
@click.option("--column", "-c", multiple=True, metavar="NAME=TYPE", help="Give a column this type.")
@click.option(
    "--option", "-o", multiple=True, metavar="NAME=VALUE", help="Any other option of the source."
)
def add(
    name: str,
    source: str,
    kind: str | None,
    no_header: bool,
    column: tuple[str, ...],
    option: tuple[str, ...],
    **given: str | None,
) -> None:
    """Make SOURCE known to notebooks as the table NAME.

    SOURCE is a file (CSV, JSON, Parquet, Avro, Arrow, Excel, SQLite), a folder or a glob of such
    files, a URL of one, or a database's address. It is opened once, then written into the nearest
    ropeway.toml, or into a new one here. A password in a URL goes into the system's keyring or a
    private file, never into ropeway.toml.

    \b
    Examples:
      ropeway data add sales data/sales.csv
      ropeway data add events 'logs/**/*.ndjson.gz'
      ropeway data add people people.xlsx --sheet Staff
      ropeway data add orders postgresql://ann:pw@db.example/shop --table orders
      ropeway data add trips s3://bucket/trips/ -o storage='{"region": "eu-west-1"}'
    """
    options: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    options |= {"format": kind} if kind else {}
    options |= {"header": False} if no_header else {}
    options |= {"columns": dict(_pair(each) for each in column)} if column else {}
    options |= dict(_param(each) for each in option)
    added = catalog.add(Path.cwd(), name, source, options)
    entry = added.entry
    click.echo(
        f"Added {name} to {entry.base / PROJECT_FILE}: {entry.source} ({_size(added.found)})"
    )
    if added.kept:
        click.echo(f"Its password is in {added.kept}.")
    click.echo(table(["column", "type"], [(each.name, each.type) for each in added.columns]))
    query = f"select * from {name} limit 10"  # noqa: S608  # shown to a person, not run
    click.echo(f'In a cell: import ropeway as rw; rw.sql("{query}")')


@data.command()
def ls() -> None:
    """List the datasets. What is elsewhere is not looked at.

    \b
    Example:
      ropeway data ls
    """
    entries = catalog.load(Path.cwd()).entries
    if not entries:
        click.echo("No dataset was added yet: ropeway data add NAME SOURCE")
        return
    told = [(name, entry.source, *_state(entry)) for name, entry in sorted(entries.items())]
    click.echo(table(["name", "source", "size", "state"], told), nl=False)


@data.command()
@click.argument("name")
def rm(name: str) -> None:
    """Forget the dataset NAME; its files stay.

    \b
    Example:
      ropeway data rm sales
    """
    catalog.remove(Path.cwd(), name)
    click.echo(f"Removed {name}; its data is untouched.")


@data.command()
@click.argument("name")
def show(name: str) -> None:
    """Show the columns and the size of the dataset NAME.

    \b
    Example:
      ropeway data show sales
    """
    entry = catalog.load(Path.cwd())[name]
    found = entry.open()
    seen = columns(found)
    click.echo(f"{name}: {entry.source}")
    click.echo(", ".join([found.kind, _size(found), *_counted(found)]))
    click.echo(table(["column", "type"], [(each.name, each.type) for each in seen]), nl=False)


@data.command()
@click.argument("name")
@click.option("-n", "count", default=20, show_default=True, help="How many rows.")
def preview(name: str, count: int) -> None:
    """Show the first rows of the dataset NAME.

    \b
    Example:
      ropeway data preview sales -n 5
    """
    _ = catalog.load(Path.cwd())[name]
    with Home(Path.cwd()) as home:
        asked = Query(f"select * from {name} limit {int(count)}")  # noqa: S608  # a checked name
        with closing(home.prepare(asked)) as answer:
            write("table", answer, sys.stdout.buffer)
            sys.stdout.flush()


@data.command()
@click.argument("name")
def password(name: str) -> None:
    """Keep the password for the source of the dataset NAME, in the keyring or a private file.

    It is asked for, unseen, or read from the standard input where that is no terminal.

    \b
    Examples:
      ropeway data password orders
      pass show shop | ropeway data password orders
    """
    entry = catalog.load(Path.cwd())[name]
    if not is_url(entry.source):
        raise BadInput(f"The source of {name} is no URL: it has no password.")
    given = (
        click.prompt("Password", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline()
    )
    click.echo(f"Kept in {passwords.keep(entry.source, {'password': given.rstrip(chr(10))})}.")


@data.command()
@click.argument("name")
def versions(name: str) -> None:
    """List the versions of the dataset NAME that a notebook put here.

    The last one is what a query sees. Each is a Parquet file; removing the newest brings the one
    before it back.

    \b
    Example:
      ropeway data versions scores
    """
    if not catalog.load(Path.cwd())[name].put:
        raise BadInput(
            f"{name} was added, not put: it has no versions.",
            hint='A notebook puts a table here with rw.put(df, "name").',
        )
    found = catalog.shelf(Path.cwd()).versions(name)
    click.echo(f"In {found[-1].path.parent}:")
    told = [
        (
            str(each.number),
            f"{datetime.fromtimestamp(each.time):%Y-%m-%d %H:%M:%S}",
            bytes_text(each.size),
            each.path.name,
        )
        for each in found
    ]
    click.echo(table(["version", "time", "size", "file"], told), nl=False)


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
    with Home(Path.cwd()) as home:
        answer = home.prepare(Query(sql, dict(_param(each) for each in param)))
        with closing(answer):
            if output is None:
                write(kind, answer, sys.stdout.buffer)
                sys.stdout.flush()
            else:
                replace(output, lambda file: write(kind, answer, file))
    click.echo(_footer(answer.summary()), err=True)


def _param(text: str) -> tuple[str, Any]:
    """`low=10`: the value as JSON where it is JSON, else as text."""
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise BadInput(f"The parameter {text!r} has no value.", hint="Write -p low=10.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.rpartition("=")
    if not separator or not name or not value:
        raise BadInput(f"{text!r} is not NAME=TYPE.", hint="For example -c price='DECIMAL(10,2)'.")
    return name, value


def _state(entry: catalog.Entry) -> tuple[str, str]:
    """Size and state; of what is elsewhere neither, because asking may take long."""
    if is_url(entry.source):
        return "", "elsewhere"
    try:
        return _size(entry.open()), "ready"
    except RopewayError as error:
        return "", error.message


def _size(found: Files | Database) -> str:
    if isinstance(found, Database):
        return "a database"
    count = len(found.paths)
    return f"{count} files, {bytes_text(found.size)}" if count > 1 else (
        f"1 file, {bytes_text(found.size)}"
    )  # fmt: skip


def _counted(found: Files | Database) -> list[str]:
    told = rows(found)
    if told is None:
        return []
    number, exact = told
    return [rows_text(number) if exact else f"about {rows_text(number)}"]


def _footer(told: Summary) -> str:
    scanned = f"{bytes_text(told.bytes_scanned)} scanned"
    return f"{rows_text(told.rows)} · {scanned} · {told.seconds:.2f} s"
