"""Bound parameters: from their form on the wire back to values.

JSON's own values stand for themselves. Others are an object with one key that says the type:
`{"$date": "2024-01-31"}`, `{"$datetime": "2024-01-31T12:00:00+01:00"}`, `{"$time": "12:00:00"}`,
`{"$decimal": "1.50"}`, `{"$float": "nan"}`, `{"$bytes": base64}`. Lists may hold any of these.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from ropeway.errors import BadInput

_READ: dict[str, Callable[[str], Any]] = {
    "$date": date.fromisoformat,
    "$datetime": datetime.fromisoformat,
    "$time": time.fromisoformat,
    "$decimal": lambda text: _decimal(text),
    "$float": float,
    "$bytes": lambda text: base64.b64decode(text, validate=True),
}

_MAX_INTEGER = 2**127


def decode(params: Mapping[str, Any], wanted: frozenset[str]) -> dict[str, Any]:
    """The values for a query that has the parameters `wanted`.

    Raises `BadInput` when one is missing, too many, or not in the form above.
    """
    if missing := sorted(wanted - set(params)):
        raise BadInput(
            f"The query has the parameter ${missing[0]}, but no value was given for it.",
            hint=f"Pass it by name: rw.sql(…, {missing[0]}=…).",
        )
    if extra := sorted(set(params) - wanted):
        raise BadInput(
            f"A value was given for {extra[0]}, but the query has no ${extra[0]}.",
            hint="Write $name in the query where the value belongs.",
        )
    return {name: _value(name, value) for name, value in params.items()}


MOST_VALUES = 200_000
"""Values that a query may bring along, those in lists counted one by one."""

MOST_TEXT = 8_000_000
"""Characters of a query and the texts that it brings along."""

_DIGITS = 400
"""A decimal's exponent: beyond, a short text stands for a number that fills the memory."""


def check_size(sql: Any, params: Any) -> None:
    """Raises `BadInput` for more than is looked at, before anybody copies it."""
    waiting, values, text = [params], 0, len(sql) if isinstance(sql, str) else 0
    while waiting:
        part = waiting.pop()
        if isinstance(part, Mapping):
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
        elif isinstance(part, str):
            text += len(part)
        values += 1
        if values + len(waiting) > MOST_VALUES or text > MOST_TEXT:
            raise BadInput(
                "The query brings along more than home looks at.",
                hint=f"At most {MOST_VALUES:,} values and {MOST_TEXT:,} characters. Put a table "
                "with rw.put, and join it at home.",
            )


def _decimal(text: str) -> Decimal:
    value = Decimal(text)
    if not value.is_finite() or abs(value.adjusted()) > _DIGITS:
        raise ValueError("out of range")
    return value


def _value(name: str, value: Any) -> Any:
    if value is None or isinstance(value, (bool, float, str)):
        return value
    if isinstance(value, int):
        if -_MAX_INTEGER <= value < _MAX_INTEGER:
            return value
        raise BadInput(f"The parameter {name} is too large: whole numbers have 128 bits.")
    if isinstance(value, list):
        return [_value(name, item) for item in value]
    if isinstance(value, Mapping) and len(value) == 1:
        kind, text = next(iter(value.items()))
        read = _READ.get(str(kind))
        if read is not None and isinstance(text, str):
            try:
                return read(text)
            except (ValueError, ArithmeticError):
                pass
    raise BadInput(f"The parameter {name} is not in a form that can be bound.")
