"""A table or query of a database: its columns, and its rows as a stream of Arrow batches.

What an asker's query filters by is handed to the database as far as both sides mean exactly the
same by it. That makes a stream shorter and never wrong: DuckDB applies the whole query again.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]

from ropeway.data.engines import types
from ropeway.wire import Column

BATCH_ROWS = 16_384
"""Rows of one batch: few enough that the first comes soon and several fit in memory."""

SECONDS = 600
"""How long the database may take for one query, where the option `timeout` says nothing."""

_WIDEST = 38
"""Digits of DuckDB's widest decimal."""

COMPARISONS = frozenset({"=", "<>", "<", "<=", ">", ">="})


@dataclass(frozen=True, slots=True)
class Filter:
    """`column op value`, with op one of = <> < <= > >= in, 'is null', 'is not null'."""

    column: str
    op: str
    value: Any = None


class Database(ABC):
    """One table or query of a database. No method's error tells address, password or text of the
    database; `because` has those, for home."""

    kind: str

    def columns(self) -> tuple[Column, ...]:
        """Names and types, in DuckDB's words, from the database's own schema."""
        with self._connect() as session:
            return tuple(each.column for each in self._carried(session))

    @abstractmethod
    def open(
        self, columns: Sequence[str], filters: Sequence[Filter] = (), limit: int | None = None
    ) -> Feed:
        """The rows of these columns as `columns()` types them, begun.

        Rows that no filter keeps may come all the same, and more than `limit` where a filter
        could not be handed on: apply both again.
        """

    @abstractmethod
    def stamp(self) -> str | None:
        """Differs when the rows may; None where the database cannot tell cheaply."""

    @abstractmethod
    def rows(self) -> tuple[int, bool] | None:
        """The number of rows and whether it is exact, where it is cheap to know."""

    @abstractmethod
    def _start(self) -> Any:
        """A session that only reads; it has a `close`. Raises `RopewayError`."""

    @abstractmethod
    def _carried(self, session: Any) -> list[Carried]:
        """The columns, and how each travels."""

    def _connect(self) -> closing[Any]:
        return closing(self._start())


class Feed:
    """Rows on their way. One thread reads; `cancel` may come from any other."""

    def __init__(
        self,
        schema: Any,
        batches: Iterator[Any],
        *,
        cancel: Callable[[], None],
        close: Callable[[], None],
    ) -> None:
        self.bytes_read: int | None = 0
        self._cancel = cancel
        self._close = close
        self.reader = pa.RecordBatchReader.from_batches(schema, self._counted(batches))

    def cancel(self) -> None:
        """Stop the query at the database, too; the reader then raises."""
        self._cancel()

    def close(self) -> None:
        """Let go of the database; rows that were not read are not fetched any more."""
        self._close()

    def __enter__(self) -> Feed:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _counted(self, batches: Iterator[Any]) -> Iterator[Any]:
        for batch in batches:
            self.bytes_read = (self.bytes_read or 0) + batch.nbytes
            yield batch


@dataclass(frozen=True, slots=True)
class Carried:
    """A column and how it travels: `sql` is what the database is asked for."""

    column: Column
    sql: str
    pushes: bool = True
    """Whether the plain column in the database means what `column` does."""
    whole: bool = True
    """Whether a filter keeps the same rows there as in DuckDB, and not a few more."""


def split_by_type(
    filters: Sequence[Filter], carried: Mapping[str, Carried]
) -> tuple[list[Filter], bool]:
    """The filters that may be handed on, and whether they alone decide which rows come."""
    fitting = [each for each in filters if _fits(carried[each.column], each)]
    whole = all(carried[each.column].whole for each in fitting)
    return fitting, whole and len(fitting) == len(filters)


def _fits(column: Carried, asked: Filter) -> bool:
    if not column.pushes:
        return False
    if asked.op in ("is null", "is not null"):
        return column.whole
    values = asked.value if asked.op == "in" else [asked.value]
    if asked.op == "in" and not (isinstance(values, list | tuple) and 0 < len(values) <= 1000):
        return False
    if asked.op not in COMPARISONS | {"in"}:
        return False
    return all(comparable(column.column.type, asked.op, value) for value in values)


def comparable(word: str, op: str, value: Any) -> bool:
    """Whether a database compares a column of this type with `value` just as DuckDB does.

    Texts are only compared for being the same: each database has an order of its own.
    """
    kind = type(value)
    if word in types.INTEGERS:
        return kind is int and -(2**63) <= value < 2**63
    if word.startswith("DECIMAL"):
        if kind is Decimal:
            return bool(value.is_finite() and abs(value.adjusted()) <= _WIDEST)
        return kind is int and abs(value) < 10**_WIDEST
    if word == "DOUBLE":
        return kind is float and math.isfinite(value)
    if word == "BOOLEAN":
        return kind is bool and op in ("=", "<>")
    if word == "VARCHAR":
        return kind is str and op in ("=", "in") and "\0" not in value
    if word == "DATE":
        return kind is date
    if word == "TIMESTAMP":
        return kind is datetime and value.tzinfo is None
    if word == "TIMESTAMP WITH TIME ZONE":
        return kind is datetime and value.tzinfo is not None
    return False
