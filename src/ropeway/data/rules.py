"""A rule: what runtimes of one class may do with one dataset, as it was written and in words."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ropeway.data import guard, masks
from ropeway.data.masks import Mask
from ropeway.errors import BadInput, RopewayError
from ropeway.kernel.words import bytes_text, rows_text
from ropeway.wire import Column

ALLOW = ("rows", "aggregates", "nothing")

LEAST_GROUP = 2
"""A group of one is a row."""

_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(B|kB|MB|GB|TB)")
_UNITS = {"B": 1, "kB": 1000, "MB": 1000**2, "GB": 1000**3, "TB": 1000**4}


@dataclass(frozen=True, slots=True)
class Rule:
    """One class's part of a policy. None stands for "no limit" and, at `columns`, for "all"."""

    allow: str
    columns: tuple[str, ...] | None = None
    hide: tuple[str, ...] = ()
    masks: Mapping[str, Mask] = field(default_factory=dict)
    rows: guard.Expression | None = None
    min_group: int = 0
    max_rows: int | None = None
    max_bytes: int | None = None
    rows_per_day: int | None = None
    bytes_per_day: int | None = None
    seconds: float | None = None
    put: bool = False
    max_put: int | None = None
    put_per_day: int | None = None

    def shows(self, column: str) -> bool:
        """Whether the column is visible. With a list of columns a new one is not."""
        return column not in self.hide and (self.columns is None or column in self.columns)

    def names(self) -> Iterator[tuple[str, Sequence[str]]]:
        """The keys that name columns, each with the names."""
        yield "columns", self.columns or ()
        yield "hide", self.hide
        yield "mask", tuple(self.masks)

    def facts(self) -> dict[str, Any]:
        """All that decides, as JSON."""
        told = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        told["masks"] = {name: [mask.name, mask.words] for name, mask in self.masks.items()}
        told["rows"] = self.rows.sql if self.rows else None
        return told


def parse(body: Any, where: str, *, general: bool = False) -> Rule:
    """The rule in the table `where`. A `general` one holds for all datasets: it names no column.

    Raises `BadInput` naming the key, what it holds and what fits.
    """
    if not isinstance(body, Mapping):
        raise BadInput(f"{where} is {body!r}, but a table is wanted.", hint=_SHAPE)
    known = {*_KEYS, *(() if general else _OF_COLUMNS)}
    if strange := sorted(set(body) - known):
        if general and strange[0] in _OF_COLUMNS:
            raise BadInput(
                f"{where}.{strange[0]} names columns, but it stands where all datasets are meant.",
                hint="Write it below the dataset: [datasets.NAME.policy.CLASS].",
            )
        raise BadInput(f"{where}.{strange[0]} is not known.", hint=f"Known are {_list(known)}.")
    allow = body.get("allow")
    if allow not in ALLOW:
        said = f"is {allow!r}" if "allow" in body else "is missing"
        raise BadInput(f"{where}.allow {said}; it must be rows, aggregates or nothing.")
    rule = Rule(
        str(allow),
        columns=_columns(body, "columns", where),
        hide=_columns(body, "hide", where) or (),
        masks=_masks(body.get("mask", {}), f"{where}.mask"),
        rows=_rows(body["rows"], f"{where}.rows") if "rows" in body else None,
        min_group=_whole(body, "min_group", where, least=LEAST_GROUP) or 0,
        max_rows=_whole(body, "max_rows", where),
        max_bytes=_bytes(body, "max_bytes", where),
        rows_per_day=_whole(body, "rows_per_day", where),
        bytes_per_day=_bytes(body, "bytes_per_day", where),
        seconds=_seconds(body, where),
        put=_flag(body, "put", where),
        max_put=_bytes(body, "max_put", where),
        put_per_day=_bytes(body, "put_per_day", where),
    )
    _check_sense(rule, body, where)
    return rule


_PUTS = ("put", "max_put", "put_per_day")
_KEYS = (
    *("allow", "max_rows", "max_bytes", "rows_per_day", "bytes_per_day"),
    *("min_group", "seconds"),
    *_PUTS,
)
_OF_COLUMNS = ("columns", "hide", "mask", "rows")
_SHAPE = 'It reads: [datasets.NAME.policy.public] and below it allow = "aggregates".'


def _check_sense(rule: Rule, body: Mapping[str, Any], where: str) -> None:
    """Keys that contradict each other: whoever wrote them meant something else."""
    if rule.columns is not None and rule.hide:
        raise BadInput(f"{where} has both columns and hide.", hint="Write one of them.")
    if rule.columns == ():
        raise BadInput(f"{where}.columns is empty.", hint='allow = "nothing" says it plainly.')
    if rule.allow == "aggregates" and not rule.min_group:
        raise BadInput(
            f"{where}.min_group is missing: how many rows must a group have?",
            hint="For example min_group = 10.",
        )
    if rule.allow != "aggregates" and rule.min_group:
        raise BadInput(
            f'{where}.min_group counts for allow = "aggregates" alone.',
            hint="A query that may see rows sees groups of any size.",
        )
    if rule.allow == "nothing" and (useless := sorted({*body} - {"allow", *_PUTS})):
        raise BadInput(f'{where}.{useless[0]} has no meaning beside allow = "nothing".')
    if not rule.put and (useless := sorted({*body} & {*_PUTS} - {"put"})):
        raise BadInput(f"{where}.{useless[0]} has no meaning without put = true.")


def _columns(body: Mapping[str, Any], key: str, where: str) -> tuple[str, ...] | None:
    if key not in body:
        return None
    value = body[key]
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise BadInput(f"{where}.{key} is {value!r}, but a list of columns is wanted.")
    if twice := [each for each in value if value.count(each) > 1]:
        raise BadInput(f"{where}.{key} names the column {twice[0]} twice.")
    return tuple(value)


def _masks(value: Any, where: str) -> dict[str, Mask]:
    if not isinstance(value, Mapping):
        raise BadInput(
            f"{where} is {value!r}, but a table is wanted.", hint='mask = { ssn = "hash" }'
        )
    return {name: masks.parse(each, f"{where}.{name}") for name, each in value.items()}


def _rows(value: Any, where: str) -> guard.Expression:
    if not isinstance(value, str) or not value.strip():
        raise BadInput(f"{where} is {value!r}, but a condition is wanted.", hint=_CONDITION)
    try:
        return guard.check_expression(value)
    except RopewayError as error:
        raise BadInput(f"{where}: {error.message}", hint=_CONDITION) from None


_CONDITION = "For example rows = \"country = 'DE'\"."


def _whole(body: Mapping[str, Any], key: str, where: str, least: int = 1) -> int | None:
    value = body.get(key)
    if value is None or (type(value) is int and least <= value < 2**63):
        return value
    raise BadInput(f"{where}.{key} is {value!r}, but a whole number from {least} is wanted.")


def _bytes(body: Mapping[str, Any], key: str, where: str) -> int | None:
    value = body.get(key)
    if isinstance(value, str) and (match := _SIZE.fullmatch(value)):
        value = int(float(match[1]) * _UNITS[match[2]])
    if value is None or (type(value) is int and 1 <= value < 2**63):
        return value
    raise BadInput(f"{where}.{key} is {body[key]!r}, but a size is wanted.", hint='"10 MB"')


def _seconds(body: Mapping[str, Any], where: str) -> float | None:
    value = body.get("seconds")
    if value is None or (type(value) in (int, float) and 0 < value <= 86_400):
        return None if value is None else float(value)
    raise BadInput(f"{where}.seconds is {value!r}, but a number up to 86400 is wanted.")


def _flag(body: Mapping[str, Any], key: str, where: str) -> bool:
    value = body.get(key, False)
    if type(value) is bool:
        return value
    raise BadInput(f"{where}.{key} is {value!r}, but true or false is wanted.")


def words(rule: Rule, columns: Sequence[Column]) -> tuple[str, ...]:
    """The rule in plain sentences, for people at home."""
    return tuple(_sentences(rule, columns))


def _sentences(rule: Rule, columns: Sequence[Column]) -> Iterator[str]:
    if rule.allow == "nothing":
        yield "Nothing may be read."
    elif rule.allow == "aggregates":
        yield (
            f"Only aggregates may cross, over groups of at least {rows_text(rule.min_group)}; "
            "smaller groups are left out."
        )
    else:
        yield "Rows may cross."
    if rule.allow != "nothing":
        hidden = [column.name for column in columns if not rule.shows(column.name)]
        yield f"Hidden: {_list(hidden)}." if hidden else "Every column is visible."
        for name, mask in rule.masks.items():
            yield f"{name} is {mask.words}."
        yield f"Only rows where {rule.rows.sql}." if rule.rows else "Every row counts."
        yield from _limits(rule)
    yield "Results may be put there." if rule.put else "Nothing may be put there."
    if rule.max_put:
        yield f"A put may bring {bytes_text(rule.max_put)}."
    if rule.put_per_day:
        yield f"A runtime may put {bytes_text(rule.put_per_day)} a day (UTC)."


def _limits(rule: Rule) -> Iterator[str]:
    for rows, size, span in (
        (rule.max_rows, rule.max_bytes, "a query"),
        (rule.rows_per_day, rule.bytes_per_day, "a day (UTC)"),
    ):
        parts = [rows_text(rows)] if rows else []
        parts += [bytes_text(size)] if size else []
        if parts:
            yield f"At most {' and '.join(parts)} {span}."
    if rule.seconds:
        yield f"A query may take {rule.seconds:g} s."


def _list(names: Sequence[str] | set[str]) -> str:
    return ", ".join(sorted(names) if isinstance(names, set) else names)
