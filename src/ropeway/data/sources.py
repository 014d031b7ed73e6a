"""From the source that a person wrote down to what is behind it: files, or a database's table."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import duckdb

from ropeway import config
from ropeway.data import copies, options, remote
from ropeway.data.engines import arrow, avro, csv, excel, json, mysql, parquet, postgres, sqlite
from ropeway.data.engines.database import Database, Feed, Filter
from ropeway.data.files import SUPPORTED, Files, Place, find, kind_of_name, quoted, stamp
from ropeway.data.problem import because
from ropeway.errors import BadInput
from ropeway.wire import Column

__all__ = [
    "SUPPORTED",
    "Database",
    "Feed",
    "Files",
    "Filter",
    "columns",
    "expand",
    "is_url",
    "kind_of_name",
    "late",
    "quoted",
    "reader",
    "rows",
    "sniff",
]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_CONVERTERS = {"avro": avro.convert, "excel": excel.convert, "arrow": arrow.convert}
_DATABASES: Mapping[str, Callable[[str, Mapping[str, Any]], Database]] = {
    "postgresql": postgres.Table,
    "postgres": postgres.Table,
    "mysql": mysql.Table,
    "mariadb": mysql.Table,
}
_CALLS = {"csv": "read_csv", "json": "read_json", "parquet": "read_parquet"}
_ARGUMENTS = {"csv": csv.arguments, "json": json.arguments}


def is_url(source: str) -> bool:
    """Whether the source is a URL and no path."""
    return _URL.match(source) is not None


def expand(source: str, base: Path, options_: Mapping[str, Any] | None = None) -> Files | Database:
    """What `source` means now: exact files at home, or a table of a database.

    A relative path counts from the folder `base`. What is elsewhere, or what DuckDB does not
    read, is a private copy that is made here when there is none of today's source. Raises
    `NotFound`, `BadInput`, `MissingPackage` or `QueryFailed`, whose messages hold neither path
    nor address nor password.
    """
    given = dict(options_ or {})
    scheme = source.partition("://")[0].lower() if is_url(source) else ""
    if scheme in _DATABASES:
        options.check_fit("database", given)
        return _DATABASES[scheme](source, given)
    if "::" in source:
        raise BadInput("A chain of URLs is no source.", hint="Name one URL.")
    room = int(config.load(base)["data.copies"]) * 1_000_000
    place = (
        remote.fetch(source, given, room) if scheme else find(source, base, given.get("format", ""))
    )
    options.check_fit(place.kind, given)
    if place.kind == "sqlite":
        return _sqlite(place, given)
    return _files(place, given, room)


def reader(
    files: Files,
    sniffed: Mapping[str, Any] | None = None,
    texts: Collection[str] = frozenset(),
) -> str:
    """The table function call, in DuckDB's SQL, that reads exactly these files; with what `sniff`
    said of them nothing has to be found out about them, and the columns `texts` stay texts."""
    listed = ", ".join(quoted(str(path)) for path in files.paths)
    told = _ARGUMENTS[files.kind](files) if files.kind in _ARGUMENTS else []
    if sniffed:
        told = csv.settled(files, sniffed, texts)
    if len(files.paths) > 1:
        told.append("union_by_name=true")
    # Said either way: a folder above the data may be called a=b too.
    told.append(f"hive_partitioning={str(files.hive).lower()}")
    return f"{_CALLS[files.kind]}({', '.join([f'[{listed}]', *told])})"


def sniff(files: Files) -> str:
    """The query that says how the files are written; empty where none does."""
    return csv.sniff(files) if files.kind == "csv" else ""


def late(sniffed: Mapping[str, Any] | None, deciding: Collection[str] | None) -> dict[str, str]:
    """The columns, with their types, that a query may leave texts until it is known which rows
    count; `deciding` are those that say so, None where all rows count."""
    return csv.late(sniffed, deciding) if sniffed and deciding is not None else {}


def columns(source: Files | Database) -> tuple[Column, ...]:
    """The columns of the source. Raises `BadInput` where it cannot be read as a table."""
    if isinstance(source, Database):
        return source.columns()
    try:
        with duckdb.connect() as connection:
            found = connection.sql(f"select * from {reader(source)}")  # noqa: S608  # quoted
            return tuple(
                Column(str(name), str(kind))
                for name, kind in zip(found.columns, found.types, strict=True)
            )
    except duckdb.Error as error:
        raise because(
            BadInput(f"Its files cannot be read as one table ({source.kind})."), str(error)
        ) from None


def rows(source: Files | Database) -> tuple[int, bool] | None:
    """The number of rows and whether it is exact, where that is cheap to know."""
    if isinstance(source, Database):
        return source.rows()
    return (parquet.rows(source), True) if source.kind == "parquet" else None


def _sqlite(place: Place, given: Mapping[str, Any]) -> Database:
    if len(place.paths) != 1:
        raise BadInput("A dataset is a table of one SQLite file, and these are several.")
    return sqlite.Table(place.paths[0], given)


def _files(place: Place, given: Mapping[str, Any], room: int) -> Files:
    convert = _CONVERTERS.get(place.kind)
    if convert is None:
        return Files(place.kind, place.paths, given, place.hive)
    told = f"{place.kind} {sorted(given.items(), key=lambda item: item[0])}"
    paths = []
    for path in place.paths:
        below = path.relative_to(place.top) if place.hive else Path(path.name)
        name = str(below) + ".parquet"
        _, *seen = stamp(path)
        paths.append(
            copies.made(
                f"{path}\0{told}",
                str(seen),
                name,
                lambda target, path=path: convert(path, target, given),  # type: ignore[misc]
                room=room,
            )
        )
    return Files("parquet", tuple(paths), {}, place.hive)
