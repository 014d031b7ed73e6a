"""The data service's HTTP interface: a plain ASGI application. See `ropeway.wire`.

    POST   /v1/query         Query -> an Arrow IPC stream; X-Ropeway-Query holds its id
    GET    /v1/queries/ID    Summary
    DELETE /v1/queries/ID    stop it at the engine
    GET    /v1/datasets      {"datasets": [Dataset...]}
    GET    /v1/health        {"v": PROTOCOL}

Every path wants `Authorization: Bearer ...`: the service's token, which the workspace alone knows,
or a kernel's grant (`ropeway.data.grant`). With a grant the runtime and kernel of a query are the
grant's, whatever the body says, and queries of others are not there; a query ends with its grant.

An error before the first byte is `{"error": ...}` with the error's status; one after it ends the
stream short and is in the summary. A client that goes away cancels its query.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from ropeway import wire
from ropeway.data.grant import Grant
from ropeway.data.grants import Grants
from ropeway.data.query import Home
from ropeway.data.running import GiveUp, Owner, Running
from ropeway.data.stream import CONTENT_TYPE
from ropeway.errors import BadInput, NotFound, Refused, RopewayError, TokenRefused

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

GRANTED = (
    ("POST", "/v1/query"),
    ("GET", "/v1/queries/ID"),
    ("DELETE", "/v1/queries/ID"),
    ("GET", "/v1/datasets"),
    ("GET", "/v1/health"),
)
"""The doors that a kernel's grant opens: so far all, but one added above opens to no kernel."""

MAX_BODY = 16 * 1024 * 1024

BODY_SECONDS = 60.0
"""Seconds that a request's body may take to arrive."""

MAX_OF_ONE = 8
"""Queries of one kernel that may be under way, as in-band; more are refused."""

LOOK_SECONDS = 1.0
"""Seconds between two looks whether the grant of a running query still counts."""

_PIECE = 1024 * 1024


class App:
    """The service over one `Home`; `token` opens every door, one of `grants` a kernel's own."""

    def __init__(
        self,
        home: Home,
        token: str,
        grants: Grants | None = None,
        *,
        seconds: float = 600.0,
        give_up: GiveUp = lambda why: None,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._running = Running(home, seconds=seconds, give_up=give_up, ended=ended)
        self._expected = f"Bearer {token}".encode()
        self._grants = grants
        self._under_way: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            await self._route(scope, receive, send, self._admit(scope))
        except RopewayError as error:
            status = 401 if isinstance(error, TokenRefused) else error.http_status
            await _json(send, {"error": error.to_json()}, status)

    def close(self) -> None:
        """Stop every query."""
        self._running.close()

    def _admit(self, scope: Scope) -> Grant | None:
        """The grant that was shown; None for the service's own token."""
        given = next((v for k, v in scope["headers"] if k == b"authorization"), b"")
        if hmac.compare_digest(given, self._expected):
            return None
        if self._grants is None or not given.startswith(b"Bearer "):
            raise TokenRefused("The data service wants its token.")
        return self._grants.check(given[7:].decode("latin-1"))

    async def _route(self, scope: Scope, receive: Receive, send: Send, grant: Grant | None) -> None:
        method, path = scope["method"], scope["path"]
        head, _, last = path.rpartition("/")
        door = (method, "/v1/queries/ID" if head == "/v1/queries" else path)
        owner = (grant.runtime, grant.kernel) if grant is not None else None
        if door not in ROUTES or (grant is not None and door not in GRANTED):
            raise NotFound(f"The data service has no {method} {path}.")
        if door == ("POST", "/v1/query"):
            await self._query(receive, send, grant)
        elif door == ("GET", "/v1/datasets"):
            found = await self._running.datasets()
            await _json(send, {"datasets": [wire.to_json(each) for each in found]})
        elif door == ("GET", "/v1/health"):
            await _json(send, {"v": wire.PROTOCOL})
        else:
            await _json(send, wire.to_json(await self._one(method, last, owner)))

    async def _one(self, method: str, number: str, owner: Owner | None) -> wire.Summary:
        if method == "DELETE":
            return await self._running.cancel(number, owner)
        return self._running.summary(number, owner)

    async def _query(self, receive: Receive, send: Send, grant: Grant | None) -> None:
        query = _parse(await _body(receive))
        if grant is not None:
            query = replace(query, runtime=grant.runtime, kernel=grant.kernel)
        said = _Said(send)
        with self._counted(grant):
            answering = asyncio.create_task(self._answer(query, said))
            watching = {asyncio.create_task(_gone(receive))}
            if grant is not None:
                watching.add(asyncio.create_task(self._ended(grant)))
            await asyncio.wait({answering, *watching}, return_when=asyncio.FIRST_COMPLETED)
            for task in watching:
                task.cancel()
            if not answering.done():
                answering.cancel()
            with suppress(asyncio.CancelledError):
                await answering
        if grant is not None and not said.anything and not self._counts(grant):
            raise TokenRefused("The kernel of this grant has ended or was disconnected.")

    @contextmanager
    def _counted(self, grant: Grant | None) -> Iterator[None]:
        """A kernel that comes by itself has so many queries under way; home counts its own."""
        if grant is None:
            yield
            return
        if self._under_way[grant.kernel] >= MAX_OF_ONE:
            raise Refused(
                f"This kernel has {MAX_OF_ONE} requests under way already.",
                hint="Wait for one of them, then try again.",
            )
        self._under_way[grant.kernel] += 1
        try:
            yield
        finally:
            self._under_way[grant.kernel] -= 1
            self._under_way += Counter()  # forgets those with none

    async def _ended(self, grant: Grant) -> None:
        """Returns once the grant counts no more."""
        while self._counts(grant):  # noqa: ASYNC110  # nothing tells us, so we look
            await asyncio.sleep(LOOK_SECONDS)

    def _counts(self, grant: Grant) -> bool:
        return self._grants is not None and self._grants.counts(grant)

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


class _Said:
    """What is sent, and whether anything was."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.anything = False

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        self.anything = True
        await self._send(message)


async def _body(receive: Receive) -> bytes:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _whole(receive)
    except TimeoutError:
        raise BadInput(f"The request did not arrive within {BODY_SECONDS:.0f} s.") from None


async def _whole(receive: Receive) -> bytes:
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
