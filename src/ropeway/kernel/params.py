"""Bound parameters: from Python's values to their form on the wire (see `wire.Query`)."""

from __future__ import annotations

import base64
import math
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from ropeway.errors import BadInput


def encode(params: dict[str, Any]) -> dict[str, Any]:
    """The parameters as JSON. Raises `BadInput` naming the one that has no such form."""
    return {name: _value(name, value) for name, value in params.items()}


def _value(name: str, value: Any) -> Any:
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"$float": str(float(value))}
    if isinstance(value, (list, tuple)):
        return [_value(name, item) for item in value]
    known = _typed(value)
    if known is not None:
        return known
    # NumPy's scalars and others like them know the Python value that they stand for.
    plain = value.item() if hasattr(value, "item") and not getattr(value, "shape", ()) else value
    if type(plain) is not type(value):
        return _value(name, plain)
    raise BadInput(
        f"The parameter {name} is a {type(value).__name__}, which cannot be bound.",
        hint="Text, numbers, booleans, None, dates, times, Decimal, bytes and lists of them can.",
    )


def _typed(value: Any) -> dict[str, str] | None:
    """What JSON lacks, as an object that says its type."""
    if value != value:  # pandas' NaT is a datetime that equals nothing
        return None
    if isinstance(value, datetime):
        return {"$datetime": value.isoformat(timespec="microseconds")}
    if isinstance(value, date):
        return {"$date": value.isoformat()}
    if isinstance(value, time):
        return {"$time": value.isoformat()}
    if isinstance(value, Decimal):
        return {"$decimal": str(value)}
    if isinstance(value, (bytes, bytearray)):
        return {"$bytes": base64.b64encode(value).decode()}
    return None
