"""SQLite: a table, a view or a query of one file, through Python's own driver.

SQLite keeps the type with each value. A column has the type it was declared with; one that was
declared with none has the type that its first values have.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ropeway.data.engines import types, values
from ropeway.data.engines.database import (
    BATCH_ROWS,
    Carried,
    Database,
    Feed,
    Filter,
    split_by_type,
)
from ropeway.data.files import stamp
from ropeway.data.problem import because
from ropeway.data.syntax import quoted_name
from ropeway.errors import BadInput, NotFound, QueryFailed, RopewayError
from ropeway.wire import Column

_SAMPLE = 10_000
"""Rows that are looked at where no type was declared."""

_COUNTED = 200_000_000
"""Bytes up to which a file's rows are counted: that reads all of it."""

_VIEW = "ropeway_source"

_DECIMAL = re.compile(r"(?:DECIMAL|NUMERIC)\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)")
_DECLARED = (
    (re.compile(r"BOOL"), "BOOLEAN"),
    (re.compile(r"TIMESTAMPTZ|TIMESTAMP WITH TIME ZONE"), "TIMESTAMP WITH TIME ZONE"),
    (re.compile(r"DATETIME|TIMESTAMP"), "TIMESTAMP"),
    (re.compile(r"^DATE$"), "DATE"),
    (re.compile(r"^TIME$"), "TIME"),
    (re.compile(r"INT"), "BIGINT"),
    (re.compile(r"CHAR|CLOB|TEXT|JSON|UUID|STRING"), "VARCHAR"),
    (re.compile(r"BLOB|BINARY"), "BLOB"),
    (re.compile(r"REAL|FLOA|DOUB|DECIMAL|NUMERIC|NUMBER"), "DOUBLE"),
)
_SEEN = {"integer": "BIGINT", "real": "DOUBLE", "text": "VARCHAR", "blob": "BLOB"}


class Table(Database):
    """One table, view or query of the SQLite file at `path`."""

    kind = "sqlite"

    def __init__(self, path: Path, options: Mapping[str, Any]) -> None:
        self.path = path
        self._options = options

    def open(
        self, columns: Sequence[str], filters: Sequence[Filter] = (), limit: int | None = None
    ) -> Feed:
        """The rows, as one reading of the file sees them."""
        connection = self._start()
        try:
            carried = {each.column.name: each for each in self._carried(connection)}
            chosen = [carried[name] for name in columns]
            fitting, whole = split_by_type(filters, carried)
            sql, bound = self._select(connection, chosen, fitting, limit if whole else None)
            schema = types.schema([each.column for each in chosen])
        except BaseException:
            connection.close()
            raise
        rows = _batches(connection, (sql, bound), [each.column for each in chosen], schema)
        return Feed(schema, rows, cancel=connection.interrupt, close=connection.close)

    def stamp(self) -> str:
        """The file with what was written beside it and not moved over yet."""
        beside = self.path.with_name(self.path.name + "-wal")
        return str((stamp(self.path)[1:], stamp(beside)[1:]))

    def rows(self) -> tuple[int, bool] | None:
        """Counted, where the file is not large."""
        if stamp(self.path)[1] > _COUNTED:
            return None
        with self._connect() as connection, _told():
            found = connection.execute(f"select count(*) from {self._relation(connection)}")  # noqa: S608
            return int(found.fetchone()[0]), True

    def _start(self) -> sqlite3.Connection:
        if not self.path.exists():
            raise because(NotFound("Its file is not there any more."), str(self.path))
        with _told():
            connection = sqlite3.connect(
                f"file:{quote(str(self.path))}?mode=ro",
                uri=True,
                timeout=10,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                connection.execute("pragma trusted_schema = off")
                if query := self._options.get("query"):
                    # The columns of a view know what they were declared with, those of a query
                    # do not.
                    connection.execute(f"create temp view {_VIEW} as {query.rstrip().rstrip(';')}")
                connection.execute("pragma query_only = on")
            except BaseException:
                connection.close()
                raise
            return connection

    def _relation(self, connection: sqlite3.Connection) -> str:
        if "query" in self._options:
            return _VIEW
        with _told():
            found = [
                str(row[0])
                for row in connection.execute(
                    "select name from sqlite_master where type in ('table', 'view')"
                    " and name not like 'sqlite\\_%' escape '\\' order by name"
                )
            ]
        wanted = self._options.get("table")
        if wanted is None and len(found) == 1:
            return quoted_name(found[0])
        if wanted in found:
            return quoted_name(str(wanted))
        asked = "Its table is not there." if wanted else "The file holds several tables or none."
        kind = NotFound if wanted else BadInput
        raise because(
            kind(asked, hint='Name one: --table NAME, or table = "…" in ropeway.toml.'),
            f"Tables and views are: {', '.join(found) or 'none'}.",
        )

    def _carried(self, connection: sqlite3.Connection) -> list[Carried]:
        relation = self._relation(connection)
        wanted = self._options.get("columns", {})
        with _told():
            rows = connection.execute(f"pragma table_xinfo({relation})").fetchall()
            found = []
            for _, name, declared, *_, hidden in rows:
                if hidden == 1:
                    continue
                said = _declared(str(declared or "").upper())
                word = wanted.get(name) or said or _looked_at(connection, relation, str(name))
                types.arrow_type(word)
                # Without a declared type SQLite compares 7 with '7' otherwise than DuckDB.
                plain = word in ("BIGINT", "DOUBLE", "VARCHAR")
                pushes = name not in wanted and bool(said) and plain
                found.append(Carried(Column(str(name), word), quoted_name(str(name)), pushes))
        if not found:
            raise BadInput("The table has no columns.")
        return found

    def _select(
        self,
        connection: sqlite3.Connection,
        chosen: Sequence[Carried],
        filters: Sequence[Filter],
        limit: int | None,
    ) -> tuple[str, list[Any]]:
        listed = ", ".join(each.sql for each in chosen) or "null"
        sql = f"select {listed} from {self._relation(connection)}"  # noqa: S608  # names quoted
        bound: list[Any] = []
        if filters:
            sql += " where " + " and ".join(_condition(each, bound) for each in filters)
        if limit is not None:
            sql += f" limit {int(limit)}"
        return sql, bound


def _condition(each: Filter, bound: list[Any]) -> str:
    name = quoted_name(each.column)
    if each.op in ("is null", "is not null"):
        return f"{name} {each.op}"
    given = list(each.value) if each.op == "in" else [each.value]
    bound.extend(given)
    if each.op == "in":
        return f"{name} collate binary in ({', '.join('?' * len(given))})"
    return f"{name} collate binary {each.op} ?"


def _declared(text: str) -> str:
    """The type for what a column was declared with, '' where that says nothing."""
    if match := _DECIMAL.search(text):
        return types.decimal(int(match[1]), int(match[2] or 0))
    return next((word for pattern, word in _DECLARED if pattern.search(text)), "")


def _looked_at(connection: sqlite3.Connection, relation: str, name: str) -> str:
    """The type of the first values; texts take everything but bytes."""
    rows = connection.execute(
        f"select distinct typeof(v) from (select {quoted_name(name)} as v from {relation}"  # noqa: S608
        f" limit {_SAMPLE}) where v is not null"
    )
    seen = {str(row[0]) for row in rows}
    if seen == {"integer", "real"}:
        return "DOUBLE"
    return _SEEN[seen.pop()] if len(seen) == 1 else "BLOB" if "blob" in seen else "VARCHAR"


def _batches(
    connection: sqlite3.Connection,
    query: tuple[str, list[Any]],
    columns: Sequence[Column],
    schema: Any,
) -> Iterator[Any]:
    with _told():
        cursor = connection.execute(*query)
    while True:
        with _told():
            rows = cursor.fetchmany(BATCH_ROWS)
        if not rows:
            return
        yield values.batch(rows, columns, schema)


@contextmanager
def _told() -> Iterator[None]:
    """The driver's errors in our words."""
    try:
        yield
    except (sqlite3.Error, sqlite3.Warning, UnicodeDecodeError) as error:
        raise _explain(error) from None


def _explain(error: Exception) -> RopewayError:
    text = str(error)
    if "interrupted" in text:
        return QueryFailed("The query was cancelled.")
    if "not a database" in text or "malformed" in text:
        return because(BadInput("It is no SQLite file."), text)
    if "locked" in text:
        return because(QueryFailed("The SQLite file is locked by another program."), text)
    return because(QueryFailed("The SQLite file could not be read."), text)
