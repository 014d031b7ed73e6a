"""What a query needs of a table: of a database columns, and filters that hold already there; of
files the columns that decide which rows count.

Read off the syntax tree that the guard has checked. All are a matter of speed alone: more columns
and rows than needed do no harm, because the engine runs the whole query over what comes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from ropeway.data.engines.database import Filter
from ropeway.data.policy import View
from ropeway.wire import Column

_COMPARISONS = {
    "COMPARE_EQUAL": "=",
    "COMPARE_NOTEQUAL": "<>",
    "COMPARE_LESSTHAN": "<",
    "COMPARE_LESSTHANOREQUALTO": "<=",
    "COMPARE_GREATERTHAN": ">",
    "COMPARE_GREATERTHANOREQUALTO": ">=",
}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_NULLS = {"OPERATOR_IS_NULL": "is null", "OPERATOR_IS_NOT_NULL": "is not null"}

Tree = Mapping[str, Any]

Types = Mapping[str, Column | None]
"""The columns of the table by their names in small letters; None is one that has a mask."""


def columns(statement: Tree, view: View, base: Sequence[Column]) -> list[str]:
    """The columns of the base table that the query may look at, in the table's order."""
    named, every = _named(statement["node"], view.dataset)
    hidden = view.where.lower()  # with names as they are quoted there
    shown = {column.name.lower() for column in view.columns}
    return [
        column.name
        for column in base
        if (column.name.lower() in shown and (every or column.name.lower() in named))
        or column.name.replace('"', '""').lower() in hidden
    ]


def filters(
    statement: Tree, view: View, base: Sequence[Column], params: Mapping[str, Any]
) -> list[Filter]:
    """Comparisons with values that every row of the table must pass to count.

    None where the query reads the table more than once: what one place needs, the other may not.
    """
    nodes = list(_reading(statement["node"], view.dataset))
    if len(nodes) != 1 or _count(statement["node"], view.dataset) != 1:
        return []
    table = nodes[0]["from_table"]
    if nodes[0].get("sample") or table.get("sample") or table.get("column_name_alias"):
        return []
    alias = str(table.get("alias") or view.dataset).lower()
    types = {c.name.lower(): c if c.name in view.plain else None for c in base}
    conditions = _conjuncts(nodes[0].get("where_clause"))
    found = (_filter(each, alias, types, params) for each in conditions)
    return [each for each in found if each is not None]


def deciding(statement: Tree) -> set[str] | None:
    """The names in the query's WHERE clauses, in small letters; None where it has none."""
    clauses = [each["where_clause"] for each in _parts(statement) if each.get("where_clause")]
    if not clauses:
        return None
    return {
        str(name).lower()
        for part in _parts(clauses)
        if part.get("class") == "COLUMN_REF"
        for name in part["column_names"]
    }


def _named(part: Any, dataset: str) -> tuple[set[str], bool]:
    """Every name that may be a column's, in small letters, and whether all columns are meant."""
    names: set[str] = set()
    aliases = {dataset}
    alone: set[str] = set()
    every = False
    for each in _parts(part):
        if each.get("class") in ("STAR", "POSITIONAL_REFERENCE"):
            every = True
        elif each.get("class") == "COLUMN_REF":
            told = [str(name).lower() for name in each["column_names"]]
            names.update(told)
            if len(told) == 1:
                alone.update(told)
        elif each.get("type") == "BASE_TABLE" and str(each["table_name"]).lower() == dataset:
            aliases.add(str(each.get("alias") or dataset).lower())
            every = every or bool(each.get("column_name_alias"))
        elif each.get("type") == "JOIN":
            names.update(str(name).lower() for name in each.get("using_columns") or ())
            every = every or each.get("ref_type") not in ("REGULAR", "CROSS")
    # A table's name alone is the whole row.
    return names, every or bool(aliases & alone)


def _reading(part: Any, dataset: str) -> Iterator[Tree]:
    """The SELECTs that read the table and nothing beside it."""
    for each in _parts(part):
        table = each.get("from_table") if each.get("type") == "SELECT_NODE" else None
        if isinstance(table, Mapping) and _is_table(table, dataset):
            yield each


def _count(part: Any, dataset: str) -> int:
    return sum(_is_table(each, dataset) for each in _parts(part))


def _is_table(part: Tree, dataset: str) -> bool:
    return part.get("type") == "BASE_TABLE" and str(part["table_name"]).lower() == dataset


def _conjuncts(condition: Any) -> Iterator[Tree]:
    if not isinstance(condition, Mapping):
        return
    if condition.get("type") == "CONJUNCTION_AND":
        for each in condition["children"]:
            yield from _conjuncts(each)
    else:
        yield condition


def _filter(part: Tree, alias: str, types: Types, params: Mapping[str, Any]) -> Filter | None:
    kind = str(part.get("type"))
    if kind in _NULLS:
        column = _column(part["children"][0], alias, types)
        return Filter(column.name, _NULLS[kind]) if column else None
    if kind not in _COMPARISONS:
        return None
    left, right, op = part["left"], part["right"], _COMPARISONS[kind]
    column = _column(left, alias, types)
    if column is None:
        column, right, op = _column(right, alias, types), left, _MIRRORED.get(op, op)
    value = _value(right, params)
    if column is None or value is None:
        return None
    return _fitted(column, op, value)


def _fitted(column: Column, op: str, value: Any) -> Filter | None:
    """In the column's own kind of number. What is not exact there gets a wider bound."""
    if column.type == "DOUBLE" and type(value) in (int, Decimal):
        try:
            value = float(value)
        except (ValueError, OverflowError):
            return None
        if op in ("<", "<="):
            return Filter(column.name, "<=", math.nextafter(value, math.inf))
        if op in (">", ">="):
            return Filter(column.name, ">=", math.nextafter(value, -math.inf))
        return None
    return Filter(column.name, op, value)


def _column(part: Any, alias: str, types: Types) -> Column | None:
    """The table's own column that is meant, and no other's."""
    if not isinstance(part, Mapping) or part.get("class") != "COLUMN_REF":
        return None
    names = [str(name).lower() for name in part["column_names"]]
    if len(names) > 2 or (len(names) == 2 and (names[0] in types or names[0] != alias)):
        return None
    return types.get(names[-1])


def _value(part: Any, params: Mapping[str, Any]) -> Any:
    if not isinstance(part, Mapping):
        return None
    if part.get("class") == "PARAMETER":
        return params.get(str(part.get("identifier")))
    literal = part.get("literal")
    if part.get("class") != "CONSTANT" or not isinstance(literal, Mapping):
        return None
    kind, text = literal.get("kind"), str(literal.get("text"))
    if kind == "STRING":
        return text
    try:
        return int(text) if kind == "INTEGER" else Decimal(text) if kind == "NUMERIC" else None
    except (ValueError, InvalidOperation):
        return None


def _parts(part: Any) -> Iterator[Tree]:
    if isinstance(part, Mapping):
        yield part
        for each in part.values():
            yield from _parts(each)
    elif isinstance(part, list):
        for each in part:
            yield from _parts(each)
