"""The data service's HTTP interface: a plain ASGI application. See `ropeway.wire`.

    POST   /v1/query         Query -> an Arrow IPC stream; X-Ropeway-Query holds its id
    GET    /v1/queries/ID    Summary
    DELETE /v1/queries/ID    stop it at the engine
    GET    /v1/datasets      {"datasets": [Dataset...]}
    GET    /v1/health        {"v": PROTOCOL}

Every path wants `Authorization: Bearer TOKEN`. An error before the first byte is
`{"error": ...}` with the error's status; one after it ends the stream short and is in the
summary. A client that goes away cancels its query.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from ropeway import wire
from ropeway.data.query import Home
from ropeway.data.running import GiveUp, Running
from ropeway.data.stream import CONTENT_TYPE
from ropeway.errors import BadInput, NotFound, RopewayError, TokenRefused

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

ROUTES = (
    ("POST", "/v1/query"),
    ("GET", "/v1/queries/ID"),
    ("DELETE", "/v1/queries/ID"),
    ("GET", "/v1/datasets"),
    ("GET", "/v1/health"),
)
"""Every door of the service; a test knocks at each without the token."""

MAX_BODY = 16 * 1024 * 1024
_PIECE = 1024 * 1024


class App:
    """The service over one `Home`; `token` opens every door."""

    def __init__(
        self,
        home: Home,
        token: str,
        *,
        seconds: float = 600.0,
        give_up: GiveUp = lambda why: None,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._running = Running(home, seconds=seconds, give_up=give_up, ended=ended)
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            self._admit(scope)
            await self._route(scope, receive, send)
        except RopewayError as error:
            status = 401 if isinstance(error, TokenRefused) else error.http_status
            await _json(send, {"error": error.to_json()}, status)

    def close(self) -> None:
        """Stop every query."""
        self._running.close()

    def _admit(self, scope: Scope) -> None:
        given = next((v for k, v in scope["headers"] if k == b"authorization"), b"")
        if not hmac.compare_digest(given, self._expected):
            raise TokenRefused("The data service wants its token.")

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        head, _, last = path.rpartition("/")
        if (method, path) == ("POST", "/v1/query"):
            await self._query(receive, send)
        elif (method, path) == ("GET", "/v1/datasets"):
            found = await self._running.datasets()
            await _json(send, {"datasets": [wire.to_json(each) for each in found]})
        elif (method, path) == ("GET", "/v1/health"):
            await _json(send, {"v": wire.PROTOCOL})
        elif method == "GET" and head == "/v1/queries":
            await _json(send, wire.to_json(self._running.summary(last)))
        elif method == "DELETE" and head == "/v1/queries":
            await _json(send, wire.to_json(await self._running.cancel(last)))
        else:
            raise NotFound(f"The data service has no {method} {path}.")

    async def _query(self, receive: Receive, send: Send) -> None:
        query = _parse(await _body(receive))
        answering = asyncio.create_task(self._answer(query, send))
        leaving = asyncio.create_task(_gone(receive))
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if not answering.done():
            answering.cancel()
        with suppress(asyncio.CancelledError):
            await answering

    async def _answer(self, query: wire.Query, send: Send) -> None:
        async with self._running.open(query) as (number, chunks):
            first = await anext(chunks, b"")
            await _start(send, 200, CONTENT_TYPE, ("x-ropeway-query", number))
            await _pieces(send, first)
            try:
                async for chunk in chunks:
                    await _pieces(send, chunk)
            except RopewayError:
                # Too late for a status: without its last chunk the answer ends short, which
                # the client sees; what happened is in the summary.
                return
            await send({"type": "http.response.body", "body": b""})


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadInput("The request ended before its body.")
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY:
            raise BadInput(f"The request is larger than {MAX_BODY:,} bytes.")
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


def _parse(body: bytes) -> wire.Query:
    try:
        query = wire.from_json(wire.Query, json.loads(body))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise BadInput("The request is no query in JSON.") from error
    if not isinstance(query.sql, str) or not isinstance(query.params, dict):
        raise BadInput("A query holds its SQL as text and its parameters as an object.")
    return query


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _pieces(send: Send, chunk: bytes) -> None:
    """Send a chunk in pieces, each once the client took the one before."""
    for start in range(0, len(chunk), _PIECE):
        piece = chunk[start : start + _PIECE]
        await send({"type": "http.response.body", "body": piece, "more_body": True})


async def _start(send: Send, status: int, kind: str, *more: tuple[str, str]) -> None:
    headers = [("content-type", kind), ("cache-control", "no-store"), *more]
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(k.encode("latin-1"), v.encode("latin-1")) for k, v in headers],
        }
    )


async def _json(send: Send, value: dict[str, Any], status: int = 200) -> None:
    await _start(send, status, "application/json")
    await send({"type": "http.response.body", "body": json.dumps(value).encode()})
