"""What every kind of source is asked to hold."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa

ODD = 'a "b" c'

EVERYTHING = pa.table(
    {
        "number": pa.array([1, None, -(2**40)], pa.int64()),
        "ratio": pa.array([0.1, None, -2.5e300], pa.float64()),
        "price": pa.array([Decimal("12345678.91"), None, Decimal("-0.01")], pa.decimal128(12, 2)),
        "word": pa.array(["żółw 🐢, \"quoted\"\n'line'", None, "plain"], pa.string()),
        "yes": pa.array([True, None, False], pa.bool_()),
        "day": pa.array([date(2024, 2, 29), None, date(1969, 7, 20)], pa.date32()),
        "moment": pa.array(
            [datetime(2024, 2, 29, 12, 34, 56, 123456), None, datetime(1969, 7, 20, 20, 17)],
            pa.timestamp("us"),
        ),
        "instant": pa.array(
            [datetime(2024, 2, 29, 23, 30, tzinfo=UTC), None, datetime(1970, 1, 1, tzinfo=UTC)],
            pa.timestamp("us", "UTC"),
        ),
        ODD: pa.array([7, None, 8], pa.int64()),
        "many": pa.array([[1, None, 3], None, []], pa.list_(pa.int64())),
    }
)
"""Numbers, texts, times and lists, with NULL among them, and a name that must be quoted."""

TYPES = {
    "number": "BIGINT",
    "ratio": "DOUBLE",
    "price": "DECIMAL(12,2)",
    "word": "VARCHAR",
    "yes": "BOOLEAN",
    "day": "DATE",
    "moment": "TIMESTAMP",
    "instant": "TIMESTAMP WITH TIME ZONE",
    ODD: "BIGINT",
    "many": "BIGINT[]",
}


def many(count: int) -> pa.Table:
    """A table of `count` rows."""
    return pa.table(
        {
            "number": pa.array(range(count), pa.int64()),
            "word": pa.array([f"name {n % 1000}" for n in range(count)], pa.string()),
        }
    )
