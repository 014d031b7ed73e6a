"""Values as JSON, for those who take no code from their sender: Python's own numbers, texts and
bytes, arrays, and what is made of them.

What JSON lacks is an object with one key: `$tuple`, `$set`, `$frozenset`, `$bytes`, `$complex`,
`$array`, and `$dict` for one whose keys are not all texts.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from ropeway.kernel import tensors

_DEPTH = 100

_ATOMS = (type(None), bool, int, float, str)
_GROUPS: dict[type[Any], str] = {tuple: "$tuple", set: "$set", frozenset: "$frozenset"}


def text(value: Any) -> bytes | None:
    """The value as JSON; None where it is, or holds, something else."""
    try:
        return json.dumps(_encoded(value, 0)).encode()
    except (_NotPlain, ValueError):  # ValueError: more digits than Python writes
        return None


def value(text: bytes) -> Any:
    """The value of a text. Raises anything for what is none."""
    return _decoded(json.loads(text))


class _NotPlain(Exception):
    """The value is, or holds, something else, or itself."""


def _encoded(value: Any, depth: int) -> Any:
    kind = type(value)
    if depth > _DEPTH:
        raise _NotPlain
    if kind in _ATOMS:
        return value
    if kind is list:
        return [_encoded(each, depth + 1) for each in value]
    if kind in _GROUPS:
        return {_GROUPS[kind]: [_encoded(each, depth + 1) for each in value]}
    if kind is bytes:
        return {"$bytes": _base64(value)}
    if kind is complex:
        return {"$complex": [value.real, value.imag]}
    if kind is dict:
        if all(type(key) is str and not key.startswith("$") for key in value):
            return {key: _encoded(each, depth + 1) for key, each in value.items()}
        pairs = value.items()
        return {"$dict": [[_encoded(each, depth + 1) for each in pair] for pair in pairs]}
    if (array := tensors.raw(value)) is not None:
        return {"$array": [array[0], _base64(array[1])]}
    raise _NotPlain


def _decoded(found: Any) -> Any:
    if isinstance(found, list):
        return [_decoded(each) for each in found]
    if not isinstance(found, dict):
        return found
    key, rest = next(iter(found.items()), ("", None))
    if not key.startswith("$"):
        return {key: _decoded(each) for key, each in found.items()}
    return _MADE[key](rest)


def _array(rest: Any) -> Any:
    head, memory = rest[0], base64.b64decode(rest[1])

    def fill(view: Any) -> None:
        view[:] = memory

    return tensors.restored(head, fill)


def _base64(data: Any) -> str:
    return base64.b64encode(data).decode("ascii")


_MADE: dict[str, Callable[[Any], Any]] = {
    "$tuple": lambda rest: tuple(map(_decoded, rest)),
    "$set": lambda rest: set(map(_decoded, rest)),
    "$frozenset": lambda rest: frozenset(map(_decoded, rest)),
    "$bytes": base64.b64decode,
    "$complex": lambda rest: complex(*rest),
    "$array": _array,
    "$dict": lambda rest: {_decoded(key): _decoded(value) for key, value in rest},
}
