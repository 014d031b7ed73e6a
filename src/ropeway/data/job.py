"""What the data service and its workers say to each other, over one socket for each worker.

A frame is a head of nine bytes (its kind, a count, its length; network order) and a body. The
service sends a `Job`; the worker answers with frames until `END` or `FAILED`:

    HEAD    JSON: the columns, when the first rows are ready, and whether these are the whole
    DATA    bytes of an Arrow IPC stream; the count is that of the rows in them
    FEED    asks for the rows of the table with that number, once more for each scan; the service
            sends one byte with the descriptor of a pipe, or none when it cannot
    END     JSON: what else there is to say; of a query, among it, the stream's last bytes
    FAILED  JSON: an error that may leave home
"""

from __future__ import annotations

import json
import socket
import struct
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]

from ropeway import wire

JOB, HEAD, DATA, FEED, END, FAILED = range(1, 7)

_HEAD = struct.Struct("!BII")

MAX_FRAME = 1 << 30

_AT_ONCE = 512
"""Parts that one call sends; Linux takes 1,024."""


@dataclass(frozen=True, slots=True)
class Table:
    """A dataset as a worker sees it: the secure view `select SELECT from RELATION where WHERE`.

    `relation` is the engine's SQL for its files; `schema`, where it comes from a database, is the
    Arrow schema of its feed (an IPC message in base64).
    """

    name: str
    relation: str = ""
    select: str = field(default="*", repr=False)
    """May hold the key of hashes."""
    where: str = ""
    schema: str = ""
    typed: str = ""
    """The select list of a view over that one, where columns of the files are still texts."""
    sniff: str = ""
    """For `describe`: a query that says how the files are written, which is told as `sniffed`."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker is to do; `op` is one of

    - `query`: run `sql` with `params` (as in `wire.Query`) over `tables`;
    - `describe`: the columns of each table;
    - `parse`: the syntax tree of `sql`, and `print`: the SQL of such a tree.

    `files` is what the worker may read, from its first job on. `memory` is in DuckDB's words,
    `allowed` the bytes of address space that it may take.
    """

    op: str
    sql: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    tables: tuple[Table, ...] = ()
    files: tuple[str, ...] = ()
    memory: str = "500MB"
    threads: int = 1
    allowed: int = 1_000_000_000
    codec: str = "zstd"


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as it came."""

    kind: int
    count: int
    body: memoryview

    @property
    def told(self) -> dict[str, Any]:
        """The body of all but `DATA` and `FEED`."""
        found: dict[str, Any] = json.loads(bytes(self.body))
        return found


def send(line: socket.socket, kind: int, body: Any, count: int = 0) -> None:
    """Send a frame; a body that is neither bytes nor a list of parts goes as JSON. Raises
    `OSError`."""
    if isinstance(body, Job):
        body = wire.to_json(body)
    if not isinstance(body, bytes | list):
        body = json.dumps(body).encode()
    parts = [memoryview(part).cast("B") for part in (body if isinstance(body, list) else [body])]
    size = sum(len(part) for part in parts)
    _send_all(line, [memoryview(_HEAD.pack(kind, count, size)), *parts])


def receive(line: socket.socket) -> Frame | None:
    """The next frame; None when the other side has ended. Raises `OSError`."""
    head = _exactly(line, _HEAD.size)
    if head is None:
        return None
    kind, count, length = _HEAD.unpack(head)
    if length > MAX_FRAME:
        raise OSError(f"a frame of {length} bytes")
    body = _exactly(line, length)
    return None if body is None else Frame(kind, count, body)


def _send_all(line: socket.socket, parts: list[memoryview]) -> None:
    """As `sendall`, without putting the parts together first."""
    while parts:
        sent = line.sendmsg(parts[:_AT_ONCE])
        while parts and sent >= len(parts[0]):
            sent -= len(parts.pop(0))
        if sent:
            parts[0] = parts[0][sent:]


def job(frame: Frame) -> Job:
    """The job in a frame."""
    return wire.from_json(Job, frame.told)


def _exactly(line: socket.socket, size: int) -> memoryview | None:
    # Not a bytearray, which would be filled with zeros first.
    whole = place = memoryview(pa.allocate_buffer(size)).cast("B")
    while place:
        count = line.recv_into(place)
        if not count:
            return None
        place = place[count:]
    return whole
