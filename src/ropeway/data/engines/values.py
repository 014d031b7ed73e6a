"""Python's values as Arrow columns, for drivers that give rows: exact, or an error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]

from ropeway.data.engines import types
from ropeway.wire import Column

_CONTEXT = Context(prec=76, rounding=ROUND_HALF_EVEN)


def batch(rows: Sequence[Sequence[Any]], columns: Sequence[Column], schema: Any) -> Any:
    """One Arrow batch. Raises `QueryFailed` where a value is not of its column's type."""
    if not columns:
        return pa.RecordBatch.from_struct_array(pa.array([{}] * len(rows), pa.struct([])))
    taken = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    arrays = [
        array(values, column.name, column.type)
        for values, column in zip(taken, columns, strict=True)
    ]
    return pa.record_batch(arrays, schema=schema)


def array(values: Sequence[Any], name: str, word: str) -> Any:
    """One Arrow column of the type that DuckDB calls `word`."""
    make = _MAKERS.get(word.partition("(")[0])
    try:
        if word.startswith("DECIMAL") and _rounds(values, word):
            return pa.array(values, pa.float64()).cast(types.arrow_type(word))
        if make is not None:
            values = [None if value is None else make(value, word) for value in values]
        if word in _PARSED and any(isinstance(value, str) for value in values):
            return types.fit(name, pa.array(values, pa.string()), word)
        return pa.array(values, types.arrow_type(word))
    except (pa.ArrowException, TypeError, ValueError, ArithmeticError) as error:
        raise types.misfit(name, word, error) from None


def _rounds(values: Sequence[Any], word: str) -> bool:
    """Whether Arrow may round these values to a decimal: fast, and right up to 15 digits."""
    digits = int(word.partition("(")[2].partition(",")[0])
    return digits <= 15 and all(type(value) in (float, int, type(None)) for value in values)


_PARSED = frozenset({"DATE", "TIME", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"})


def _boolean(value: Any, word: str) -> bool:
    if value in (0, 1):
        return bool(value)
    raise ValueError(f"{value!r} is not 0 or 1")


def _decimal(value: Any, word: str) -> Decimal:
    """As many digits behind the point as were declared: a REAL has others of its own."""
    scale = int(word.rstrip(")").partition(",")[2])
    if isinstance(value, float):
        return Decimal(repr(value)).quantize(Decimal(1).scaleb(-scale), context=_CONTEXT)
    return Decimal(value)


def _text(value: Any, word: str) -> str:
    if isinstance(value, bytes):
        raise TypeError("bytes are no text")
    return value if isinstance(value, str) else str(value)


def _bytes(value: Any, word: str) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


_MAKERS: dict[str, Callable[[Any, str], Any]] = {
    "BOOLEAN": _boolean,
    "DECIMAL": _decimal,
    "VARCHAR": _text,
    "BLOB": _bytes,
}
