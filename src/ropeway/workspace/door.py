"""Home's door: a loopback port that leads to the data service and nowhere else.

A runtime's tunnel ends here. Bytes are passed on as they come, both ways, no faster than the slower
side takes them. Who knocks is none of the door's business: the data service wants a grant of each
request. The door only keeps callers that dawdle from standing in the way of others.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import time
from typing import Protocol

from ropeway.errors import HomeUnreachable, RopewayError

MOST = 256
"""Connections at a time; one more is closed at once. One runtime has `link.protocol.MOST_SERVICES`
of them at most."""

HEAD_SECONDS = 10.0
"""Seconds until the head of the first request must be here."""

HEAD_BYTES = 32 * 1024
"""The longest head of the first request; the data service hears nothing before it is whole."""

STALL_SECONDS = 60.0
"""Seconds that a caller may take nothing of what is ready for it."""

IDLE_SECONDS = 3600.0
"""Seconds in which something must pass: a query may think for as long as `data.seconds`."""

_LOOK = 0.5
_AHEAD = 256 * 1024
"""Bytes that wait for a slow side before the other is not read any more. More would be slower: of
what waits for a socket asyncio moves the rest with every write."""

log = logging.getLogger(__name__)


class Service(Protocol):
    """Where the door leads; `DataService` is one."""

    async def port(self, refused: int = 0) -> int:
        """The loopback port of the data service now, where it is not the one that `refused`.

        Raises `HomeUnreachable`.
        """


class Door:
    """Forwards connections to the data service. `open` it, `aclose` it; one event loop."""

    def __init__(self, service: Service, *, most: int = MOST, idle: float = IDLE_SECONDS) -> None:
        self.port = 0
        """Where it listens, once open."""
        self.callers: set[_Caller] = set()
        self._service = service
        self._most = most
        self._idle = idle
        self._server: asyncio.Server | None = None
        self._watching: asyncio.Task[None] | None = None

    async def open(self) -> int:
        """Listen on a free port of this machine alone; returns it."""
        loop = asyncio.get_running_loop()
        # The protocol is named because asyncio turns Nagle's algorithm off only where it is.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self._server = await loop.create_server(self.caller, sock=listener)
        self._watching = asyncio.create_task(self._watch())
        return self.port

    def caller(self) -> asyncio.Protocol:
        """What answers one connection, also one that arrives by other means than TCP."""
        return _Caller(self)

    async def aclose(self) -> None:
        """Let nobody in any more, and everybody out."""
        if self._server is not None:
            self._server.close()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        callers = list(self.callers)
        going = [caller.going for caller in callers if caller.going is not None]
        for caller in callers:
            caller.abort()
        await asyncio.gather(*(caller.gone.wait() for caller in callers))
        await asyncio.gather(*going, return_exceptions=True)

    def admit(self, caller: _Caller) -> bool:
        """Whether there is room for one more."""
        if len(self.callers) >= self._most:
            return False
        self.callers.add(caller)
        return True

    async def service(self, protocol: asyncio.Protocol) -> None:
        """Connect a protocol to the data service. Raises `RopewayError` or `OSError`."""
        loop = asyncio.get_running_loop()
        port = await self._service.port()
        try:
            await loop.create_connection(lambda: protocol, "127.0.0.1", port)
        except ConnectionRefusedError:
            # It has just ended, or is about to: a fresh one answers.
            port = await self._service.port(refused=port)
            await loop.create_connection(lambda: protocol, "127.0.0.1", port)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK)
            now = time.monotonic()
            for caller in list(self.callers):
                if caller.dawdles(now, self._idle):
                    log.info("the door closed a connection that stood still")
                    caller.abort()


class _Side(asyncio.Protocol):
    """One of the two connections; what comes here goes out at the other."""

    other: _Side | None = None

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.full_since = 0.0
        """Since when it takes no more; 0 while it does."""
        self.gone = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if transport.get_extra_info("socket") is not None:
            transport.set_write_buffer_limits(high=_AHEAD)

    def pause_writing(self) -> None:
        self.full_since = time.monotonic()
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        self.full_since = 0.0
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()

    def eof_received(self) -> bool:
        """A side that has said all may still listen."""
        other = self.other.transport if self.other is not None else None
        if other is not None and other.can_write_eof() and not other.is_closing():
            other.write_eof()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self.gone.set()
        if self.other is not None and self.other.transport is not None:
            if error is None:
                self.other.transport.close()
            else:
                self.other.transport.abort()

    def abort(self) -> None:
        """Close both sides, and drop what was not taken."""
        for side in (self, self.other):
            if side is not None and side.transport is not None:
                side.transport.abort()


class _Caller(_Side):
    """Who came to the door."""

    def __init__(self, door: Door) -> None:
        super().__init__()
        self._door = door
        self._head = bytearray()
        self._begun = self.moved = time.monotonic()
        self.going: asyncio.Future[None] | None = None
        self.waits = False
        """Whether it asked and has no byte of the answer yet."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if not self._door.admit(self):
            self.abort()

    def data_received(self, data: bytes) -> None:
        assert self.transport is not None
        self.moved, self.waits = time.monotonic(), True
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)
            return
        self._head += data
        if self.going is not None:
            return
        if b"\r\n\r\n" in self._head:
            self.transport.pause_reading()
            self.going = asyncio.ensure_future(self._go())
        elif len(self._head) > HEAD_BYTES:
            self.abort()

    def eof_received(self) -> bool:
        """One that leaves before it asked is let go."""
        return super().eof_received() if self.other is not None else self.going is not None

    async def _go(self) -> None:
        """To the data service, with what was said so far."""
        assert self.transport is not None
        service = _Service(self)
        try:
            await self._door.service(service)
        except (RopewayError, OSError) as error:
            if not isinstance(error, RopewayError):
                error = HomeUnreachable("The data service at home does not answer.")
            self.tell(error)
            return
        if service.transport is None or self.transport.is_closing():
            service.abort()
            return
        self.other = service
        service.transport.write(bytes(self._head))
        self._head.clear()
        self.transport.resume_reading()

    def tell(self, error: RopewayError) -> None:
        """The data service broke off before it answered: only the door can say so."""
        if self.transport is None or self.transport.is_closing():
            return
        body = json.dumps({"error": error.to_json()}).encode()
        self.transport.write(
            b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n"
            b"connection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
        )
        self.transport.close()

    def dawdles(self, now: float, idle: float) -> bool:
        """Whether it stands in the way of others."""
        if self.going is None and now - self._begun > HEAD_SECONDS:
            return True
        return (self.full_since > 0 and now - self.full_since > STALL_SECONDS) or (
            now - self.moved > idle
        )

    def connection_lost(self, error: Exception | None) -> None:
        self._door.callers.discard(self)
        if self.going is not None:
            self.going.cancel()
        super().connection_lost(error)


class _Service(_Side):
    """The way on to the data service."""

    def __init__(self, caller: _Caller) -> None:
        super().__init__()
        self.other = caller
        self._caller = caller

    def data_received(self, data: bytes) -> None:
        self._caller.moved, self._caller.waits = time.monotonic(), False
        if self._caller.transport is not None:
            self._caller.transport.write(data)

    def eof_received(self) -> bool:
        """The data service has said all."""
        return False

    def connection_lost(self, error: Exception | None) -> None:
        if self._caller.waits and self._caller.other is self:
            self._caller.tell(
                HomeUnreachable(
                    "The data service broke off before it answered.",
                    hint="It starts again with the next query; ask for less if this one was large.",
                )
            )
            self.gone.set()
            return
        super().connection_lost(error)
