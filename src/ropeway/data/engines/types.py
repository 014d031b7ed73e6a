"""DuckDB's names of types and Arrow's types: the columns of every engine meet here."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]

from ropeway.data.problem import because
from ropeway.errors import BadInput, QueryFailed

_PLAIN = {
    "BOOLEAN": pa.bool_(),
    "TINYINT": pa.int8(),
    "SMALLINT": pa.int16(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "UTINYINT": pa.uint8(),
    "USMALLINT": pa.uint16(),
    "UINTEGER": pa.uint32(),
    "UBIGINT": pa.uint64(),
    "FLOAT": pa.float32(),
    "DOUBLE": pa.float64(),
    "VARCHAR": pa.string(),
    "BLOB": pa.binary(),
    "DATE": pa.date32(),
    "TIME": pa.time64("us"),
    "TIMESTAMP": pa.timestamp("us"),
    "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", "UTC"),
    "INTERVAL": pa.month_day_nano_interval(),
}
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")

INTEGERS = frozenset({*(f"{u}{n}INT" for u in ("", "U") for n in ("TINY", "SMALL", "BIG"))}) | {
    "INTEGER",
    "UINTEGER",
}


def arrow_type(word: str) -> Any:
    """Arrow's type for one of DuckDB's words; `BadInput` for a type that no database column has."""
    if word.endswith("[]"):
        return pa.list_(arrow_type(word[:-2]))
    if word in _PLAIN:
        return _PLAIN[word]
    if word == "UUID":
        return pa.uuid()
    if (match := _DECIMAL.fullmatch(word)) and 1 <= int(match[1]) <= 38 >= int(match[2]):
        return pa.decimal128(int(match[1]), int(match[2]))
    raise BadInput(
        f"{word!r} is no type that a column can be given.",
        hint=f"Types are {', '.join(_PLAIN)}, DECIMAL(p,s) and lists such as INTEGER[].",
    )


def decimal(precision: int, scale: int) -> str:
    """The type of a decimal column; a wider one than DuckDB has is a DOUBLE."""
    fits = 1 <= precision <= 38 and 0 <= scale <= precision
    return f"DECIMAL({precision},{scale})" if fits else "DOUBLE"


def schema(columns: Any) -> Any:
    """The Arrow schema of columns as `wire.Column`."""
    return pa.schema([(column.name, arrow_type(column.type)) for column in columns])


def fit(name: str, column: Any, word: str) -> Any:
    """The Arrow array in the type that is promised; raises `QueryFailed` where a value does not
    fit, and never rounds one away."""
    wanted = arrow_type(word)
    if isinstance(column.type, pa.BaseExtensionType) and column.type != wanted:
        column = column.storage
    if column.type == wanted:
        return column
    try:
        return column.cast(wanted)
    except pa.ArrowException as error:
        raise misfit(name, word, error) from None


def misfit(name: str, word: str, error: BaseException) -> QueryFailed:
    """The error for a value that is not of its column's type."""
    return because(
        QueryFailed(
            f"A column holds a value that is no {word}.",
            hint="Give it another type at home with the option columns.",
        ),
        f"The column is {name}: {error}",
    )
