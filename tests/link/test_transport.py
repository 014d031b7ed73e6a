"""Streams of a link that end in a protocol at home, without a connection of their own."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from ropeway.link import pump, transport
from support.linked import Both, Echo, client, home, target, until


class Kept(Echo):
    """Keeps what it hears and says nothing of its own."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.ended = False
        self.lost: list[Exception | None] = []
        self.full = 0

    def data_received(self, data: bytes) -> None:
        self.heard += data

    def eof_received(self) -> bool:
        self.ended = True
        return True

    def pause_writing(self) -> None:
        self.full += 1

    def resume_writing(self) -> None:
        self.full -= 1

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.append(error)


@asynccontextmanager
async def offering(protocol: Echo) -> AsyncIterator[tuple[Both, int]]:
    """A link whose home offers `protocol`, and the port at the runtime that leads there."""
    async with home() as both, target() as port, asyncio.timeout(30):
        both.links.services["data"] = lambda: protocol
        await both.join(port)
        yield both, both.dialers[0].door


async def talking(writer: asyncio.StreamWriter) -> None:
    """Say something again and again."""
    for _ in range(200):
        writer.write(b"still here")
        await writer.drain()
        await asyncio.sleep(0.02)


async def test_every_byte_passes_both_ways_in_order() -> None:
    """What goes in comes back, and an end is heard as one."""
    sent = bytes(range(256)) * 40_000
    async with offering(Echo()) as (_, port), client(port) as (reader, writer):

        async def say() -> None:
            writer.write(sent)
            await writer.drain()
            writer.write_eof()

        saying = asyncio.create_task(say())
        got = await reader.read(-1)
        await saying
        assert hashlib.sha256(got).digest() == hashlib.sha256(sent + b"(end)").digest()


async def test_the_streams_of_a_link_are_counted_until_they_are_over() -> None:
    """A stream that both sides ended is over, and the protocol hears that nothing broke."""
    kept = Kept()
    async with offering(kept) as (both, port):
        async with client(port) as (reader, writer):
            writer.write(b"all")
            writer.write_eof()
            await until(lambda: kept.ended)
            assert both.links.links["gpu"].streams == 1
            kept.transport.write(b"said")
            kept.transport.write_eof()
            assert await reader.read(-1) == b"said"
        await until(lambda: kept.lost == [None])
        assert kept.heard == b"all"
        assert both.links.links["gpu"].streams == 0


async def test_a_protocol_that_reads_nothing_holds_the_sender_back() -> None:
    """While it pauses, little is taken from the other side; resumed, it gets all of it."""
    kept, size = Kept(), 40_000_000
    async with offering(kept) as (_, port), client(port) as (_, writer):
        writer.write(b"first")
        await until(lambda: kept.heard == b"first")
        kept.transport.pause_reading()
        writer.write(bytes(size))
        await asyncio.sleep(1)
        held = writer.transport.get_write_buffer_size()
        assert len(kept.heard) == 5
        assert held > size // 2
        kept.transport.resume_reading()
        await until(lambda: len(kept.heard) == size + 5)


async def test_a_reader_that_takes_nothing_pauses_the_protocol() -> None:
    """What the WebSocket cannot take waits up to the limit, and the protocol is told; later it may
    go on."""
    kept, size = Kept(), 40_000_000
    async with offering(kept) as (_, port), client(port) as (reader, writer):
        writer.write(b"x")
        await until(lambda: bool(kept.heard))
        kept.transport.set_write_buffer_limits(high=1_000_000)
        kept.transport.write(b"little")
        assert kept.full == 0
        kept.transport.write(bytes(size))
        assert kept.full == 1
        assert len(await reader.readexactly(size + 6)) == size + 6
        await until(lambda: kept.full == 0)
        assert kept.transport.get_write_buffer_size() == 0


async def test_a_protocol_that_closes_has_said_all_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written before `close` arrives, though the other side goes on sending; one that
    never ends is hung up on."""
    monkeypatch.setattr(transport, "OPEN_SECONDS", 0.5)
    kept, answer = Kept(), b"no" * 1_000_000
    async with offering(kept) as (_, port), client(port) as (reader, writer):
        writer.write(b"x")
        await until(lambda: bool(kept.heard))
        kept.transport.write(answer)
        kept.transport.close()
        assert kept.transport.is_closing()
        writer.write(b"more")
        assert await reader.readexactly(len(answer)) == answer
        await until(lambda: kept.lost == [None])
        kept.transport.write(b"too late")
        with pytest.raises(ConnectionResetError):
            await talking(writer)
        assert kept.heard == b"x"


async def test_an_abort_at_home_is_a_reset_at_the_runtime() -> None:
    """What broke does not look like what ended."""
    kept = Kept()
    async with offering(kept) as (_, port), client(port) as (reader, writer):
        writer.write(b"x")
        await until(lambda: bool(kept.heard))
        kept.transport.abort()
        with pytest.raises(ConnectionResetError):
            await reader.read(-1)
        await until(lambda: len(kept.lost) == 1)
        assert isinstance(kept.lost[0], ConnectionResetError)


@pytest.mark.parametrize("breaks", ["client", "link"])
async def test_a_stream_that_breaks_elsewhere_is_an_error_at_home(breaks: str) -> None:
    """A reset at the runtime, and a link that goes down, are a lost connection to the protocol."""
    kept = Kept()
    async with offering(kept) as (both, port), client(port) as (_, writer):
        writer.write(b"x")
        await until(lambda: bool(kept.heard))
        if breaks == "client":
            pump.reset(writer)
        else:
            await both.links.remove("gpu", "it goes")
        await until(lambda: len(kept.lost) == 1)
        assert isinstance(kept.lost[0], ConnectionResetError)


async def test_half_said_and_closed_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who ended its direction may still hear the rest, and close afterwards."""
    monkeypatch.setattr(transport, "OPEN_SECONDS", 0.2)
    kept = Kept()
    async with offering(kept) as (_, port), client(port) as (reader, writer):
        writer.write(b"one")
        await until(lambda: bool(kept.heard))
        kept.transport.write_eof()
        assert await reader.read(-1) == b""
        writer.write(b"two")
        await until(lambda: kept.heard == b"onetwo")
        kept.transport.close()
        await until(lambda: kept.lost == [None])
