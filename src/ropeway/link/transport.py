"""A stream of the link as a transport of asyncio: what home offers is a protocol, as on a socket.

No connection of its own stands between the two, which each byte would cross once more. An empty
message ends a direction, as a TCP FIN does; a WebSocket that closes before is a connection that
broke.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from ropeway.errors import ProtocolError
from ropeway.link.protocol import CHUNK_BYTES, OPEN_SECONDS, HalfClose
from ropeway.link.pump import BROKEN

_HIGH = 4 * CHUNK_BYTES
"""Bytes that wait for the WebSocket before the protocol is told to pause, unless it says another
number: enough to have the next message ready when one has left."""


class StreamTransport(asyncio.Transport):
    """`take` what the WebSocket brings, `run` until the stream is over.

    `send` sends one binary message and returns once it left; `hang_up` closes the WebSocket.
    """

    def __init__(
        self,
        protocol: asyncio.Protocol,
        send: Callable[[bytes], Awaitable[Any]],
        hang_up: Callable[[], None],
    ) -> None:
        super().__init__()
        self._protocol = protocol
        self._send = send
        self._hang_up = hang_up
        self._ends = HalfClose()
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._high = _HIGH
        self._full = self._eof = self._closing = self._lost = False
        self._more = asyncio.Event()
        self._flows = asyncio.Event()
        self._flows.set()
        self._done = asyncio.Event()

    async def run(self) -> None:
        """Carry bytes until both directions ended, or until one breaks."""
        self._protocol.connection_made(self)
        sending = asyncio.ensure_future(self._send_all())
        try:
            await self._done.wait()
        finally:
            self._done.set()
            self._flows.set()
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            self._hang_up()
            self._lose(None if self._ends.whole else ConnectionResetError())

    async def take(self, data: str | bytes) -> None:
        """A message from the WebSocket; returns when the protocol took it."""
        if not isinstance(data, bytes) or len(data) > CHUNK_BYTES:
            self.broken()
            raise ProtocolError("A stream of the link carried what is no chunk.")
        await self._flows.wait()
        if not data:
            self._ended("in")
        if self.is_closing():
            return  # nobody wants to hear it
        if data:
            self._protocol.data_received(data)
        elif not self._protocol.eof_received():
            self.close()

    def broken(self) -> None:
        """The WebSocket is gone."""
        self._done.set()
        self._flows.set()

    # --- what the protocol does with it ---

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send it when its turn comes."""
        if self._closing or self._eof or not data:
            return
        whole = memoryview(data).cast("B")
        for start in range(0, len(whole), CHUNK_BYTES):
            piece = whole[start : start + CHUNK_BYTES]
            whole_of_it = isinstance(data, bytes) and len(piece) == len(data)
            self._waiting.append(data if whole_of_it else bytes(piece))  # type: ignore[arg-type]
        self._size += len(whole)
        self._more.set()
        if self._size > self._high and not self._full:
            self._full = True
            self._protocol.pause_writing()

    def can_write_eof(self) -> bool:
        """It can: an empty message says it."""
        return True

    def write_eof(self) -> None:
        """Nothing follows what was written."""
        if not self._eof:
            self._eof = True
            self._waiting.append(b"")
            self._more.set()

    def close(self) -> None:
        """Send what was written, then be over."""
        if self._closing:
            return
        self.write_eof()
        self._closing = True
        self._flows.set()
        if "out" in self._ends.ended:
            self._leave()

    def abort(self) -> None:
        """Be over now; the other end sees a connection that broke."""
        self._closing = True
        self.broken()

    def is_closing(self) -> bool:
        """Whether it is over, or about to be."""
        return self._closing or self._done.is_set()

    def pause_reading(self) -> None:
        """Take no further message."""
        if not self.is_closing():
            self._flows.clear()

    def resume_reading(self) -> None:
        """Take messages again."""
        self._flows.set()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """More than `high` bytes that wait pause the protocol; a quarter of it lets it go on."""
        self._high = _HIGH if high is None else high

    def get_write_buffer_size(self) -> int:
        """Bytes that wait."""
        return self._size

    # --- within ---

    async def _send_all(self) -> None:
        try:
            while "out" not in self._ends.ended:
                await self._more.wait()
                await self._send_waiting()
        except BROKEN:
            self.broken()

    async def _send_waiting(self) -> None:
        while self._waiting:
            piece = self._waiting.popleft()
            await self._send(piece)
            self._size -= len(piece)
            if self._full and self._size <= self._high // 4:
                self._full = False
                self._protocol.resume_writing()
            if not piece:
                self._ended("out")
                if self._closing:
                    self._leave()
        self._more.clear()

    def _leave(self) -> None:
        """All is said; the other end has a while to say the same."""
        loop = asyncio.get_running_loop()
        loop.call_soon(self._lose, None)
        loop.call_later(OPEN_SECONDS, self.broken)

    def _ended(self, direction: str) -> None:
        self._ends.end(direction)
        if self._ends.whole:
            self._done.set()

    def _lose(self, error: Exception | None) -> None:
        if not self._lost:
            self._lost = self._closing = True
            self._protocol.connection_lost(error)
