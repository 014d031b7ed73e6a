"""What may stand in `[datasets.NAME]` beside the source: one table of options, and which kind of
source each is for."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ropeway.data import passwords
from ropeway.data.files import KINDS
from ropeway.errors import BadInput

_TABLES = ("sqlite", "database")


@dataclass(frozen=True, slots=True)
class Option:
    """One row of the table; `kind` is the type of the value, `sources` the kinds it is for."""

    name: str
    kind: str
    sources: tuple[str, ...]
    help: str


OPTIONS: tuple[Option, ...] = (
    Option("format", "text", (), "The kind of file, where its ending does not tell."),
    Option("columns", "types", (), "Types of columns, in DuckDB's words; for JSON all columns."),
    Option("delimiter", "text", ("csv",), "What stands between two values."),
    Option("quote", "text", ("csv",), "What stands around a value."),
    Option("null", "text", ("csv",), "The text that means NULL."),
    Option("encoding", "text", ("csv",), "utf-8, utf-16 or latin-1."),
    Option("header", "yes", ("csv", "excel"), "Whether the first row has the names."),
    Option("skip", "number", ("csv", "excel"), "Rows to pass over at the beginning."),
    Option("sheet", "text", ("excel",), "The sheet of a workbook that has several."),
    Option("table", "text", _TABLES, "The table or view; in PostgreSQL also schema.table."),
    Option("query", "text", _TABLES, "A SELECT in the database's own SQL instead of a table."),
    Option("schema", "text", ("database",), "Where PostgreSQL looks for tables: public."),
    Option("role", "text", ("database",), "The role that PostgreSQL's queries run as."),
    Option("timeout", "number", ("database",), "Seconds after which the database gives up: 600."),
    Option("storage", "table", (), "Settings of a store; for S3 endpoint, region, anonymous."),
)  # fmt: skip
"""Every option. One with no kind of source is for several, and is checked where it is used."""

_BY_NAME = {option.name: option for option in OPTIONS}
_WANTED = {
    "text": "a text",
    "number": "a whole number",
    "yes": "true or false",
    "types": 'a table such as { price = "DECIMAL(10,2)" }',
    "table": 'a table such as { region = "eu-west-1" }',
}


def check(name: str, value: Any) -> str:
    """What is wrong with an option as it was written, as the end of a sentence; '' where nothing
    is."""
    option = _BY_NAME.get(name)
    if option is None:
        return f"is not known{near(name, ['source', 'policy', *_BY_NAME])}"
    if not _is(option.kind, value):
        return f"is {value!r}, but {_WANTED[option.kind]} is wanted."
    if name == "format" and value not in KINDS:
        return f"is {value!r}; it must be one of {', '.join(KINDS)}."
    if option.kind == "table" and (secret := next(filter(passwords.is_secret, value), "")):
        return f"holds a secret ({secret}), and this file is made to be shared."
    return ""


def near(name: str, known: list[str]) -> str:
    """`; did you mean source?` where something known is close to `name`, else a full stop."""
    found = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {found[0]}?" if found else "."


def check_fit(kind: str, given: Mapping[str, Any]) -> None:
    """Raises `BadInput` for an option that the kind of source does not have."""
    for name in given:
        sources = _BY_NAME[name].sources
        if sources and kind not in sources:
            what = {"database": "a database"}.get(kind, kind)
            raise BadInput(
                f"The option {name} is not for {what}.", hint=f"It is for {' and '.join(sources)}."
            )
    if "table" in given and "query" in given:
        raise BadInput("A dataset is a table or a query, and both are given.")


def _is(kind: str, value: Any) -> bool:
    if kind == "text":
        return isinstance(value, str) and value != ""
    if kind == "yes":
        return isinstance(value, bool)
    if kind == "number":
        return type(value) is int and value >= 0
    if kind == "types":
        return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())
    return isinstance(value, dict)
