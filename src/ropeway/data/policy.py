"""The policy: what of a dataset a runtime may see, by the class of the runtime. Pure.

    [datasets.patients.policy.public]
    allow = "rows"
    hide = ["name"]
    mask = { ssn = "hash", birth = "year" }
    rows = "consented and country = 'DE'"
    rows_per_day = 100000

Fail-closed: a class that nothing was written for has its default, which for `public` is nothing; a
key that is not known, a column that is not there and a mask that does not fit are errors, and a
dataset whose policy is wrong answers nobody.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb

from ropeway.data import guard, rules, syntax
from ropeway.data.engines.failure import explain
from ropeway.data.rules import Rule, words
from ropeway.data.syntax import quoted_name
from ropeway.errors import BadInput, Refused
from ropeway.wire import CLASSES, Column

_DEFAULTS = {
    "here": Rule("rows", put=True),
    "own": Rule("rows", put=True),
    "shared": Rule("rows", put=True),
    "public": Rule("nothing"),
}
"""What holds where nothing is written."""


@dataclass(frozen=True, slots=True)
class View:
    """What one class of runtime sees of a dataset: a secure view's SQL, and its limits."""

    dataset: str
    columns: tuple[Column, ...]
    """The visible names, and their types after masks."""
    select: str = field(repr=False)
    """The list of the view over the base relation. May hold the key of hashes: never in a log."""
    where: str
    """The filter of rows over the base's columns; empty for none."""
    aggregate: int
    """0: rows may cross. k ≥ 2: aggregates alone, over groups of at least k rows."""
    plain: frozenset[str]
    """Columns that are shown as they are."""
    counted: frozenset[str]
    """Columns that in aggregate mode may be counted and nothing else: pseudonyms."""
    max_rows: int | None
    max_bytes: int | None
    rows_per_day: int | None
    bytes_per_day: int | None
    seconds: float | None
    volatile: bool
    """Whether the filter depends on the time: then nothing of it can be cached."""
    version: str
    """A short hash of all that decides, for the ledger and the cache."""
    words: tuple[str, ...]
    """The policy in plain sentences, for people at home."""

    @property
    def shows_all(self) -> bool:
        """Whether nothing behind the view could be told by what was read of it."""
        masked = len(self.plain) < len(self.columns)
        return not (self.where or self.aggregate or masked)


@dataclass(frozen=True, slots=True)
class Policy:
    """A dataset's policy as it was written down."""

    rules: Mapping[str, Rule]
    where: str
    """Where it was written, for errors."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """The key under which a class's rule was written; a class with its default has none."""

    def view(self, runtime_class: str, dataset: str, columns: Sequence[Column], key: bytes) -> View:
        """What runtimes of that class see of the dataset, which has these `columns`.

        Raises `Refused` where that is nothing, and `BadInput` where the policy does not fit the
        columns: then the dataset answers nobody, whatever the class.
        """
        self.check(columns)
        rule = self.rule(runtime_class)
        if rule.allow == "nothing":
            raise nothing(dataset, runtime_class)
        shown = [column for column in columns if rule.shows(column.name)]
        select = ", ".join(_item(column, rule, key) for column in shown)
        where = rule.rows.sql if rule.rows else ""
        return View(
            dataset=dataset,
            columns=_types(f"{self.where}.{runtime_class}", select, where, columns),
            select=select,
            where=where,
            aggregate=rule.min_group if rule.allow == "aggregates" else 0,
            plain=frozenset(each.name for each in shown if each.name not in rule.masks),
            counted=frozenset(name for name, mask in rule.masks.items() if mask.name == "hash"),
            max_rows=rule.max_rows,
            max_bytes=rule.max_bytes,
            rows_per_day=rule.rows_per_day,
            bytes_per_day=rule.bytes_per_day,
            seconds=rule.seconds,
            volatile=rule.rows is not None and rule.rows.volatile,
            version=_version(rule, columns, key),
            words=words(rule, columns),
        )

    def check(self, columns: Sequence[Column]) -> None:
        """Raises `BadInput` where the rule of any class does not fit these columns."""
        for name in CLASSES:
            self._fit(name, columns)

    def rule(self, runtime_class: str) -> Rule:
        """What holds for a class. Raises `Refused` for one that is not known."""
        if runtime_class not in CLASSES:
            raise Refused(f"{runtime_class!r} is no class of runtime.", hint=_CLASSES)
        return self.rules[runtime_class]

    def _fit(self, runtime_class: str, columns: Sequence[Column]) -> None:
        """Raises `BadInput` where the rule of a class names what the dataset has not."""
        rule = self.rules[runtime_class]
        key = f"{self.where}.{runtime_class}"
        known = {column.name: column for column in columns}
        for part, names in rule.names():
            for name in names:
                if name not in known:
                    raise _no_column(f"{key}.{part}", name, known)
        for name, mask in rule.masks.items():
            if not rule.shows(name):
                raise BadInput(f"{key}.mask.{name}: the column is hidden already.")
            if not mask.fits(known[name]):
                raise BadInput(
                    f"{key}.mask.{name}: {mask.name} does not fit {known[name].type}.",
                    hint=f"It fits {_listed(mask.types or ())}; null fits every type.",
                )
        if rule.allow != "nothing" and not any(rule.shows(name) for name in known):
            raise BadInput(f"{key} hides every column.", hint='allow = "nothing" says it plainly.')
        if rule.rows:
            _fit_rows(f"{key}.rows", rule.rows, columns)


def parse(
    table: Mapping[str, Any], where: str, defaults: Mapping[str, Any] | None = None
) -> Policy:
    """The policy in the body of `[datasets.NAME.policy]`; `where` names that key in errors.

    `defaults` is the body of the file's `[policy]`: the rules of classes that `table` is silent
    about. What is written for a class counts as a whole, nothing is mixed in. Raises `BadInput`.
    """
    found = dict(_DEFAULTS)
    origins: dict[str, str] = {}
    for general, key, body in ((True, "policy", defaults or {}), (False, where, table)):
        for name, rule in _tables(body, key):
            origins[name] = f"{key}.{name}"
            found[name] = rules.parse(rule, origins[name], general=general)
    return Policy(found, where, origins)


def nothing(dataset: str, runtime_class: str) -> Refused:
    """The error for a class that may read nothing of a dataset."""
    return Refused(
        f"Runtimes of the class {runtime_class} may read nothing of {dataset}.",
        hint="What they may read is decided at home, in ropeway.toml: "
        f"ropeway data policy check {dataset} --class {runtime_class}",
        dataset=dataset,
        runtime_class=runtime_class,
    )


def _tables(table: Any, where: str) -> list[tuple[str, Any]]:
    if not isinstance(table, Mapping):
        raise BadInput(f"{where} is {table!r}, but a table is wanted.", hint=_CLASSES)
    if strange := sorted(set(table) - set(CLASSES)):
        raise BadInput(f"{where}.{strange[0]} is no class of runtime.", hint=_CLASSES)
    return list(table.items())


_CLASSES = f"The classes of runtimes are {', '.join(CLASSES)}."


def _item(column: Column, rule: Rule, key: bytes) -> str:
    name = quoted_name(column.name)
    mask = rule.masks.get(column.name)
    return f"{mask.sql(column, key)} as {name}" if mask else f"{name} as {name}"


def _fit_rows(key: str, rows: guard.Expression, columns: Sequence[Column]) -> None:
    try:
        kind = syntax.types_of(f"({rows.sql}) as fits", rows.sql, columns)[0].type
    except duckdb.Error as error:
        raise BadInput(f"{key} does not fit the columns: {explain(str(error)).message}") from None
    if kind != "BOOLEAN":
        raise BadInput(f"{key} gives {kind}, but true or false is wanted.")


def _types(key: str, select: str, where: str, columns: Sequence[Column]) -> tuple[Column, ...]:
    try:
        return syntax.types_of(select, where, columns)
    except duckdb.Error:
        raise BadInput(f"{key} does not fit the columns of the dataset.") from None


def _no_column(key: str, name: str, known: Mapping[str, Column]) -> BadInput:
    return BadInput(
        f"{key} names the column {name}, which the dataset has not.",
        hint=f"Its columns are {_listed(known)}.",
    )


def _listed(names: Sequence[str] | Mapping[str, Any]) -> str:
    return ", ".join(names)


def _version(rule: Rule, columns: Sequence[Column], key: bytes) -> str:
    """Of the key as well: with another one the same query gives other hashes."""
    told = json.dumps([rule.facts(), [[c.name, c.type] for c in columns]], sort_keys=True)
    return hmac.new(key, told.encode(), hashlib.sha256).hexdigest()[:12]


__all__ = ["CLASSES", "Policy", "View", "parse", "words"]
