"""Masks: what stands in the place of a column's values before anything outside may look at them.

A mask is an expression of SQL in the list of a secure view, so what a query filters, sorts, joins
or groups by is the masked value; the value behind it is in no plan that a query can reach.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ropeway import config
from ropeway.data.syntax import quoted_name
from ropeway.errors import BadInput
from ropeway.wire import Column

_TEXTS = ("VARCHAR",)
_SMALL = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
_NUMBERS = (*_SMALL, "UBIGINT", "HUGEINT", "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL")
_STAMPS = ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE")
_PLAIN = (*_TEXTS, *_NUMBERS, *_STAMPS, "DATE", "TIME", "UUID", "BOOLEAN", "ENUM", "BLOB")

_PARTS = {
    "year": ("DATE", *_STAMPS),
    "month": ("DATE", *_STAMPS),
    "day": _STAMPS,
    "hour": _STAMPS,
}

_BLOCK = 64
"""Bytes of one block of SHA-256; HMAC pads its key to them."""

LEAST_KEY = 16
"""Bytes that a key of hashes has at least."""


def home_key(folder: Path) -> bytes:
    """The key of hashes that is kept in the private `folder`, made once.

    Whoever knows it can find out by trying which value a hash stands for.
    """
    path = folder / "hash.key"
    with config.one_writer(folder):
        if not path.exists():
            config.write_private(path, secrets.token_hex(_BLOCK // 2))
        return bytes.fromhex(path.read_text("ascii"))


@dataclass(frozen=True, slots=True)
class Mask:
    """One kind of mask: which types it fits and what SQL it becomes.

    `words` completes the sentence "NAME is …".
    """

    name: str
    words: str
    types: tuple[str, ...] | None
    """The types that it fits; None for all."""
    _sql: Callable[[str, str, bytes], str]

    def sql(self, column: Column, key: bytes) -> str:
        """The expression for this column. The caller has asked `fits`."""
        return self._sql(quoted_name(column.name), column.type, key)

    def fits(self, column: Column) -> bool:
        """Whether the column's type is one that the mask can work on."""
        kind = column.type
        if self.types is None:
            return True
        return not kind.endswith("]") and re.split(r"\(", kind)[0].strip() in self.types


def parse(value: Any, where: str) -> Mask:
    """The mask that was written down. Raises `BadInput` naming the key `where`."""
    if isinstance(value, str) and value in _PARTS:
        return Mask(value, f"cut to its {value}", _PARTS[value], _cut(value))
    if isinstance(value, str) and value in _SIMPLE:
        return _SIMPLE[value]
    if isinstance(value, Mapping) and len(value) == 1:
        kind, amount = next(iter(value.items()))
        if kind == "round" and type(amount) in (int, float) and 0 < amount < 1e15:
            return Mask("round", f"rounded to multiples of {amount:g}", _NUMBERS, _round(amount))
        if kind == "truncate" and type(amount) is int and 0 <= amount <= 10_000:
            words = f"cut to its first {amount} characters"
            return Mask("truncate", words, _TEXTS, lambda name, _, __: f"left({name}, {amount})")
    raise BadInput(f"{where} is {value!r}, which is no mask.", hint=_KNOWN)


_KNOWN = (
    'Masks are "hash", "redact", "null", "year", "month", "day", "hour", '
    "{ round = 1000 } for numbers and { truncate = 3 } for texts."
)


def _hash(name: str, _: str, key: bytes) -> str:
    """HMAC-SHA256 (RFC 2104) of the value's text, in hexadecimal; NULL stays NULL.

    A plain `sha256(key || value)` could be lengthened by who knows one hash; this cannot.
    """
    if len(key) < LEAST_KEY:
        raise ValueError("the key of hashes is too short")
    inner, outer = (_padded(key, byte) for byte in (0x36, 0x5C))
    digest = f"unhex(sha256(unhex('{inner}') || encode({name}::varchar)))"
    return f"sha256(unhex('{outer}') || {digest})"


def _padded(key: bytes, byte: int) -> str:
    if len(key) > _BLOCK:
        raise ValueError("the key of hashes is longer than a block")
    return bytes(each ^ byte for each in key.ljust(_BLOCK, b"\0")).hex()


def _cut(part: str) -> Callable[[str, str, bytes], str]:
    """A date too far away to be cut becomes NULL, so that no row makes a query fail."""
    return lambda name, kind, _: f"try(date_trunc('{part}', {name})::{kind})"


def _round(step: float) -> Callable[[str, str, bytes], str]:
    """To the nearest multiple. Whole numbers stay whole and exact; no value makes it fail."""

    def sql(name: str, kind: str, _: bytes) -> str:
        if kind in _SMALL and step == int(step):
            raised = f"({name}::hugeint + {int(step) // 2})"
            below = f"((({raised} % {int(step)}) + {int(step)}) % {int(step)})"
            return f"try_cast({raised} - {below} as bigint)"
        return f"round({name}::double / {step!r}) * {step!r}"

    return sql


_SIMPLE = {
    "hash": Mask("hash", "replaced by a keyed hash", _PLAIN, _hash),
    "redact": Mask("redact", "replaced by ***", _TEXTS, lambda *_: "'***'"),
    "null": Mask("null", "emptied", None, lambda _, kind, __: f"null::{kind}"),
}
