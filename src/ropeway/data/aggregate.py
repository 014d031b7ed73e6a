"""Aggregate mode: a query over a dataset of which only groups of at least k rows may cross.

The grammar is small on purpose: one plain aggregate query over one dataset. Into its tree goes a
`HAVING` that leaves groups out which have fewer than k rows, or fewer than k values in a column
that is aggregated. This is k-suppression and no anonymity: the difference of two answers that are
each allowed may still be one row.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

from ropeway.data import syntax
from ropeway.data.policy import View
from ropeway.data.syntax import quoted_name
from ropeway.errors import Refused

_COMPUTED = """
avg count count_star mean stddev stddev_pop stddev_samp sum var_pop var_samp variance
"""

AGGREGATES = frozenset(_COMPUTED.split())
"""What may be computed of a column. Not least and greatest: those are values of single rows."""

_OF_KEYS = """
date_part date_trunc datepart datetrunc day hour month quarter week year
"""

KEY_FUNCTIONS = frozenset(_OF_KEYS.split())
"""What may be done to a column by which a query groups."""

_NULL_TESTS = frozenset({"OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL"})
_MEMBERSHIP = frozenset({"COMPARE_IN", "COMPARE_NOT_IN"})

_SHAPE = (
    "Of this dataset aggregates may cross: select KEYS, count(*), sum(COLUMN) … from DATASET "
    "where COLUMN = VALUE … group by KEYS order by … limit …"
)

Tree = dict[str, Any]


def restrict(statement: Tree, views: Mapping[str, View]) -> Tree:
    """The statement with its groups held to the least size; as it is where rows may cross.

    `statement` has passed the guard, `views` are those of the datasets that it names. Raises
    `Refused` for what aggregate mode does not answer.
    """
    guarded = [view for view in views.values() if view.aggregate]
    if not guarded:
        return statement
    if len(views) > 1:
        raise _refused(f"{guarded[0].dataset} is asked alone: no joins with other datasets.")
    restricted = copy.deepcopy(statement)
    _Query(restricted["node"], guarded[0]).restrict()
    return restricted


class _Query:
    """One query in aggregate mode; its columns are rewritten to say which table they belong to,
    so that no alias can take a column's place."""

    def __init__(self, node: Tree, view: View) -> None:
        self.node = node
        self.view = view
        self.columns = {column.name.lower() for column in view.columns}
        self.counted = {name.lower() for name in view.counted}
        self.values: dict[str, Tree] = {}
        """The columns that are aggregated, each at least k times in a group."""

    def restrict(self) -> None:
        self._check_shape()
        items = self.node["select_list"]
        self.aliases = {str(item.get("alias") or "").lower(): item for item in items}
        self.node["group_expressions"] = [
            self._key(self._meant(each)) for each in self.node["group_expressions"]
        ]
        keys = {_shape(each) for each in self.node["group_expressions"]}
        for item in items:
            self._item(item, keys)
        if self.node.get("where_clause") is not None:
            self._condition(self.node["where_clause"])
            # A row that cannot be compared counts as unfit: an error would speak of that one row.
            self.node["where_clause"] = _tried(self.node["where_clause"])
        for modifier in self.node["modifiers"]:
            self._modifier(modifier, keys)
        self.node["having"] = self._having()

    def _check_shape(self) -> None:
        node = self.node
        table = node.get("from_table") or {}
        plain = node["type"] == "SELECT_NODE" and table.get("type") == "BASE_TABLE"
        if not plain or (node.get("cte_map") or {}).get("map"):
            raise _refused("No subqueries, WITH, UNION or joins.")
        self.table = str(table.get("alias") or table["table_name"])
        if node.get("sample") or table.get("sample"):
            raise _refused("No samples: they would be groups of any size.")
        if node.get("having") or node.get("qualify"):
            raise _refused("No HAVING and no QUALIFY.")
        if table.get("column_name_alias"):
            raise _refused("No other names for the columns.")
        if node.get("aggregate_handling") != "STANDARD_HANDLING" or len(node["group_sets"]) > 1:
            raise _refused("No GROUP BY ALL, GROUPING SETS, ROLLUP and CUBE: name the keys.")

    def _meant(self, key: Tree) -> Tree:
        """The expression that a key of GROUP BY stands for: `1` and an alias mean an item."""
        if key.get("class") == "CONSTANT":
            place = str((key.get("literal") or {}).get("text", ""))
            items = self.node["select_list"]
            if place.isdecimal() and 1 <= int(place) <= len(items):
                return _plain(items[int(place) - 1])
        names = list(key.get("column_names") or [])
        if len(names) == 1 and str(names[0]).lower() not in self.columns:
            return _plain(self.aliases.get(str(names[0]).lower(), key))
        return key

    def _key(self, part: Tree) -> Tree:
        if part.get("class") == "FUNCTION" and part["function_name"].lower() in KEY_FUNCTIONS:
            columns = [each for each in _arguments(part) if each.get("class") != "CONSTANT"]
        else:
            columns = [part]
        if len(columns) != 1:
            raise _refused("A key is one plain column, or a part of its date.")
        self._column(columns[0])
        return part

    def _item(self, item: Tree, keys: set[str]) -> None:
        if _is_aggregate(item):
            self._aggregate(item)
        elif _shape(self._key(item)) not in keys:
            raise _refused("Selected are the keys of GROUP BY, and aggregates of plain columns.")

    def _aggregate(self, part: Tree) -> None:
        name = str(part["function_name"]).lower()
        orders = (part.get("order_bys") or {}).get("orders")
        if part.get("filter") or orders or part.get("export_state"):
            raise _refused("No FILTER and no ORDER BY in an aggregate.")
        if part.get("distinct") and name != "count":
            raise _refused("DISTINCT stands in count alone.")
        for each in _arguments(part):
            self._column(each, counting=name == "count")
            self.values[_shape(each)] = each

    def _column(self, part: Tree, *, counting: bool = False) -> None:
        """Checks a plain column and writes its table before its name."""
        names = [str(each) for each in part.get("column_names") or ()]
        if part.get("class") != "COLUMN_REF" or not 1 <= len(names) <= 2:
            raise _refused("Keys, conditions and aggregates are of plain columns.")
        if len(names) == 2 and names[0].lower() != self.table.lower():
            raise _refused("Keys, conditions and aggregates are of plain columns.")
        name = names[-1].lower()
        if name not in self.columns:
            raise Refused(f"{self.view.dataset} has no column {names[-1]}.")
        if name in self.counted and not counting:
            raise _refused(f"{names[-1]} is a pseudonym: it may be counted, and nothing else.")
        part["column_names"] = [self.table, names[-1]]

    def _condition(self, part: Tree) -> None:
        kind, family = part.get("type"), part.get("class")
        if family == "CONJUNCTION" or kind == "OPERATOR_NOT":
            for each in part["children"]:
                self._condition(each)
        elif kind in _NULL_TESTS or family == "COLUMN_REF":
            self._column(part["children"][0] if kind in _NULL_TESTS else part)
        elif kind in _MEMBERSHIP:
            self._compared(part["children"])
        elif family == "COMPARISON":
            self._compared(sorted((part["left"], part["right"]), key=_is_value))
        elif family == "BETWEEN":
            self._compared([part["input"], part["lower"], part["upper"]])
        elif not _is_value(part):
            raise _refused("A condition compares a plain column with values.")

    def _compared(self, parts: list[Tree]) -> None:
        column, *values = parts
        self._column(column)
        if not all(_is_value(each) for each in values):
            raise _refused("A condition compares a plain column with values.")

    def _modifier(self, modifier: Tree, keys: set[str]) -> None:
        if modifier["type"] == "LIMIT_MODIFIER":
            for part in (modifier.get("limit"), modifier.get("offset")):
                if part is not None and not _is_value(part):
                    raise _refused("LIMIT and OFFSET are numbers.")
        elif modifier["type"] == "ORDER_MODIFIER":
            for order in modifier["orders"]:
                self._order(order["expression"], keys)
        else:
            raise _refused("No DISTINCT: GROUP BY gives each key once.")

    def _order(self, part: Tree, keys: set[str]) -> None:
        names = list(part.get("column_names") or [])
        named = len(names) == 1 and str(names[0]).lower() in self.aliases
        if not named and part.get("class") != "CONSTANT":
            self._item(part, keys)

    def _having(self) -> Tree:
        counts = ["count(*)"]
        for part in self.values.values():
            counts.append(f"count({'.'.join(quoted_name(each) for each in part['column_names'])})")
        least = " and ".join(f"{count} >= {self.view.aggregate:d}" for count in counts)
        having: Tree = syntax.parse(f"select 1 having {least}")["node"]["having"]
        return having


def _is_aggregate(part: Tree) -> bool:
    return part.get("class") == "FUNCTION" and part["function_name"].lower() in AGGREGATES


def _is_value(part: Tree) -> bool:
    """A constant, a bound parameter, or one of them cast to another type."""
    if part.get("class") == "CAST":
        return _is_value(part["child"])
    return part.get("class") in ("CONSTANT", "PARAMETER")


def _arguments(part: Tree) -> Iterator[Tree]:
    for each in part.get("arguments") or ():
        yield each["expression"]


def _tried(condition: Tree) -> Tree:
    tried: Tree = syntax.parse("select try(true)")["node"]["select_list"][0]
    tried["children"] = [condition]
    return tried


def _plain(item: Tree) -> Tree:
    """A copy of an item of the list without its alias, which stands in no GROUP BY."""
    return {**copy.deepcopy(item), "alias": ""}


def _shape(part: Any) -> str:
    """What two equal expressions have in common, whatever their places and aliases."""
    return json.dumps(_bare(part), sort_keys=True)


def _bare(part: Any) -> Any:
    if isinstance(part, dict):
        left_out = ("alias", "query_location", "query_location_length")
        return {key: _bare(value) for key, value in part.items() if key not in left_out}
    if isinstance(part, list):
        return [_bare(each) for each in part]
    return part.lower() if isinstance(part, str) else part


def _refused(why: str) -> Refused:
    return Refused(f"This cannot be asked of a dataset in aggregate mode. {why}", hint=_SHAPE)
