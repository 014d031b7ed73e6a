"""The in-band road, home's end: a kernel's requests to the data service over its own messages.

One `InBand` stands beside each kernel's bridge. The bridge hands it the content of every
`ropeway_request` and sends what it replies as `input_reply` on stdin. What the two ends say to
each other is described in `ropeway.wire`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

from ropeway import wire
from ropeway.errors import BadInput, HomeUnreachable, ProtocolError, Refused, RopewayError

log = logging.getLogger(__name__)

MAX_REQUESTS = 8
"""Requests of one kernel that are answered at a time; more are refused."""

MAX_CREDIT = 64
"""Buffers that may be on their way to a kernel, whatever it asks for: 256 MB."""

HEARTBEAT = 5.0
"""Seconds between two signs of life while a query runs."""

PATIENCE = 60.0
"""Seconds that a query waits for a kernel which takes no more data."""

Send = Callable[[dict[str, Any], list[bytes]], Awaitable[None]]


class Service(Protocol):
    """What is asked of the data service; `DataService` is one."""

    async def datasets(self) -> tuple[wire.Dataset, ...]:
        """What was added at home."""

    def query(
        self, query: wire.Query
    ) -> AbstractAsyncContextManager[tuple[str, AsyncIterator[bytes]]]:
        """A query's id and the bytes of its answer."""

    async def summary(self, number: str) -> wire.Summary:
        """What became of a query."""


class InBand:
    """Answers the requests of one kernel.

    `reply` sends one message: its content and its binary buffers. `runtime` and `kernel` say who
    asks; they are home's own knowledge, never taken from the request.
    """

    def __init__(self, service: Service, runtime: str, kernel: str, reply: Send) -> None:
        self._service = service
        self._runtime = runtime
        self._kernel = kernel
        self._reply = reply
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._talks: dict[str, _Talk] = {}
        self._asides: set[asyncio.Task[None]] = set()
        self._closed = False

    def handle(self, content: dict[str, Any]) -> None:
        """Take one request; returns at once, the answer comes through `reply`. Never raises.

        Call it in the event loop.
        """
        if self._closed:
            return
        talk = _Talk(_text(content, "id"), self._reply)
        try:
            request = _parse(content)
        except RopewayError as error:
            self._aside(talk.fail(error))
            return
        if request.op == "more":
            self._more(request)
        elif request.op == "cancel":
            self._cancel(request.id)
        else:
            self._begin(request, talk)

    def close(self) -> None:
        """Stop everything, at home too; nothing more is said to the kernel."""
        self._closed = True
        for task in (*self._tasks.values(), *self._asides):
            task.cancel()

    def _begin(self, request: wire.Request, talk: _Talk) -> None:
        if request.id in self._tasks:
            self._aside(talk.fail(ProtocolError(f"The request {request.id} runs already.")))
            return
        if len(self._tasks) >= MAX_REQUESTS:
            self._aside(talk.fail(_too_many()))
            return
        talk.grant(request.credit)
        self._talks[request.id] = talk
        task = asyncio.create_task(self._answer(request, talk))
        self._tasks[request.id] = task
        task.add_done_callback(lambda _: self._forget(request.id))

    def _forget(self, number: str) -> None:
        self._tasks.pop(number, None)
        self._talks.pop(number, None)

    def _more(self, request: wire.Request) -> None:
        talk = self._talks.get(request.id)
        if talk is not None:
            talk.grant(request.credit)

    def _cancel(self, number: str) -> None:
        task = self._tasks.get(number)
        if task is not None:
            task.cancel()

    def _aside(self, saying: Awaitable[None]) -> None:
        """Send an answer that belongs to no task; a flood of bad requests gets few answers."""
        if len(self._asides) >= MAX_REQUESTS:
            if asyncio.iscoroutine(saying):
                saying.close()
            return
        task = asyncio.ensure_future(self._safely(saying))
        self._asides.add(task)
        task.add_done_callback(self._asides.discard)

    async def _safely(self, saying: Awaitable[None]) -> None:
        try:
            await saying
        except Exception:  # the kernel or its link is gone: nobody is left to be told
            log.debug("an answer to kernel %s could not be sent", self._kernel, exc_info=True)

    async def _answer(self, request: wire.Request, talk: _Talk) -> None:
        try:
            if request.op == "datasets":
                found = await self._service.datasets()
                await talk.say("end", {"datasets": [wire.to_json(each) for each in found]})
            else:
                async with _still_here(talk):
                    await self._query(request, talk)
        except RopewayError as error:
            await self._safely(talk.fail(error))
        except Exception:
            log.exception("a request of kernel %s failed", self._kernel)
            await self._safely(talk.fail(HomeUnreachable("Home could not answer the request.")))

    async def _query(self, request: wire.Request, talk: _Talk) -> None:
        query = wire.Query(request.sql, request.params, self._runtime, self._kernel)
        await talk.say("head", {})
        async with self._service.query(query) as (number, chunks):
            async for piece in _pieces(chunks):
                await talk.data(piece)
        await talk.say("end", wire.to_json(await self._service.summary(number)))


class _Talk:
    """The replies to one request: numbered, and data only as far as the credit goes."""

    def __init__(self, number: str, reply: Send) -> None:
        self._id = number
        self._reply = reply
        self._seq = 0
        self._credit = 0
        self._granted = asyncio.Event()

    def grant(self, credit: int) -> None:
        """That many more data replies may be sent."""
        self._credit = min(self._credit + credit, MAX_CREDIT)
        if self._credit > 0:
            self._granted.set()

    async def say(self, kind: str, body: dict[str, Any], *buffers: bytes) -> None:
        reply = wire.Reply(self._id, kind, self._seq, body=body)
        self._seq += 1
        await self._reply({"value": {"ropeway": wire.to_json(reply)}}, list(buffers))

    async def data(self, piece: bytes) -> None:
        """One data reply, once there is credit for it."""
        try:
            await asyncio.wait_for(self._granted.wait(), PATIENCE)
        except TimeoutError:
            raise HomeUnreachable("The kernel took no more data; the query was stopped.") from None
        self._credit -= 1
        if self._credit == 0:
            self._granted.clear()
        await self.say("data", {}, piece)

    async def fail(self, error: RopewayError) -> None:
        await self.say("error", error.to_json())


@asynccontextmanager
async def _still_here(talk: _Talk) -> AsyncIterator[None]:
    """Says `wait` now and then, so that the kernel can tell a slow query from a lost link."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(HEARTBEAT)
            await talk.say("wait", {})

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)


async def _pieces(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in few pieces that each fit one message."""
    held = bytearray()
    async for chunk in chunks:
        held += chunk
        while len(held) >= wire.CHUNK_BYTES:
            yield bytes(held[: wire.CHUNK_BYTES])
            del held[: wire.CHUNK_BYTES]
    if held:
        yield bytes(held)


def _parse(content: dict[str, Any]) -> wire.Request:
    """The request, with every field of the type that it should have."""
    version = content.get("v")
    if version != wire.PROTOCOL:
        raise ProtocolError(
            f"The kernel speaks version {version!r} of Ropeway's protocol, "
            f"home speaks {wire.PROTOCOL}.",
            hint="Restart the kernel: it then gets the version of this workspace.",
        )
    try:
        request = wire.from_json(wire.Request, content)
    except TypeError as error:
        raise ProtocolError("The request lacks a field.") from error
    shapes = ((request.id, str), (request.op, str), (request.sql, str), (request.params, dict))
    if any(not isinstance(value, kind) for value, kind in shapes) or not request.id:
        raise ProtocolError("The request has a field of the wrong type.")
    if type(request.credit) is not int or not 0 < request.credit <= MAX_CREDIT:
        raise ProtocolError(f"The credit must be a whole number from 1 to {MAX_CREDIT}.")
    if request.op not in ("query", "more", "cancel", "datasets"):
        raise BadInput(f"Home knows no request {request.op!r}.")
    return request


def _text(content: dict[str, Any], key: str) -> str:
    value = content.get(key)
    return value if isinstance(value, str) else ""


def _too_many() -> Refused:
    return Refused(
        f"This kernel has {MAX_REQUESTS} requests under way already.",
        hint="Wait for one of them, then try again.",
    )
