"""Answers of the data service to one request, as ASGI wants them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ropeway.data.answer import Chunk
from ropeway.errors import RopewayError, TokenRefused

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_PIECE = 1024 * 1024


class Said:
    """What is sent, and whether anything was."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.anything = False

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        self.anything = True
        await self._send(message)


async def pieces(send: Send, chunk: Chunk) -> None:
    """Send a chunk in pieces, each once the client took the one before."""
    whole = memoryview(chunk)
    for start in range(0, len(whole), _PIECE):
        piece = whole[start : start + _PIECE]
        await send({"type": "http.response.body", "body": piece, "more_body": True})


async def start(send: Send, status: int, kind: str, *more: tuple[str, str]) -> None:
    """The head of an answer of a content type, with `more` headers."""
    headers = [("content-type", kind), ("cache-control", "no-store"), *more]
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(k.encode("latin-1"), v.encode("latin-1")) for k, v in headers],
        }
    )


def status(error: RopewayError) -> int:
    """The HTTP status of an error; here it is about tokens of the service's own."""
    return 401 if isinstance(error, TokenRefused) else error.http_status


async def in_json(
    send: Send, value: dict[str, Any], status: int = 200, then: Awaitable[None] | None = None
) -> None:
    """An answer in JSON; it is said at once, and has ended after `then`."""
    data = json.dumps(value).encode()
    await start(send, status, "application/json", ("content-length", str(len(data))))
    await send({"type": "http.response.body", "body": data, "more_body": True})
    if then is not None:
        await then
    await send({"type": "http.response.body", "body": b""})
