"""The engine's own parser: a query's text to its syntax tree, and back.

There is no second parser to disagree with: the tree comes from `json_serialize_sql` of the very
version that runs the query.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import duckdb

from ropeway.errors import QueryFailed, Refused, RopewayError
from ropeway.wire import Column

MAX_SQL = 100_000
"""Characters of one query; longer ones are refused before they are parsed."""

HINT = "A query is one SELECT over datasets that were added; see the guide to data at home."


def parse(sql: str, parsed: Callable[[str], str] | None = None) -> dict[str, Any]:
    """The tree of the one SELECT that `sql` is: `{"node": …, "named_param_map": …}`.

    `parsed` gives the syntax tree of a text as `json_serialize_sql` does; without it this process
    parses, where a hostile text cannot be stopped.

    Raises `QueryFailed` for text that is no SQL, `Refused` for anything but one SELECT.
    """
    if len(sql) > MAX_SQL:
        raise Refused(f"The query has {len(sql):,} characters; at most {MAX_SQL:,} are read.")
    answer = json.loads((parsed or _serialized)(sql))
    if answer.get("error"):
        raise _not_a_select(str(answer.get("error_type")), str(answer.get("error_message", "")))
    statements = answer.get("statements") or []
    if len(statements) != 1:
        raise Refused(f"The text holds {len(statements)} statements; one is run.", hint=HINT)
    statement = statements[0]
    if not isinstance(statement, dict) or not isinstance(statement.get("node"), dict):
        raise Refused("The query has a form that is not known.", hint=HINT)
    return statement


def written(statement: dict[str, Any]) -> str:
    """The SQL of a tree. In this process: for a tree that home made, or made small."""
    with _turn:
        row = (
            _clean().execute("select json_deserialize_sql($1::json)", [tree(statement)]).fetchone()
        )
    assert row is not None
    return str(row[0])


def tree(statement: dict[str, Any]) -> str:
    """The text of a tree, of which `json_deserialize_sql` makes SQL."""
    return json.dumps({"error": False, "statements": [statement]})


def types_of(select: str, where: str, columns: Sequence[Column]) -> tuple[Column, ...]:
    """What `select … where …` would give of a table that has these `columns`.

    Raises `duckdb.Error` where it does not fit them. No value is touched: the table has no rows.
    """
    nulls = ", ".join(f"null::{column.type} as {quoted_name(column.name)}" for column in columns)
    clause = f" where {where}" if where else ""
    with _turn:
        # The columns' types are the engine's own words, their names are quoted.
        relation = _clean().sql(f"select {select} from (select {nulls}) as base{clause}")  # noqa: S608
        names, types = relation.columns, relation.types
    return tuple(Column(str(n), str(t)) for n, t in zip(names, types, strict=True))


def quoted_name(name: str) -> str:
    """`name` as an identifier of SQL, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def _not_a_select(kind: str, message: str) -> RopewayError:
    if kind == "parser":
        return QueryFailed(f"The query cannot be read: {message}.")
    if kind == "not implemented":
        return Refused("Only a plain SELECT is answered; this is another statement.", hint=HINT)
    return Refused("The query has a form that cannot be checked.", hint=HINT)


_turn = threading.Lock()


@cache
def _clean() -> duckdb.DuckDBPyConnection:
    """A connection that holds no table and reaches no file: it only reads texts."""
    connection = duckdb.connect(":memory:", config={"threads": 1})
    connection.execute("set python_enable_replacements=false")
    connection.execute("set enable_external_access=false")
    connection.execute("set lock_configuration=true")
    return connection


def _serialized(sql: str) -> str:
    try:
        with _turn:
            row = _clean().execute("select json_serialize_sql($1::varchar)", [sql]).fetchone()
    except (duckdb.Error, UnicodeEncodeError):
        raise Refused("The query holds characters that cannot be read.", hint=HINT) from None
    assert row is not None
    return str(row[0])
