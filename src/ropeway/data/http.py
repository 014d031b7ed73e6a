"""The data service's HTTP interface: a plain ASGI application. See `ropeway.wire`.

    POST   /v1/query         Query -> an Arrow IPC stream; X-Ropeway-Query holds its id,
                             X-Ropeway-ETag its name: with that in If-None-Match, 304 where the
                             answer is the same
    GET    /v1/queries/ID    Summary; of a put likewise
    DELETE /v1/queries/ID    stop it
    GET    /v1/queries       {"transfers": [Transfer...]} of everybody
    GET    /v1/datasets/NAME {"seen": [Seen...]}: what each class of runtimes sees of it
    GET    /v1/put/NAME      {} where that may be put, else the error
    POST   /v1/put/NAME      an Arrow IPC stream -> Receipt; a new version of the dataset NAME, or
                              with ?if_exists=error the first
    POST   /v1/crossings     Crossing -> {}: its two kernels may send and receive from now on
    DELETE /v1/crossings/ID  {}: it has ended
    POST   /v1/crossings/ID  the value, any bytes -> {"bytes"}; `?type=`, with the token `?kernel=`
    GET    /v1/crossings/ID  the value as it comes; with the token `?kernel=`
    POST   /v1/artefacts     a question of `ropeway.artefacts` -> its answer
    GET    /v1/datasets      {"datasets": [Dataset...]} as `?runtime_class=` may see them
    GET    /v1/health        {"v": PROTOCOL}; for a grant of a kernel on this machine with the
                             "port" of this service, which needs no door in between

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
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import parse_qs, parse_qsl

from ropeway import wire
from ropeway.data import body, reply
from ropeway.data.body import Receive
from ropeway.data.crossings import Crossings
from ropeway.data.grant import Grant
from ropeway.data.grants import Grants
from ropeway.data.params import check_size
from ropeway.data.query import Home
from ropeway.data.reply import Send
from ropeway.data.running import Owner, Running
from ropeway.data.stream import CONTENT_TYPE
from ropeway.errors import BadInput, NotFound, Refused, RopewayError, TokenRefused

Scope = MutableMapping[str, Any]

ROUTES = (
    ("POST", "/v1/query"),
    ("GET", "/v1/queries/ID"),
    ("DELETE", "/v1/queries/ID"),
    ("GET", "/v1/queries"),
    ("GET", "/v1/put/NAME"),
    ("POST", "/v1/put/NAME"),
    ("POST", "/v1/crossings"),
    ("DELETE", "/v1/crossings/ID"),
    ("POST", "/v1/crossings/ID"),
    ("GET", "/v1/crossings/ID"),
    ("POST", "/v1/artefacts"),
    ("GET", "/v1/datasets"),
    ("GET", "/v1/datasets/NAME"),
    ("GET", "/v1/health"),
)
"""Every door of the service; a test knocks at each without the token."""

GRANTED = (
    ("POST", "/v1/query"),
    ("GET", "/v1/queries/ID"),
    ("DELETE", "/v1/queries/ID"),
    ("GET", "/v1/put/NAME"),
    ("POST", "/v1/put/NAME"),
    ("POST", "/v1/crossings/ID"),
    ("GET", "/v1/crossings/ID"),
    ("POST", "/v1/artefacts"),
    ("GET", "/v1/datasets"),
    ("GET", "/v1/health"),
)
"""The doors that a kernel's grant opens; one that is added above opens to no kernel."""

MAX_OF_ONE = 8
"""Requests of one kernel that may be under way, as in-band; more are refused."""

LOOK_SECONDS = 1.0
"""Seconds between two looks whether the grant of a running query still counts."""

_PLACES = {
    "/v1/queries/": "/v1/queries/ID",
    "/v1/put/": "/v1/put/NAME",
    "/v1/crossings/": "/v1/crossings/ID",
    "/v1/datasets/": "/v1/datasets/NAME",
}

T = TypeVar("T")
Asked = TypeVar("Asked", wire.Query, wire.Put, wire.Asker)


class App:
    """The service over one `Home`; `token` opens every door, one of `grants` a kernel's own."""

    def __init__(
        self,
        home: Home,
        token: str,
        grants: Grants | None = None,
        *,
        seconds: float = 600.0,
    ) -> None:
        self._home = home
        self._running = Running(home, seconds=seconds)
        self._crossings = Crossings(home.write)
        self._expected = f"Bearer {token}".encode()
        self._grants = grants
        self._under_way: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            await self._route(scope, receive, send, self._admit(scope))
        except RopewayError as error:
            await reply.in_json(send, {"error": error.to_json()}, reply.status(error))

    def close(self) -> None:
        """Stop every query."""
        self._running.close()

    def _admit(self, scope: Scope) -> Grant | None:
        """The grant that was shown; None for the service's own token."""
        given = _header(scope, b"authorization").encode("latin-1")
        if hmac.compare_digest(given, self._expected):
            return None
        if self._grants is None or not given.startswith(b"Bearer "):
            raise TokenRefused("The data service wants its token.")
        return self._grants.check(given[7:].decode("latin-1"))

    async def _route(self, scope: Scope, receive: Receive, send: Send, grant: Grant | None) -> None:
        method, path = scope["method"], scope["path"]
        place = next((each for each in _PLACES if path.startswith(each)), "")
        door, last = (method, _PLACES.get(place, path)), path[len(place) :]
        owner = (grant.runtime, grant.kernel) if grant is not None else None
        if door not in ROUTES or (grant is not None and door not in GRANTED):
            raise NotFound(f"The data service has no {method} {path}.")
        if door == ("POST", "/v1/query"):
            await self._query(receive, send, grant, _header(scope, b"if-none-match"))
        elif door[1] == "/v1/put/NAME":
            put = _parse_put(last, scope["query_string"])
            if grant is not None:
                put = self._asked_by(grant, put)
            if method == "POST":
                await self._put(put, receive, send, grant)
            else:
                with self._counted(grant):
                    await asyncio.to_thread(self._home.putting, put)
                await reply.in_json(send, {})
        elif door[1].startswith("/v1/crossings"):
            await self._crossing(scope, receive, send, grant, last)
        elif door == ("POST", "/v1/artefacts"):
            asker = wire.from_json(wire.Asker, _told(scope["query_string"]))
            await self._artefacts(asker, receive, send, grant)
        elif door == ("GET", "/v1/datasets"):
            asked = parse_qs(scope.get("query_string", b"").decode("latin-1"))
            told = asked.get("runtime_class", ["here"])[0]
            with self._counted(grant):
                found = await self._running.datasets(grant.runtime_class if grant else told)
            await reply.in_json(send, {"datasets": [wire.to_json(each) for each in found]})
        elif door == ("GET", "/v1/datasets/NAME"):
            seen = await self._running.seen(last)
            await reply.in_json(send, {"seen": [wire.to_json(each) for each in seen]})
        elif door == ("GET", "/v1/queries"):
            all_of_them = self._running.transfers()
            await reply.in_json(send, {"transfers": [wire.to_json(each) for each in all_of_them]})
        elif door == ("GET", "/v1/health"):
            nearer = {"port": scope["server"][1]} if grant is not None and grant.at_home else {}
            await reply.in_json(send, {"v": wire.PROTOCOL, **nearer})
        else:
            await reply.in_json(send, wire.to_json(await self._one(method, last, owner)))

    async def _one(self, method: str, number: str, owner: Owner | None) -> wire.Summary:
        if method == "DELETE":
            return await self._running.cancel(number, owner)
        return self._running.summary(number, owner)

    async def _put(self, put: wire.Put, receive: Receive, send: Send, grant: Grant | None) -> None:
        try:
            with self._counted(grant):
                taking = asyncio.create_task(self._running.put(put, body.pieces(receive)))
                receipt = await self._while_it_counts(grant, taking)
        except RopewayError as error:
            # Said before the rest is taken: who still sends stops there.
            told = {"error": error.to_json()}
            await reply.in_json(send, told, reply.status(error), then=body.drain(receive))
            return
        await reply.in_json(send, wire.to_json(receipt))

    async def _crossing(
        self, scope: Scope, receive: Receive, send: Send, grant: Grant | None, number: str
    ) -> None:
        told = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        kernel = grant.kernel if grant is not None else told.get("kernel", "")
        if scope["method"] == "DELETE":
            self._crossings.forget(number)
            await reply.in_json(send, {})
        elif scope["path"] == "/v1/crossings":
            self._crossings.begin(_parse_crossing(await body.whole(receive)))
            await reply.in_json(send, {})
        elif scope["method"] == "GET":
            await self._take(number, kernel, receive, send)
        else:
            pieces = body.pieces(receive)
            passing = self._crossings.send(number, kernel, told.get("type", ""), pieces)
            try:
                passed = await self._while_it_counts(grant, asyncio.create_task(passing))
            except RopewayError as error:
                told_error = {"error": error.to_json()}
                await reply.in_json(send, told_error, reply.status(error), then=body.drain(receive))
                return
            await reply.in_json(send, {"bytes": passed})

    async def _take(self, number: str, kernel: str, receive: Receive, send: Send) -> None:
        """A value as it comes; a receiver that goes away ends it."""
        pieces = self._crossings.receive(number, kernel)

        async def pass_on() -> None:
            first = await anext(pieces, b"")
            await reply.start(send, 200, "application/octet-stream")
            await reply.pieces(send, first)
            with suppress(RopewayError):  # then it ends short, which the receiver sees
                async for piece in pieces:
                    await reply.pieces(send, piece)
                await send({"type": "http.response.body", "body": b""})

        passing, gone = asyncio.create_task(pass_on()), asyncio.create_task(body.gone(receive))
        try:
            await asyncio.wait({passing, gone}, return_when=asyncio.FIRST_COMPLETED)
            if passing.done():
                passing.result()
        finally:
            for task in (passing, gone):
                task.cancel()
            await asyncio.gather(passing, gone, return_exceptions=True)
            await pieces.aclose()

    async def _artefacts(
        self, asker: wire.Asker, receive: Receive, send: Send, grant: Grant | None
    ) -> None:
        with self._counted(grant):
            question = await body.whole(receive)
            if grant is not None:
                asker = self._asked_by(grant, asker)
            answer = await asyncio.to_thread(self._home.checkpoints.answer, asker, question)
        length = ("content-length", str(len(answer)))
        await reply.start(send, 200, "application/octet-stream", length)
        await send({"type": "http.response.body", "body": answer})

    async def _while_it_counts(self, grant: Grant | None, work: asyncio.Task[T]) -> T:
        """What the work gives; it is stopped when the grant ends."""
        watching = asyncio.create_task(self._ended(grant) if grant else asyncio.Event().wait())
        try:
            await asyncio.wait({work, watching}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise TokenRefused("The kernel of this grant has ended or was disconnected.")
            return work.result()
        finally:
            watching.cancel()
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def _query(self, receive: Receive, send: Send, grant: Grant | None, etag: str) -> None:
        said = reply.Said(send)
        with self._counted(grant):
            query = replace(_parse(await body.whole(receive)), etag=etag)
            if grant is not None:
                query = self._asked_by(grant, query)
            answering = asyncio.create_task(self._answer(query, said))
            watching = {asyncio.create_task(body.gone(receive))}
            if grant is not None:
                watching.add(asyncio.create_task(self._ended(grant)))
            try:
                await asyncio.wait({answering, *watching}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in watching:
                    task.cancel()
                if not answering.done():
                    answering.cancel()
            with suppress(asyncio.CancelledError):
                await answering
        if grant is not None and not said.anything and not self._counts(grant):
            raise TokenRefused("The kernel of this grant has ended or was disconnected.")

    def _asked_by(self, grant: Grant, asked: Asked) -> Asked:
        """The query or put with what home knows of the kernel, whatever it says of itself."""
        assert self._grants is not None
        notebook, cell = self._grants.asking(grant)
        return replace(
            asked,
            runtime=grant.runtime,
            kernel=grant.kernel,
            runtime_class=grant.runtime_class,
            notebook=notebook,
            cell=cell,
            road="direct",
        )

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
        # One that takes too long because its reader takes nothing ends short, too.
        with suppress(TimeoutError):
            await self._stream(query, send)

    async def _stream(self, query: wire.Query, send: Send) -> None:
        async with self._running.open(query) as (answer, chunks):
            first = b"" if answer.unchanged else await anext(chunks, b"")
            head = (("x-ropeway-query", answer.id), ("x-ropeway-etag", answer.etag))
            if answer.unchanged:
                await reply.start(send, 304, CONTENT_TYPE, *head)
                await send({"type": "http.response.body", "body": b""})
                return
            await reply.start(send, 200, CONTENT_TYPE, *head)
            await reply.pieces(send, first)
            try:
                async for chunk in chunks:
                    await reply.pieces(send, chunk)
            except RopewayError:
                # Too late for a status: without its last chunk the answer ends short, which
                # the client sees; what happened is in the summary.
                return
            await send({"type": "http.response.body", "body": b""})


def _header(scope: Scope, name: bytes) -> str:
    return next((v.decode("latin-1") for k, v in scope["headers"] if k == name), "")


def _parse_put(name: str, query: bytes) -> wire.Put:
    return wire.from_json(wire.Put, {**_told(query), "name": name})


def _told(query: bytes) -> dict[str, str]:
    return dict(parse_qsl(query.decode("latin-1")))


def _parse_crossing(data: bytes) -> wire.Crossing:
    try:
        return wire.from_json(wire.Crossing, json.loads(data))
    except (ValueError, TypeError, AttributeError) as error:
        raise BadInput("The request is no crossing in JSON.") from error


def _parse(data: bytes) -> wire.Query:
    try:
        query = wire.from_json(wire.Query, json.loads(data))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise BadInput("The request is no query in JSON.") from error
    if not isinstance(query.sql, str) or not isinstance(query.params, dict):
        raise BadInput("A query holds its SQL as text and its parameters as an object.")
    check_size(query.sql, query.params)
    return query
