"""The in-band road for a thread: it asks on iopub, and is answered on the control channel.

Stdin is for what cells wait for: a thread that read there would take what somebody answers to
`input()`. Control messages are handled in a thread of the kernel's own while cells run. Standard
library only.
"""

from __future__ import annotations

import queue
import uuid
from typing import Any

from ropeway import wire
from ropeway.errors import HomeUnreachable, RopewayError
from ropeway.kernel import inband

SLOWEST = 50_000
"""Bytes a second that a question may take to reach home."""

_waiting: dict[str, queue.SimpleQueue[tuple[wire.Reply, list[Any]]]] = {}


def ask(op: str, data: bytes) -> bytes:
    """Home's answer to a question. Raises home's errors, and `HomeUnreachable` without one."""
    kernel = inband.kernel()
    kernel.control_handlers[wire.REPLY_TYPE] = _take
    request = wire.Request(uuid.uuid4().hex, op)
    box = _waiting[request.id] = queue.SimpleQueue()
    try:
        kernel.session.send(
            kernel.iopub_socket,
            wire.REQUEST_TYPE,
            wire.to_json(request),
            parent={},
            buffers=[data],
        )
        return _answer(box, inband.FIRST + len(data) / SLOWEST)
    finally:
        del _waiting[request.id]


def _answer(box: queue.SimpleQueue[tuple[wire.Reply, list[Any]]], patience: float) -> bytes:
    while True:
        try:
            reply, parts = box.get(timeout=patience)
        except queue.Empty:
            raise HomeUnreachable(
                f"Home has been silent for {patience:.0f} s.",
                hint="Check that the workspace runs and is connected to this runtime.",
            ) from None
        if reply.kind == "error":
            raise RopewayError.from_json(reply.body)
        if reply.kind == "end":
            return bytes(parts[0])
        patience = inband.SILENCE


def _take(stream: Any, ident: Any, message: dict[str, Any]) -> None:
    """An answer came; what belongs to nobody is dropped."""
    body = message["content"].get("value", {}).get("ropeway", {})
    box = _waiting.get(str(body.get("id")))
    if box is not None:
        box.put((wire.from_json(wire.Reply, body), message["buffers"]))
