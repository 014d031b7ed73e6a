"""Values on their way between kernels: from Python to bytes and back.

A stream begins with the length of a head (8 bytes, big-endian) and the head, JSON that says what
follows. Tables travel as Arrow, arrays and tensors as their raw memory: whoever receives these runs
no code of the sender. Everything else is pickled, which is code; for those who take none, plain
values travel as JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from ropeway.errors import BadInput, HomeUnreachable, Refused, RopewayError
from ropeway.kernel import pickled, plain, tables, tensors
from ropeway.kernel.tables import Stream

_LENGTH = 8
_LONGEST_HEAD = 1024 * 1024
_LARGE = 1024 * 1024


@dataclass(frozen=True)
class Packed:
    """A value ready to go: its type's name, its size (0 where that is not known), and its bytes in
    pieces."""

    type: str
    size: int
    pieces: Iterator[Any]


def pack(value: Any, *, code: bool) -> Packed:
    """The value as bytes, in the best form that it has; as a pickle only if it may be `code`.

    Raises `BadInput` and `Refused` where there is no form.
    """
    kind = type_name(value)
    if (table := tables.stream(value)) is not None:
        head, pieces = table
        return Packed(kind, 0, chain([_head("arrow", kind, head)], pieces))
    if (array := tensors.raw(value)) is not None:
        head, memory = array
        return _sized("array", kind, head, [memory])
    if code:
        head, pickle = pickled.dump(value)
        return _sized("pickle", kind, head, pickle)
    if (parts := plain.dump(value)) is not None:
        return _sized("plain", kind, {"sizes": [*map(len, parts)]}, parts)
    raise no_code(kind)


def unpack(stream: Stream, *, code: bool) -> Any:
    """The value that was packed. Raises `Refused` for one that is code unless that is allowed,
    `HomeUnreachable` when it does not come whole, `BadInput` for what is no value."""
    try:
        length = int.from_bytes(_read(stream, _LENGTH), "big")
        if length > _LONGEST_HEAD:
            raise BadInput("What came is no value.")
        head = json.loads(bytes(_read(stream, length)))
        return _unpacked(stream, head, code=code)
    except (RopewayError, MemoryError):
        raise
    except Exception as error:
        raise BadInput(f"What came is no value that this kernel can read: {error}") from error


def _unpacked(stream: Stream, head: dict[str, Any], *, code: bool) -> Any:
    form = head["form"]
    if form == "plain":
        return plain.load(_parts(stream, head))
    if form == "array":
        return tensors.of_memory(head, _read(stream, tensors.size(head)))
    if form == "arrow":
        return tables.restored(head, stream, code=code)
    if not code:
        raise no_code(str(head["type"])[:200])
    return pickled.load(_parts(stream, head), str(head["python"]))


def no_code(kind: str) -> Refused:
    """A value of that type does not come from a machine that may run no code here."""
    return Refused(
        f"A {kind} can cross only as a pickle, which is code, and that runtime may have none run "
        "at the other end.",
        hint="Make a table, an array or plain values of it there: a DataFrame, x.tolist(), a dict.",
    )


def type_name(value: Any) -> str:
    """`pandas.DataFrame`, `int`, `__main__.Model`."""
    package, _ = tensors.type_of(value)
    name = type(value).__qualname__
    return name if package == "builtins" else f"{package}.{name}"


def _sized(form: str, kind: str, head: dict[str, Any], parts: Iterable[Any]) -> Packed:
    views = [memoryview(part).cast("B") for part in parts]
    first = _head(form, kind, head)
    size = len(first) + sum(map(len, views))
    return Packed(kind, size, iter([first, *views]))


def _head(form: str, kind: str, head: dict[str, Any]) -> bytes:
    text = json.dumps({"form": form, "type": kind, **head}).encode()
    return len(text).to_bytes(_LENGTH, "big") + text


def _parts(stream: Stream, head: dict[str, Any]) -> list[Any]:
    return [_read(stream, int(size)) for size in head["sizes"]]


def _read(stream: Stream, size: int) -> Any:
    """So many bytes, in memory that can be written into."""
    numpy = sys.modules.get("numpy")
    if numpy is None or size < _LARGE:
        held: Any = bytearray(size)
    else:  # which takes memory as the bytes come, and not for a size that somebody said
        held = memoryview(numpy.empty(size, numpy.uint8))
    if stream.readinto(memoryview(held)) < size:
        raise HomeUnreachable("The value did not come whole.", hint="Run the cell again.")
    return held
