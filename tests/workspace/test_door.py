"""Home's door: bytes to the data service and back, and nobody stands in another's way."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from ropeway.errors import HomeUnreachable
from ropeway.workspace import door as door_module
from ropeway.workspace.door import Door

HEAD = b"POST /v1/query HTTP/1.1\r\nhost: x\r\n\r\n"

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Service:
    """A server in the place of the data service."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.asked = 0
        self.up = True
        self.open = 0
        self.stale = 0

    async def start(self) -> None:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def stop(self) -> None:
        self.server.close()
        await self.server.wait_closed()

    async def port(self, refused: int = 0) -> int:
        self.asked += 1
        if self.stale and not refused:
            return self.stale
        if not self.up:
            raise HomeUnreachable("The data service at home did not start.", hint="Look.")
        return int(self.server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            await self.talk(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.open -= 1
            writer.close()


@asynccontextmanager
async def opened(talk: Talk, **more: float) -> AsyncIterator[tuple[Door, Service]]:
    service = Service(talk)
    await service.start()
    door = Door(service, **more)  # type: ignore[arg-type]
    await door.open()
    try:
        yield door, service
    finally:
        await door.aclose()
        await service.stop()


async def connected(door: Door) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", door.port)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.write(b"the end")


async def until(true: Callable[[], bool], seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_every_byte_passes_both_ways_and_each_side_may_finish_first() -> None:
    """20 MB come back as they went in, and a side that has said all still hears the rest."""
    sent = HEAD + bytes(range(256)) * 80_000
    async with opened(echo) as (door, _), asyncio.timeout(20):
        reader, writer = await connected(door)

        async def say() -> None:
            writer.write(sent)
            await writer.drain()
            writer.write_eof()

        saying = asyncio.create_task(say())
        got = await reader.read(-1)
        await saying
        writer.close()
        assert hashlib.sha256(got).digest() == hashlib.sha256(sent + b"the end").digest()
        await until(lambda: not door.callers)


async def test_it_listens_on_this_machine_alone_and_without_delay() -> None:
    """The port is one of 127.0.0.1, and Nagle's algorithm is off on both legs."""
    async with opened(echo) as (door, _), asyncio.timeout(10):
        assert door._server is not None
        assert door._server.sockets[0].getsockname() == ("127.0.0.1", door.port)
        reader, writer = await connected(door)
        writer.write(HEAD)
        await reader.readexactly(len(HEAD))
        (caller,) = door.callers
        assert caller.other is not None
        for side in (caller, caller.other):
            assert side.transport is not None
            raw = side.transport.get_extra_info("socket")
            assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        writer.close()


async def test_a_slow_reader_holds_the_sender_back() -> None:
    """While a caller does not read, the service is not read much further."""
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536

    async with opened(flood) as (door, _):
        reader, writer = await connected(door)
        writer.write(HEAD)
        await reader.read(10)
        seen = -1
        async with asyncio.timeout(10):
            while seen != sent:
                seen = sent
                await asyncio.sleep(0.3)
        assert sent < 40_000_000
        before = sent
        for _ in range(200):
            await reader.read(65536)
        await until(lambda: sent > before)
        writer.transport.abort()


async def test_who_takes_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller that does not take its answer loses its place, and the service hears of it."""
    monkeypatch.setattr(door_module, "STALL_SECONDS", 0.3)

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    async with opened(flood) as (door, service):
        _, writer = await connected(door)
        writer.write(HEAD)
        await until(lambda: service.open == 1)
        await until(lambda: not door.callers and service.open == 0)
        writer.close()


async def test_a_head_that_dribbles_in_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who does not finish the head of a request in time never reaches the data service."""
    monkeypatch.setattr(door_module, "HEAD_SECONDS", 0.5)
    async with opened(echo, most=3) as (door, service), asyncio.timeout(15):
        slow = [await connected(door) for _ in range(3)]
        for _ in range(4):
            for _, writer in slow:
                writer.write(b"G")
            await asyncio.sleep(0.05)
        refused, other = await connected(door)
        assert await _end(refused) == b""
        other.close()
        await until(lambda: not door.callers)
        assert service.asked == 0
        reader, writer = await connected(door)
        writer.write(HEAD)
        assert await reader.readexactly(len(HEAD)) == HEAD
        for _, each in (*slow, (reader, writer)):
            each.close()


async def test_a_head_without_an_end_is_cut_off() -> None:
    """A head of more than 32 kB ends the connection, and the data service hears nothing."""
    async with opened(echo) as (door, service), asyncio.timeout(10):
        reader, writer = await connected(door)
        writer.write(b"GET / HTTP/1.1\r\nx: " + b"a" * 100_000)
        assert await _end(reader) == b""
        assert service.asked == 0
        writer.close()


async def test_one_too_many_is_closed_at_once() -> None:
    """Beyond the bound a caller is sent away, and those inside go on."""
    async with opened(echo, most=2) as (door, _), asyncio.timeout(10):
        inside = [await connected(door) for _ in range(2)]
        for reader, writer in inside:
            writer.write(HEAD)
            await reader.readexactly(len(HEAD))
        late, late_writer = await connected(door)
        assert await _end(late) == b""
        late_writer.close()
        for reader, writer in inside:
            writer.write(b"more")
            assert await reader.readexactly(4) == b"more"
            writer.close()
        await until(lambda: not door.callers)
        reader, writer = await connected(door)
        writer.write(HEAD)
        assert await reader.readexactly(4)
        writer.close()


async def test_one_that_is_forgotten_is_closed() -> None:
    """A connection over which nothing passes for long is closed on both sides."""
    async with opened(echo, idle=0.5) as (door, service), asyncio.timeout(10):
        reader, writer = await connected(door)
        writer.write(HEAD)
        await reader.readexactly(len(HEAD))
        assert await _end(reader) == b""
        await until(lambda: service.open == 0)
        writer.close()


async def test_a_caller_that_leaves_is_heard_of_at_the_service() -> None:
    """When a caller hangs up, so does the door: the query behind it is stopped."""
    left = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            pass
        left.set()

    async with opened(wait) as (door, service), asyncio.timeout(10):
        _, writer = await connected(door)
        writer.write(HEAD)
        await until(lambda: service.open == 1)
        writer.close()
        await left.wait()


async def test_it_says_so_when_the_service_broke_off() -> None:
    """Before the first byte of an answer the door says what happened, in the service's words."""

    async def die(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async with opened(die) as (door, service), asyncio.timeout(10):
        for up, words in ((True, b"broke off before"), (False, b"did not start")):
            service.up = up
            reader, writer = await connected(door)
            writer.write(HEAD)
            answer = await reader.read(-1)
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b'"code": "home_unreachable"' in answer
            assert words in answer
            writer.close()


async def test_a_service_that_just_ended_is_asked_for_anew() -> None:
    """A port that refuses is asked for once more; who came to the door notices nothing."""
    async with opened(echo) as (door, service), asyncio.timeout(10):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            service.stale = taken.getsockname()[1]
        reader, writer = await connected(door)
        writer.write(HEAD)
        assert await reader.readexactly(len(HEAD)) == HEAD
        assert service.asked == 2
        writer.close()


async def test_behind_the_first_byte_it_adds_nothing() -> None:
    """An answer that ends short ends short at the caller too."""

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        await writer.drain()

    async with opened(half) as (door, _), asyncio.timeout(10):
        reader, writer = await connected(door)
        writer.write(HEAD)
        assert await reader.read(-1) == b"HTTP/1.1 200 OK\r\n\r\nhalf"
        writer.close()


async def test_closed_it_lets_everybody_go() -> None:
    """After `aclose` nobody is connected and nobody can connect."""
    async with opened(echo) as (door, service), asyncio.timeout(10):
        reader, writer = await connected(door)
        writer.write(HEAD)
        await reader.readexactly(len(HEAD))
        await door.aclose()
        assert await _end(reader) == b""
        await until(lambda: service.open == 0)
        with pytest.raises(ConnectionRefusedError):
            await connected(door)
        writer.close()


async def _end(reader: asyncio.StreamReader) -> bytes:
    """What comes until the other side closes, in order or not."""
    try:
        return await reader.read(-1)
    except ConnectionError:
        return b""
