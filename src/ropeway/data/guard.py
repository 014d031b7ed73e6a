"""The guard: which queries may run at all, decided on the engine's own syntax tree.

Fail-closed: what is not on a list here is refused. The statement's type is no guard: since DuckDB
2.0 a `COPY` inside a CTE counts as a `SELECT`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ropeway.data import syntax
from ropeway.data.catalog import unknown
from ropeway.data.functions import AGGREGATES, BARE, FUNCTIONS, TABLE_FUNCTIONS, VOLATILE, WINDOWS
from ropeway.data.syntax import HINT as _HINT
from ropeway.errors import BadInput, Refused, RopewayError

_CLASSES = frozenset(
    [
        "BETWEEN",
        "CASE",
        "CAST",
        "COLLATE",
        "COLUMN_REF",
        "COMPARISON",
        "CONJUNCTION",
        "CONSTANT",
        "FUNCTION",
        "LAMBDA",
        "OPERATOR",
        "PARAMETER",
        "POSITIONAL_REFERENCE",
        "STAR",
        "SUBQUERY",
        "TYPE",
        "WINDOW",
    ]
)
_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
_REFS = frozenset({"BASE_TABLE", "SUBQUERY", "JOIN", "EMPTY", "EXPRESSION_LIST", "TABLE_FUNCTION"})
_MODIFIERS = frozenset(
    {"ORDER_MODIFIER", "LIMIT_MODIFIER", "DISTINCT_MODIFIER", "LIMIT_PERCENT_MODIFIER"}
)
_ORDERS = frozenset({"ASCENDING", "DESCENDING", "ORDER_DEFAULT"})
_ENGINES_OWN = re.compile(
    r"(duckdb|sqlite|pragma|pg|information_schema|_feed)(_|$)", re.IGNORECASE | re.ASCII
)
"""Tables that the engine brings along; a second lock, should the scopes ever be misjudged."""

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_ROW_CLASSES = _CLASSES - {"PARAMETER", "POSITIONAL_REFERENCE", "STAR", "SUBQUERY", "WINDOW"}
"""What can stand in an expression over one row."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What the guard learned of a query that may run."""

    tables: tuple[str, ...]
    """The datasets it names, once for each time."""
    params: frozenset[str]
    """The names of its parameters, without the `$`."""
    volatile: bool = False
    """Whether it may answer differently over the same data: it asks for the time, or for chance."""
    statement: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """The tree that was checked; `syntax.written` makes it a text again."""


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression over the columns of one row, checked; `sql` is the parser's own rendering."""

    sql: str
    columns: frozenset[str]
    volatile: bool


def check(
    sql: str, datasets: Collection[str], parsed: Callable[[str], str] | None = None
) -> Checked:
    """Pass a query that reads nothing but `datasets`.

    `parsed` gives the syntax tree of a text as `json_serialize_sql` does; without it this process
    parses, where a hostile text cannot be stopped.

    Raises `Refused` with the reason, `UnknownDataset` for a table that was not added,
    `QueryFailed` for text that is no SQL and `BadInput` for parameters without a name.
    """
    try:
        statement = syntax.parse(sql, parsed)
        walker = _Walker(frozenset(name.lower() for name in datasets))
        walker.walk(statement["node"], frozenset())
    except RecursionError:
        raise Refused("The query is nested too deeply to be checked.", hint=_HINT) from None
    names = [str(item["key"]) for item in statement.get("named_param_map") or ()]
    if strange := [name for name in names if not _PLAIN.fullmatch(name)]:
        raise BadInput(
            f"The query has a parameter without a name ({'$' + strange[0]}).",
            hint="Write $low in the query and pass low=10.",
        )
    return Checked(tuple(walker.tables), frozenset(names), walker.volatile, statement)


def check_expression(text: str) -> Expression:
    """Pass one expression over the columns of a row: no query, no aggregate, no parameter.

    Raises `Refused` with the reason, `QueryFailed` for text that is no SQL.
    """
    try:
        statement = syntax.parse(f"select {text}")
        node = statement["node"]
        items = node.get("select_list") or []
        if len(items) != 1 or not _is_bare(node) or items[0].get("alias"):
            raise Refused("One expression over the columns is wanted, and nothing beside it.")
        walker = _Walker(frozenset(), classes=_ROW_CLASSES, banned=AGGREGATES | WINDOWS)
        walker.walk(items[0], frozenset())
    except RecursionError:
        raise Refused("The expression is nested too deeply to be checked.") from None
    sql = syntax.written(statement).removeprefix("SELECT ")
    return Expression(sql, frozenset(walker.columns), walker.volatile)


def _is_bare(node: Mapping[str, Any]) -> bool:
    """Whether a node is `select …` and no clause besides."""
    if node.get("type") != "SELECT_NODE" or (node.get("from_table") or {}).get("type") != "EMPTY":
        return False
    if node.get("aggregate_handling") != "STANDARD_HANDLING":
        return False
    clauses = ("modifiers", "where_clause", "group_expressions", "group_sets", "having")
    others = any(node.get(key) for key in (*clauses, "sample", "qualify"))
    return not others and not (node.get("cte_map") or {}).get("map")


class _Walker:
    """Visits every part of the tree; `scope` holds the CTEs that are visible there."""

    def __init__(
        self,
        datasets: frozenset[str],
        *,
        classes: frozenset[str] = _CLASSES,
        banned: frozenset[str] = frozenset(),
    ) -> None:
        self.datasets = datasets
        self.classes = classes
        self.functions = FUNCTIONS - banned
        self.tables: list[str] = []
        self.columns: set[str] = set()
        self.volatile = False

    def walk(self, part: Any, scope: frozenset[str]) -> None:
        if isinstance(part, list):
            for item in part:
                self.walk(item, scope)
        elif isinstance(part, dict):
            scope = self._ctes(part, scope)
            self._visit(part, scope)
            for key, value in part.items():
                if key != "cte_map":
                    self.walk(value, _seen_from(part, key, scope))

    def _ctes(self, part: Mapping[str, Any], scope: frozenset[str]) -> frozenset[str]:
        """Checks the CTEs of a node in order: each sees those before it, then the node sees all."""
        for entry in (part.get("cte_map") or {}).get("map") or ():
            name = str(entry["key"])
            if not _IDENTIFIER.fullmatch(name):
                raise Refused(f"{name!r} cannot be the name of a WITH query.", hint=_HINT)
            if _ENGINES_OWN.match(name):
                raise Refused(f"{name} is a name of the engine's own.", hint="Rename it.")
            if name.lower() in self.datasets:
                raise Refused(
                    f"The WITH query {name} has the name of a dataset.", hint="Rename it."
                )
            body = entry["value"]
            self.walk(body, scope | _recursive(body, name))
            scope |= {name.lower()}
        return scope

    def _visit(self, part: Mapping[str, Any], scope: frozenset[str]) -> None:
        kind = part.get("type")
        self.volatile |= bool(part.get("sample"))
        if "class" in part:
            self._expression(part)
        elif not isinstance(kind, str) or kind in _NODES | _MODIFIERS | _ORDERS:
            return
        elif kind == "BASE_TABLE":
            self._table(part, scope)
        elif kind == "TABLE_FUNCTION":
            self._table_function(part)
        elif kind not in _REFS and not kind.endswith("_TYPE_INFO"):
            raise _refused_node(kind, part)

    def _expression(self, part: Mapping[str, Any]) -> None:
        if part["class"] not in self.classes:
            raise Refused(f"The query uses {_words(part['class'])}, which is not allowed.")
        if _parts(part) > 1 or part.get("schema") or part.get("catalog"):
            raise Refused("Functions and types are named without a schema.", hint=_HINT)
        name = part.get("function_name")
        if name is not None and str(name).lower() not in self.functions:
            raise _refused_function(str(name))
        names = [str(each) for each in part.get("column_names") or ()]
        self.columns.update(names[:1])
        # The time can be asked for without brackets: `current_date` reads as a column.
        last = names[-1].lower() if names else ""
        self.volatile |= str(name).lower() in VOLATILE or last in BARE

    def _table(self, part: Mapping[str, Any], scope: frozenset[str]) -> None:
        name = str(part["table_name"])
        if part.get("schema_name") or part.get("catalog_name") or _parts(part) != 1:
            raise Refused(
                f"The table {_dotted(part)} is named with a schema; "
                "only the plain names of datasets are known.",
                hint=_HINT,
            )
        if part.get("at_clause"):
            raise Refused("AT (…) is not answered: a dataset has no versions.", hint=_HINT)
        # In ASCII alone: elsewhere "small letters" mean one thing here and another to the engine.
        if not name.isascii() or name.lower() not in scope | self.datasets:
            raise _unknown_table(name, self.datasets)
        if name.lower() in scope:
            return
        self.tables.append(name.lower())

    def _table_function(self, part: Mapping[str, Any]) -> None:
        call = part.get("function")
        name = str(call.get("function_name", "")) if isinstance(call, dict) else ""
        if name.lower() not in TABLE_FUNCTIONS:
            raise _refused_function(name)


def _recursive(body: Mapping[str, Any], name: str) -> frozenset[str]:
    """A recursive CTE sees itself; any other does not."""
    node = body.get("query_node") or (body.get("query") or {}).get("node") or {}
    return frozenset({name.lower()} if node.get("type") == "RECURSIVE_CTE_NODE" else ())


def _seen_from(part: Mapping[str, Any], key: str, scope: frozenset[str]) -> frozenset[str]:
    """The first part of a recursive CTE does not see the CTE: there its name means a table."""
    if part.get("type") == "RECURSIVE_CTE_NODE" and key == "left":
        return scope - {str(part.get("cte_name", "")).lower()}
    return scope


def _parts(part: Mapping[str, Any]) -> int:
    """How many parts a name has; 1 where the tree holds none."""
    return len((part.get("qualified_name") or {}).get("path") or [""])


def _dotted(part: Mapping[str, Any]) -> str:
    return ".".join(str(p) for p in (part.get("qualified_name") or {}).get("path") or ["?"])


def _unknown_table(name: str, datasets: frozenset[str]) -> RopewayError:
    if _IDENTIFIER.fullmatch(name):
        return unknown(name, dict.fromkeys(datasets))
    return Refused(
        f"{name!r} is not the name of a dataset: a query cannot read a file by its path.",
        hint="Add the file at home: ropeway data add NAME SOURCE.",
    )


def _refused_function(name: str) -> Refused:
    return Refused(
        f"The function {name} is not allowed in a query.",
        hint="Functions that compute on values are; those that read files, settings or the "
        "catalog are not.",
        function=name,
    )


def _refused_node(kind: str, part: Mapping[str, Any]) -> Refused:
    if kind == "SHOW_REF":
        return Refused(
            "DESCRIBE, SUMMARIZE and SHOW are not answered.",
            hint="rw.datasets() lists the datasets with their columns.",
        )
    return Refused(f"The query uses {_words(kind)}, which is not allowed.", hint=_HINT)


def _words(kind: object) -> str:
    return str(kind).removesuffix("_NODE").removesuffix("_QUERY").replace("_", " ")
