"""Values as JSON, for those who take no code from their sender: Python's own numbers, texts and
bytes, arrays, tensors, and what is made of them. A `state_dict` is one such value.

What JSON lacks is an object with one key: `$tuple`, `$set`, `$frozenset`, `$bytes`, `$complex`,
`$dict` for one whose keys are not all texts, `$ordered` for an `OrderedDict`, and `$array`, with
its memory or the number of the part beside the text that holds it.
"""

from __future__ import annotations

import base64
import json
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ropeway.kernel import tensors

SMALL = 4096
"""Bytes of memory that are not worth a part of their own."""

_DEPTH = 100

_ATOMS = (type(None), bool, int, float, str)
_GROUPS: dict[type[Any], str] = {tuple: "$tuple", set: "$set", frozenset: "$frozenset"}
_DICTS: dict[type[Any], str] = {dict: "$dict", OrderedDict: "$ordered"}


def dump(value: Any) -> list[Any] | None:
    """The JSON, then the memory of the arrays in it; None where it is, or holds, something else."""
    parts: list[Any] = []
    try:
        return [json.dumps(_encoded(value, parts, 0)).encode(), *parts]
    except (_NotPlain, ValueError):  # ValueError: more digits than Python writes
        return None


def load(parts: list[Any]) -> Any:
    """The value of such parts, whose memory it takes. Raises anything for what is none."""
    return _decoded(json.loads(bytes(parts[0])), parts)


class _NotPlain(Exception):
    """The value is, or holds, something else, or itself."""


def _encoded(value: Any, parts: list[Any], depth: int) -> Any:
    kind = type(value)
    if depth > _DEPTH:
        raise _NotPlain

    def inner(each: Any) -> Any:
        return _encoded(each, parts, depth + 1)

    if kind in _ATOMS:
        return value
    if kind is list:
        return [inner(each) for each in value]
    if kind in _GROUPS:
        return {_GROUPS[kind]: [inner(each) for each in value]}
    if kind is bytes:
        return {"$bytes": _base64(value)}
    if kind is complex:
        return {"$complex": [value.real, value.imag]}
    if kind is dict and all(type(key) is str and not key.startswith("$") for key in value):
        return {key: inner(each) for key, each in value.items()}
    if kind in _DICTS:
        return {_DICTS[kind]: [[inner(each) for each in pair] for pair in value.items()]}
    if (array := tensors.raw(value)) is not None:
        head, memory = array
        if len(memory) <= SMALL:
            return {"$array": [head, _base64(memory)]}
        parts.append(memory)
        return {"$array": [head, len(parts)]}
    raise _NotPlain


def _decoded(found: Any, parts: list[Any]) -> Any:
    if isinstance(found, list):
        return [_decoded(each, parts) for each in found]
    if not isinstance(found, dict):
        return found
    key, rest = next(iter(found.items()), ("", None))
    if not key.startswith("$"):
        return {key: _decoded(each, parts) for key, each in found.items()}
    if key == "$array":
        head, where = found[key]
        own = parts[where] if type(where) is int else bytearray(base64.b64decode(where))
        return tensors.of_memory(head, own)
    if key in _MADE:
        return _MADE[key](rest)
    if type(rest) is not list:  # an array in its place may be larger than what came
        raise ValueError(key)
    return _GATHERED[key](_decoded(rest, parts))


def _base64(data: Any) -> str:
    return base64.b64encode(data).decode("ascii")


_MADE: dict[str, Callable[[Any], Any]] = {
    "$bytes": base64.b64decode,
    "$complex": lambda rest: complex(*rest),
}

_GATHERED: dict[str, Callable[[Any], Any]] = {
    name: kind for kinds in (_GROUPS, _DICTS) for kind, name in kinds.items()
}
