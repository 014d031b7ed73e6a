"""Kernel messages as they travel on a Jupyter server's WebSocket.

Two forms exist: the subprotocol `v1.kernel.websocket.jupyter.org` (offsets, then the raw bytes
that the kernel wrote) and the older JSON form of gateways without it. Both become `Frame`: a
channel and the raw parts `[header, parent_header, metadata, content, *buffers]`. Pure; the parts
of a v1 frame are views into it, so that 50 MB of output are not copied on the way through.

Source: jupyter_server's documentation, "Kernel messages over WebSocket".
"""

from __future__ import annotations

import itertools
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

V1 = "v1.kernel.websocket.jupyter.org"
Part = bytes | memoryview
NUMBER_BYTES = 8

_CONTENT = 3
_NAMES = ("header", "parent_header", "metadata", "content")


@dataclass(frozen=True, slots=True)
class Frame:
    """One message: its channel and its raw parts, the four JSON ones first."""

    channel: str
    parts: Sequence[Part]
    raw: Part | None = None
    """The v1 form from which the parts are views, where there is one."""

    def decoded(self, index: int) -> dict[str, Any]:
        """The JSON part at `index`: 0 header, 1 parent header, 2 metadata, 3 content.

        Raises `ValueError` when it is no JSON object.
        """
        return decoded(self.parts[index])


def unpack_v1(data: Part) -> Frame:
    """A v1 frame. Raises `ValueError` when the offsets do not fit the data."""
    view = memoryview(data)
    count = int.from_bytes(view[:8], "little")
    if count < 6 or 8 * (count + 1) > len(data):
        raise ValueError("not a v1 kernel message: its table of offsets does not fit")
    offsets = struct.unpack_from(f"<{count}Q", view, 8)
    if list(offsets) != sorted(offsets) or offsets[0] != 8 * (count + 1) or offsets[-1] > len(data):
        raise ValueError("not a v1 kernel message: its offsets do not fit")
    channel = bytes(view[offsets[0] : offsets[1]]).decode("utf-8")
    pairs = itertools.pairwise(offsets[1:])
    return Frame(channel, [view[start:end] for start, end in pairs], data)


def content_v1(data: bytes) -> bytes:
    """The content of a v1 frame, without a look at the rest; `decoded` reads it.

    Raises `ValueError`.
    """
    try:
        start, end = struct.unpack_from("<QQ", data, 8 * (_CONTENT + 2))
    except struct.error:
        raise ValueError("not a v1 kernel message: it has no table of offsets") from None
    return data[start:end]


def pack_v1(frame: Frame, number: int | None = None) -> bytes:
    """The v1 form of a frame; with `number`, behind eight bytes that hold it."""
    channel = frame.channel.encode("utf-8")
    position = 8 * (len(frame.parts) + 3)
    offsets = [position, position := position + len(channel)]
    offsets += [position := position + len(part) for part in frame.parts]
    table = b"".join(o.to_bytes(8, "little") for o in (len(offsets), *offsets))
    prefix = b"" if number is None else number.to_bytes(NUMBER_BYTES, "little")
    return b"".join([prefix, table, channel, *frame.parts])


def unpack_numbered(data: Part) -> tuple[int, Frame]:
    """A frame of `pack_v1` with its number. Raises `ValueError`."""
    view = memoryview(data)
    number = int.from_bytes(view[:NUMBER_BYTES], "little")
    return number, unpack_v1(view[NUMBER_BYTES:])


def unpack_json(data: str | bytes) -> Frame:
    """A frame in the older form: a JSON text, or binary with buffers behind the JSON."""
    if isinstance(data, str):
        return _from_message(json.loads(data), [])
    count = int.from_bytes(data[:4], "big")
    starts = [int.from_bytes(data[4 * i : 4 * (i + 1)], "big") for i in range(1, count + 1)]
    if not starts or starts != sorted(starts) or starts[-1] > len(data):
        raise ValueError("not a kernel message: its offsets do not fit")
    view = memoryview(data)
    pieces = [view[a:b] for a, b in zip(starts, [*starts[1:], len(data)], strict=True)]
    return _from_message(json.loads(bytes(pieces[0])), pieces[1:])


def pack_json(frame: Frame) -> str | bytes:
    """The older form of a frame: text without buffers, binary with them."""
    message: dict[str, Any] = {name: frame.decoded(i) for i, name in enumerate(_NAMES)}
    message |= {"channel": frame.channel, "buffers": []}
    message |= {key: message["header"][key] for key in ("msg_id", "msg_type")}
    text = json.dumps(message)
    buffers = frame.parts[4:]
    if not buffers:
        return text
    pieces: list[Part] = [text.encode("utf-8"), *buffers]
    position, starts = 4 * (len(pieces) + 1), []
    for piece in pieces:
        starts.append(position)
        position += len(piece)
    table = b"".join(n.to_bytes(4, "big") for n in (len(pieces), *starts))
    return b"".join([table, *pieces])


def message(
    channel: str,
    kind: str,
    content: dict[str, Any],
    *,
    session: str,
    parent: dict[str, Any] | None = None,
    buffers: Sequence[Part] = (),
    prefix: str = "",
    number: str = "",
) -> Frame:
    """A message of our own, of the type `kind`; its id is a new one, which `prefix` marks as ours,
    or that `number`."""
    header = {
        "msg_id": number or f"{prefix}{uuid4().hex}",
        "msg_type": kind,
        "username": "ropeway",
        "session": session,
        "date": datetime.now(UTC).isoformat(),
        "version": "5.3",
    }
    parts = [json.dumps(part).encode() for part in (header, parent or {}, {}, content)]
    return Frame(channel, [*parts, *buffers])


def decoded(part: Part) -> dict[str, Any]:
    """A JSON part of a message. Raises `ValueError` when it is no JSON object."""
    try:
        # Python kernels put odd bytes of file names through as they are.
        found = json.loads(bytes(part).decode("utf-8", "replace"))
    except RecursionError:
        raise ValueError("a part of the message is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("a part of the message is no JSON object")
    return found


def _from_message(message: dict[str, Any], buffers: Sequence[Part]) -> Frame:
    parts = [json.dumps(message.get(name) or {}).encode() for name in _NAMES]
    return Frame(str(message["channel"]), [*parts, *buffers])
