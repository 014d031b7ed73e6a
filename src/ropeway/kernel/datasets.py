"""The datasets at home as a cell sees them: names, columns, and statistics on demand."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any, overload

from ropeway import wire
from ropeway.errors import Refused, UnknownDataset
from ropeway.kernel.words import bytes_text, rows_text


@dataclass(frozen=True)
class Column:
    """What `Dataset.statistics` found in a column; `min` and `max` are texts, as a cell shows them.

    What the policy does not tell is None.
    """

    name: str
    type: str
    nulls: int | None = None
    min: str | None = None
    max: str | None = None


@dataclass(frozen=True)
class Statistics:
    """What is in a dataset: its rows, the bytes that were read to learn it, and its columns."""

    dataset: str
    rows: int
    bytes_scanned: int
    columns: tuple[Column, ...]

    def __repr__(self) -> str:
        head = f"{self.dataset}: {rows_text(self.rows)}, {bytes_text(self.bytes_scanned)} scanned"
        return "\n".join((head, *("  " + "  ".join(_told(each)) for each in self.columns)))

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in ("column", "type", "NULL", "min", "max"))
        rows = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in _told(each)) + "</tr>"
            for each in self.columns
        )
        return (
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table><p><small>"
            f"{rows_text(self.rows)} · {bytes_text(self.bytes_scanned)} scanned</small></p>"
        )


@dataclass(frozen=True)
class Dataset:
    """One dataset at home: its name and columns, never where it lies.

    `error` says why it cannot be read, in words; empty where it can.
    """

    name: str
    columns: tuple[wire.Column, ...] = ()
    error: str = ""

    @property
    def schema(self) -> dict[str, str]:
        """The columns' types by name, in DuckDB's words."""
        return {column.name: column.type for column in self.columns}

    def statistics(self) -> Statistics:
        """Rows, and of each column the NULLs, the smallest and the largest value.

        Asked for with one query, under the rules that hold for any; where the policy tells only
        how many there are, that. Raises as `rw.sql`.
        """
        try:
            return self._statistics(extremes=True)
        except Refused:
            return self._statistics(extremes=False)

    def _statistics(self, *, extremes: bool) -> Statistics:
        from ropeway.kernel.data import sql

        asked = ["count(*)"]
        for column in self.columns:
            name = quoted(column.name)
            asked.append(f"count(*) - count({name})")
            if extremes and _has_order(column.type):
                asked += [f"min({name})", f"max({name})"]
        named = ", ".join(f"{each} as c{i}" for i, each in enumerate(asked))
        told = sql(f"select {named} from {quoted(self.name)}").summary  # noqa: S608
        found = iter(told.preview[0])
        rows = int(next(found))
        columns = []
        for column in self.columns:
            nulls = int(next(found))
            span = (next(found), next(found)) if extremes and _has_order(column.type) else ()
            columns.append(Column(column.name, column.type, nulls, *span))
        return Statistics(self.name, rows, told.bytes_scanned, tuple(columns))


class DatasetList(list[Dataset]):
    """The datasets at home, as a list that shows itself as a table; `[name]` gives one of them."""

    @overload  # type: ignore[override]
    def __getitem__(self, which: int | str) -> Dataset: ...
    @overload
    def __getitem__(self, which: slice) -> list[Dataset]: ...
    def __getitem__(self, which: Any) -> Any:
        if not isinstance(which, str):
            return super().__getitem__(which)
        for each in self:
            if each.name == which:
                return each
        names = sorted(each.name for each in self)
        raise UnknownDataset(
            f"There is no dataset {which!r} at home. "
            + (f"Added are: {', '.join(names)}." if names else "None was added yet."),
            hint="Add it at home: ropeway data add NAME SOURCE.",
            dataset=which,
            datasets=names,
        )

    def __repr__(self) -> str:
        return "\n".join(f"{each.name}: {_described(each)}" for each in self) or _NONE

    def _repr_html_(self) -> str:
        if not self:
            return f"<p>{escape(_NONE)}</p>"
        rows = "".join(
            f"<tr><td>{escape(each.name)}</td><td>{escape(_described(each))}</td></tr>"
            for each in self
        )
        head = "<thead><tr><th>dataset</th><th>columns</th></tr></thead>"
        return f"<table>{head}<tbody>{rows}</tbody></table>"


_NONE = "No dataset was added at home yet: ropeway data add NAME SOURCE."


def quoted(name: str) -> str:
    """A name as SQL's identifier, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def _described(dataset: Dataset) -> str:
    return dataset.error or ", ".join(f"{c.name} {c.type}" for c in dataset.columns)


def _has_order(kind: str) -> bool:
    """Not structs, lists and maps, whose smallest value says little and may be long."""
    return not kind.endswith("]") and "(" not in kind.replace("DECIMAL(", "")


def _told(column: Column) -> tuple[str, ...]:
    nulls = "" if column.nulls is None else str(column.nulls)
    return column.name, column.type, nulls, column.min or "", column.max or ""
