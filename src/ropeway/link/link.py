"""Home's end of one runtime's link: a loopback port that stays the same over all reconnects.

Whoever connects to that port reaches the Jupyter server of the runtime, and nothing else; that
server's own token still guards it. The WebSockets come from `listener`.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Protocol

from tornado.websocket import WebSocketClosedError

from ropeway.link import pump
from ropeway.link.protocol import OPEN_SECONDS, Hello, HomeEnd, pack

log = logging.getLogger(__name__)


class Control(Protocol):
    """The runtime's control channel; `listener.Control` is one."""

    def write_message(self, message: str) -> Any:
        """Send it. Raises `WebSocketClosedError`."""

    def leave(self, why: str, *, for_good: bool) -> None:
        """Say goodbye to the runtime."""


class Stream(Protocol):
    """A WebSocket that the runtime dialled for a stream; `listener.Stream` is one."""

    async def carry(self, reader: pump.Reader, writer: pump.Writer) -> None:
        """Carry bytes between it and a TCP connection until one ends."""


class Link:
    """The link of one runtime, over all its reconnects."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = 0
        self.why_down = ""
        """What ended the link the last time, for people."""
        self._opening = asyncio.Lock()
        self._over = False
        self._end = HomeEnd()
        self._control: Control | None = None
        self._server: asyncio.Server | None = None
        self._waiting: dict[str, asyncio.Future[Stream]] = {}
        self._running: set[asyncio.Future[Any]] = set()

    @property
    def hello(self) -> Hello | None:
        """What the runtime said of itself, while the link is up."""
        return self._end.hello if self._control is not None else None

    @property
    def streams(self) -> int:
        """Streams that are open."""
        return self._end.streams

    async def open(self) -> None:
        """Take the port, once."""
        async with self._opening:
            if self._server is None and not self._over:
                self._server = await pump.serve(self._accept)
                self.port = self._server.sockets[0].getsockname()[1]

    async def aclose(self) -> None:
        """Break every stream and free the port."""
        async with self._opening:  # a removal may come while the port is being taken
            self._over = True
            if self._server is not None:
                self._server.close()
        self._break("the workspace stops")
        await asyncio.gather(*self._running, return_exceptions=True)

    def attach(self, control: Control, end: HomeEnd) -> None:
        """A runtime said hello; one that was there before is sent away."""
        if self._control is not None:
            self._control.leave("another process joined under this name", for_good=True)
            self._break("another process took its place")
        self._control, self._end, self.why_down = control, end, ""

    def detach(self, control: Control, why: str) -> bool:
        """The control channel closed; False when another one stands there already."""
        if self._control is not control:
            return False
        self._break(why)
        return True

    def stands_on(self, control: Control) -> bool:
        """Whether this is the control channel that counts."""
        return self._control is control

    def leave(self, why: str, *, for_good: bool) -> None:
        """Tell the runtime that the link ends."""
        if self._control is not None:
            self._control.leave(why, for_good=for_good)
            self._break(why)

    def claim(self, stream: str, taker: Stream) -> bool:
        """Whether a WebSocket of this runtime may be the stream; nobody else gets it then."""
        waiting = self._waiting.get(stream)
        if waiting is None or waiting.done() or not self._end.claim(stream):
            return False
        waiting.set_result(taker)
        return True

    def admit(self, service: str) -> HomeEnd | None:
        """The end that counts a new stream to a service of home's; None: it may not be."""
        allowed = self._control is not None and self._end.admit(service)
        return self._end if allowed else None

    def failed(self, stream: str) -> None:
        """The runtime could not open a stream."""
        waiting = self._waiting.get(stream)
        if waiting is not None and not waiting.done():
            waiting.set_exception(ConnectionRefusedError())

    def keep(self, running: asyncio.Future[Any]) -> None:
        """A stream that ends with the link."""
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    def _break(self, why: str) -> None:
        self._control, self.why_down = None, why
        for task in list(self._running):
            task.cancel()

    def _accept(self, reader: pump.Reader, writer: pump.Writer) -> None:
        self.keep(asyncio.ensure_future(self._to_runtime(reader, writer)))

    async def _to_runtime(self, reader: pump.Reader, writer: pump.Writer) -> None:
        with pump.ending(writer):
            end = self._end
            taker = await self._taker(end)
            if taker is None:
                return
            try:
                await taker.carry(reader, writer)
            finally:
                end.closed()

    async def _taker(self, end: HomeEnd) -> Stream | None:
        """The WebSocket that the runtime dials for a new stream, or None."""
        stream = end.ask() if self._control is not None else None
        if stream is None or self._control is None:
            return None
        waiting: asyncio.Future[Stream] = asyncio.get_running_loop().create_future()
        self._waiting[stream] = waiting
        try:
            self._control.write_message(pack("open", stream=stream))
            async with asyncio.timeout(OPEN_SECONDS):
                return await waiting
        except (TimeoutError, WebSocketClosedError, ConnectionRefusedError):
            log.info("runtime %s did not open a stream", self.name)
            return None
        finally:
            end.forget(stream)
            del self._waiting[stream]
