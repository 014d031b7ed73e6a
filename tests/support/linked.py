"""Both ends of a link over real sockets, between a target server and its clients."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from tornado import web
from tornado.httpclient import HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.websocket import WebSocketClientConnection, websocket_connect

from ropeway.link.dialer import PATH, Dialer, Served
from ropeway.link.link import Link
from ropeway.link.listener import Links

KEYS = {"gpu.secret": "gpu", "lab.secret": "lab"}
Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say back what is said, and then what was ended."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write(b"(end)")
        await writer.drain()
        writer.close()
        await writer.wait_closed()


class Echo(asyncio.Protocol):
    """The same as a protocol, for what home offers."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)

    def eof_received(self) -> bool:
        self.transport.write(b"(end)")
        return False


class Both:
    """A link that is up."""

    def __init__(self, links: Links, url: str) -> None:
        self.links = links
        self.url = url
        self.told: list[str] = []
        self.kept: list[str] = []
        self.dialers: list[Dialer] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def join(self, target: int, key: str = "gpu.secret") -> Link:
        """A runtime dials."""
        dialer = Dialer(
            self.url,
            Served(target, "jupyter"),
            key=lambda: key,
            keep=self.kept.append,
            tell=self.told.append,
        )
        self.dialers.append(dialer)
        self.tasks.append(asyncio.create_task(dialer.run()))
        link = await self.links.link(KEYS[key])
        await until(lambda: link.hello is not None and dialer.up)
        return link


@asynccontextmanager
async def home(address: str = "127.0.0.1") -> AsyncIterator[Both]:
    """Home's end, listening."""
    links = Links(KEYS.get)
    server = HTTPServer(web.Application(links.handlers(PATH)))
    sockets = bind_sockets(0, address)
    server.add_sockets(sockets)
    host = f"[{address}]" if ":" in address else address
    both = Both(links, f"http://{host}:{sockets[0].getsockname()[1]}")
    try:
        yield both
    finally:
        for dialer in both.dialers:
            await dialer.stop()
        for task in both.tasks:
            task.cancel()
        await asyncio.gather(*both.tasks, return_exceptions=True)
        await links.aclose()
        await asyncio.sleep(0.05)  # WebSockets close by a handshake
        server.stop()
        await server.close_all_connections()


@asynccontextmanager
async def target(handle: Handle = echo) -> AsyncIterator[int]:
    """A server at the runtime."""
    running: set[asyncio.Task[None]] = set()

    async def handled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer)
        finally:
            writer.transport.abort()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.add(asyncio.ensure_future(handled(reader, writer)))

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await asyncio.sleep(0)


@asynccontextmanager
async def client(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a port at home."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    """Wait for it."""
    for _ in range(int(seconds * 50)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"it did not happen within {seconds} seconds")


async def dial(both: Both, path: str, key: str) -> WebSocketClientConnection:
    """A WebSocket of the link, as a runtime would dial it."""
    url = "ws" + both.url.removeprefix("http") + PATH + path
    return await websocket_connect(HTTPRequest(url, headers={"Authorization": f"Bearer {key}"}))
