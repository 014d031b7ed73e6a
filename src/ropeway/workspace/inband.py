"""The in-band road, home's end: a kernel's requests to the data service over its own messages.

One `InBand` stands beside each kernel's bridge. The bridge hands it the content of every
`ropeway_request` and sends what it replies as `input_reply` on stdin. What the two ends say to
each other is described in `ropeway.wire`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Protocol

from ropeway import wire
from ropeway.data.params import check_size
from ropeway.errors import BadInput, HomeUnreachable, ProtocolError, Refused, RopewayError
from ropeway.frames import Part
from ropeway.workspace.data_service import Answered
from ropeway.workspace.talk import MAX_CREDIT, PATIENCE, Send, Talk, still_here

if TYPE_CHECKING:
    from ropeway.workspace.companions import Placements
    from ropeway.workspace.files import Files

log = logging.getLogger(__name__)

MAX_REQUESTS = 8
"""Requests of one kernel that are answered at a time; more are refused."""

PUT_CREDIT = 4
"""Pieces of a put that may be on their way: 16 MB."""


class Service(Protocol):
    """What is asked of the data service; `DataService` is one."""

    async def datasets(self, runtime_class: str) -> tuple[wire.Dataset, ...]:
        """What was added at home, as that class of runtime may see it."""

    def query(self, query: wire.Query) -> AbstractAsyncContextManager[Answered]:
        """The answer to a query."""

    async def put(self, put: wire.Put, stream: AsyncIterator[bytes]) -> wire.Receipt:
        """Keep a table at home."""

    async def artefacts(self, asker: wire.Asker, question: bytes) -> bytes:
        """The answer to a question about artefacts."""

    async def summary(self, number: str) -> wire.Summary:
        """What became of a query."""

    async def give(self, number: str, kernel: str, kind: str, stream: AsyncIterator[bytes]) -> None:
        """Send a value that crosses."""

    def take(self, number: str, kernel: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """A value that crosses."""


class InBand:
    """Answers the requests of one kernel.

    `reply` sends one message: its content and its binary buffers; `beside` sends one to a thread,
    which must not take what a cell waits for. `runtime`, `runtime_class` and
    `kernel` say who asks, `asking` gives the notebook and the cell that run; all this is home's
    own knowledge, never taken from the request.
    """

    def __init__(
        self,
        service: Service,
        runtime: str,
        kernel: str,
        reply: Send,
        *,
        beside: Send | None = None,
        runtime_class: str = "public",
        asking: Callable[[], tuple[str, str]] = lambda: ("", ""),
        placements: Placements | None = None,
        files: Files | None = None,
    ) -> None:
        self._service = service
        self._placements = placements
        self._files = files
        self._runtime = runtime
        self._runtime_class = runtime_class
        self._kernel = kernel
        self._asking = asking
        self._reply = reply
        self._beside = beside or reply
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._talks: dict[str, Talk] = {}
        self._puts: dict[str, Pieces] = {}
        self._asides: set[asyncio.Task[None]] = set()
        self._closed = False

    def handle(self, content: dict[str, Any], buffers: Sequence[Part] = ()) -> None:
        """Take one request; returns at once, the answer comes through `reply`. Never raises.

        Call it in the event loop.
        """
        if self._closed or not isinstance(content, dict):
            return
        reply = self._beside if content.get("op") == "artefacts" else self._reply
        talk = Talk(_text(content, "id"), reply)
        try:
            request = _parse(content)
        except RopewayError as error:
            self._aside(talk.fail(error))
            return
        if request.op == "more":
            self._more(request)
        elif request.op == "cancel":
            self._cancel(request.id)
        elif request.op in ("piece", "whole"):
            self._piece(request, buffers)
        elif request.op in ("answer", "interrupt", "there", "shown"):
            self._about_placement(request, talk)
        elif request.op == "over":
            self._over(request)
        else:
            self._begin(request, talk, bytes(buffers[0]) if buffers else b"")

    def close(self) -> None:
        """Stop everything, at home too; nothing more is said to the kernel."""
        self._closed = True
        for task in (*self._tasks.values(), *self._asides):
            task.cancel()

    def _begin(self, request: wire.Request, talk: Talk, brought: bytes) -> None:
        if request.id in self._tasks:
            self._aside(talk.fail(ProtocolError(f"The request {request.id} runs already.")))
            return
        if len(self._tasks) >= MAX_REQUESTS:
            self._aside(talk.fail(_too_many()))
            return
        talk.grant(request.credit)
        self._talks[request.id] = talk
        if request.op in ("put", "give", "download"):
            self._puts[request.id] = Pieces(talk)
        task = asyncio.create_task(self._answer(request, talk, brought))
        self._tasks[request.id] = task
        task.add_done_callback(lambda _: self._forget(request.id))

    def _forget(self, number: str) -> None:
        self._tasks.pop(number, None)
        self._talks.pop(number, None)
        self._puts.pop(number, None)

    def _more(self, request: wire.Request) -> None:
        talk = self._talks.get(request.id)
        if talk is not None:
            talk.grant(request.credit)

    def _piece(self, request: wire.Request, buffers: Sequence[Part]) -> None:
        pieces = self._puts.get(request.id)
        if pieces is not None:
            pieces.add(bytes(buffers[0]) if request.op == "piece" and buffers else b"")

    def _about_placement(self, request: wire.Request, talk: Talk) -> None:
        placements = self._placements
        if placements is None:
            return
        # One that knocks did not hear the end.
        if request.op != "there" and placements.has_ended(request.id):
            return
        if request.id in self._tasks:
            placements.told(request)
        else:  # a home before this one took it up
            self._begin(request, talk, b"")

    def _cancel(self, number: str) -> None:
        task = self._tasks.get(number)
        if task is not None:
            if self._placements is not None:
                self._placements.given_up(number)
            task.cancel()

    def _over(self, request: wire.Request) -> None:
        self._cancel(request.id)
        if self._placements is not None:
            self._aside(self._placements.over(request))

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

    async def _answer(self, request: wire.Request, talk: Talk, brought: bytes) -> None:
        try:
            if request.op == "datasets":
                found = await self._service.datasets(self._runtime_class)
                await talk.say("end", {"datasets": [wire.to_json(each) for each in found]})
                return
            if request.op in _PLACEMENTS:
                await self._place(request, talk)
                return
            doing = {"put": self._put, "give": self._give, "take": self._take}
            doing |= {"upload": self._upload, "download": self._download}
            await talk.say("wait", {})
            async with still_here(talk):
                if request.op == "artefacts":
                    asker = wire.Asker(**self._asker())
                    await talk.say("end", {}, await self._service.artefacts(asker, brought))
                    return
                await doing.get(request.op, self._query)(request, talk)
        except RopewayError as error:
            await self._safely(talk.fail(error))
        except Exception:
            log.exception("a request of kernel %s failed", self._kernel)
            await self._safely(talk.fail(HomeUnreachable("Home could not answer the request.")))

    async def _query(self, request: wire.Request, talk: Talk) -> None:
        query = wire.Query(request.sql, request.params, etag=request.etag, **self._asker())
        async with self._service.query(query) as answer:
            if answer.unchanged:
                await talk.say("end", {"cached": True})
                return
            await talk.say("head", {"etag": answer.etag})
            async for piece in _pieces(answer.chunks):
                await talk.data(piece)
        await talk.say("end", wire.to_json(await self._service.summary(answer.id)))

    def _asker(self) -> dict[str, str]:
        """Who asks, as home knows it."""
        notebook, cell = self._asking()
        return {
            "runtime": self._runtime,
            "kernel": self._kernel,
            "runtime_class": self._runtime_class,
            "notebook": notebook,
            "cell": cell,
            "road": "in-band",
        }

    async def _put(self, request: wire.Request, talk: Talk) -> None:
        put = wire.Put(request.name, request.if_exists, **self._asker())
        receipt = await self._service.put(put, aiter(self._puts[request.id]))
        await talk.say("end", wire.to_json(receipt))

    async def _place(self, request: wire.Request, talk: Talk) -> None:
        if self._placements is None:
            raise Refused("This kernel cannot run cells elsewhere.")
        await self._placements.answer(request, talk, self._asking())

    async def _upload(self, request: wire.Request, talk: Talk) -> None:
        if self._files is None:
            raise Refused("Nobody is at this kernel who could choose files.")
        await self._files.upload(wire.Asker(**self._asker()), request, talk)

    async def _download(self, request: wire.Request, talk: Talk) -> None:
        if self._files is None:
            raise Refused("Nobody is at this kernel who could take files.")
        stream = aiter(self._puts[request.id])
        number = await self._files.download(wire.Asker(**self._asker()), request.name, stream)
        await talk.say("end", {"id": number})

    async def _give(self, request: wire.Request, talk: Talk) -> None:
        stream = aiter(self._puts[request.id])
        await self._service.give(request.name, self._kernel, request.text, stream)
        await talk.say("end", {})

    async def _take(self, request: wire.Request, talk: Talk) -> None:
        async with self._service.take(request.name, self._kernel) as chunks:
            async for piece in _pieces(chunks):
                await talk.data(piece)
        await talk.say("end", {})


class Pieces(AsyncIterator[bytes]):
    """The pieces of a put, as they come from the kernel: never more of them than were granted."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._granted = 0
        self._wrong = ""

    def add(self, piece: bytes) -> None:
        """One more piece; an empty one says that it is whole."""
        if self._wrong:
            return
        if piece:
            self._granted -= 1
            if self._granted < 0 or len(piece) > wire.CHUNK_BYTES:
                self._wrong = "A put sends pieces of at most 4 MB, and as many as home granted."
                piece = b""
        self._queue.put_nowait(piece)

    async def __anext__(self) -> bytes:
        credit = PUT_CREDIT - self._granted - self._queue.qsize()
        if credit >= PUT_CREDIT // 2:
            self._granted += credit
            await self._talk.more(credit)
        try:
            piece = await asyncio.wait_for(self._queue.get(), PATIENCE)
        except TimeoutError:
            raise HomeUnreachable("The kernel sent no more of its table; it was dropped.") from None
        if self._wrong:
            raise ProtocolError(self._wrong)
        if not piece:
            raise StopAsyncIteration
        return piece


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


_PLACEMENTS = ("place", "pick", "send", "get", "answer", "interrupt", "there", "shown")

_OPS = frozenset(
    {
        *("query", "more", "cancel", "datasets", "put", "piece", "whole", "artefacts"),
        *("give", "take", "over", "upload", "download", *_PLACEMENTS),
    }
)


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
    fields = wire.Request.__annotations__
    texts = (getattr(request, name) for name, kind in fields.items() if kind == "str")
    shapes = (*((text, str) for text in texts), (request.params, dict), (request.stdin, bool))
    if any(not isinstance(value, kind) for value, kind in shapes) or not request.id:
        raise ProtocolError("The request has a field of the wrong type.")
    check_size(request.sql, request.params)
    if type(request.credit) is not int or not 0 < request.credit <= MAX_CREDIT:
        raise ProtocolError(f"The credit must be a whole number from 1 to {MAX_CREDIT}.")
    if type(request.memory) is not int or request.memory < 0:
        raise ProtocolError("The memory must be a number of bytes.")
    if type(request.after) is not int or not 0 <= request.after < 1 << 62:
        raise ProtocolError("The number of a message must be a whole one.")
    if request.op not in _OPS:
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
