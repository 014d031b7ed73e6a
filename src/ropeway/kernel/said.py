"""What a companion's cell says, in batches: home packs them, the asking kernel opens them. Pure.

A batch is one line of JSON, `[[kind, content, metadata, [bytes of each buffer]]...]`, and behind it
the buffers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any


@dataclass(frozen=True, slots=True)
class Said:
    """One message on iopub: its type, what it says, and its binary buffers."""

    kind: str
    content: dict[str, Any]
    metadata: dict[str, Any] = field(default_factory=dict)
    buffers: tuple[Any, ...] = ()


def pack(batch: Iterable[Said]) -> bytes:
    """The batch as bytes."""
    rows: list[Any] = []
    buffers: list[Any] = []
    for said in batch:
        views = [memoryview(each).cast("B") for each in said.buffers]
        rows.append([said.kind, said.content, said.metadata, [len(each) for each in views]])
        buffers += views
    return b"".join([json.dumps(rows, default=str).encode(), b"\n", *buffers])


def unpack(data: bytes) -> Iterator[Said]:
    """The messages that were packed, in order."""
    end = data.index(b"\n")
    rest = memoryview(data)[end + 1 :]
    for kind, content, metadata, sizes in json.loads(data[:end]):
        buffers = []
        for size in sizes:
            buffers.append(rest[:size])
            rest = rest[size:]
        yield Said(kind, content, metadata, tuple(buffers))


def joined(batch: Iterable[Said]) -> list[Said]:
    """The same with texts of one stream that follow each other made one."""
    found: list[Said] = []
    for stream, some in groupby(batch, _stream):
        if stream is None:
            found += some
        else:
            text = "".join(str(each.content.get("text", "")) for each in some)
            found.append(Said("stream", {"name": stream, "text": text}))
    return found


def _stream(said: Said) -> str | None:
    return str(said.content.get("name")) if said.kind == "stream" else None
