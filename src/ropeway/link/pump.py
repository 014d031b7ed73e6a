"""Bytes between a TCP connection and a WebSocket, with back-pressure and half-close.

Reading stops while the other side does not take what was read: at each end a stream holds at most
a chunk or two, and the sockets' own buffers.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError

from ropeway.errors import ProtocolError
from ropeway.link.protocol import CHUNK_BYTES, IDLE_SECONDS, HalfClose

BROKEN = (OSError, WebSocketClosedError, StreamClosedError, asyncio.IncompleteReadError)
"""What a connection raises when it breaks."""

_KEPT = 2 * CHUNK_BYTES
"""Bytes that are read ahead of a slow receiver."""

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter
Send = Callable[[bytes], Awaitable[Any]]


async def connect(host: str, port: int) -> tuple[Reader, Writer]:
    """A TCP connection, fit for `Pump`. Raises `OSError`."""
    return await asyncio.open_connection(host, port, limit=_KEPT)


async def serve(handle: Callable[[Reader, Writer], None], port: int = 0) -> asyncio.Server:
    """A listener on this machine alone; `handle` begins a task of its own for each connection."""
    return await asyncio.start_server(handle, "127.0.0.1", port, limit=_KEPT)


class Pump:
    """One stream: `take` what the WebSocket brings, `run` sends what the TCP side says.

    `send` sends one binary message and returns once it left; `close` closes the WebSocket.
    """

    def __init__(
        self, reader: Reader, writer: Writer, send: Send, close: Callable[[], None]
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._send = send
        self._close = close
        self._ends = HalfClose()
        self._loop = asyncio.get_running_loop()
        self._touched = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._done = asyncio.Event()

    async def run(self) -> None:
        """Carry bytes until both directions ended, or until one breaks."""
        sending = asyncio.ensure_future(self._send_all())
        self._watch()
        try:
            await self._done.wait()
        finally:
            if self._timer is not None:
                self._timer.cancel()
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            self._end()

    async def take(self, data: str | bytes) -> None:
        """A message from the WebSocket; returns when the TCP side took it."""
        if not isinstance(data, bytes) or len(data) > CHUNK_BYTES:
            self.broken()
            raise ProtocolError("A stream of the link carried what is no chunk.")
        self._touch()
        try:
            if data:
                self._writer.write(data)
                await self._writer.drain()
            else:
                self._writer.write_eof()
                self._ended("in")
        except BROKEN:
            self.broken()

    def broken(self) -> None:
        """One of the two sides is gone."""
        self._done.set()

    async def _send_all(self) -> None:
        try:
            while data := await self._reader.read(CHUNK_BYTES):
                self._touch()
                await self._send(data)
            await self._send(b"")
            self._ended("out")
        except BROKEN:
            self.broken()

    def _watch(self) -> None:
        """Give up a stream that carries nothing."""
        left = self._touched + IDLE_SECONDS - self._loop.time()
        if left <= 0:
            self.broken()
        else:
            self._timer = self._loop.call_later(left, self._watch)

    def _touch(self) -> None:
        self._touched = self._loop.time()

    def _ended(self, direction: str) -> None:
        self._ends.end(direction)
        if self._ends.whole:
            self._done.set()

    def _end(self) -> None:
        """Close both sides; a stream that broke must not look like one that ended."""
        self._close()
        if not self._ends.whole:
            reset(self._writer)
        with contextlib.suppress(*BROKEN):
            self._writer.close()


@contextlib.contextmanager
def ending(writer: Writer) -> Iterator[None]:
    """However the block ends: a connection that was not closed by then is reset."""
    try:
        yield
    finally:
        if not writer.is_closing():
            reset(writer)


def reset(writer: Writer) -> None:
    """End a TCP connection with RST: its reader sees an error, not the end of the data."""
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            # Linger on, for no time: l_onoff and l_linger of `struct linger`.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()
