"""Both ends of a link over real sockets, between a target server and its clients."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import psutil
import pytest
from tornado import web
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.websocket import WebSocketClientConnection, WebSocketHandler

from ropeway.errors import LinkRefused
from ropeway.link import protocol, pump
from ropeway.link.dialer import PATH, Dialer, Served
from ropeway.link.protocol import CHUNK_BYTES, VERSION, pack
from support.linked import Both, Echo, client, dial, echo, home, target, until


@asynccontextmanager
async def dialling(
    handler: type[web.RequestHandler],
) -> AsyncIterator[tuple[list[str], asyncio.Task[None]]]:
    """A dialer for which not home but `handler` answers: what it tells, and its task."""
    server = HTTPServer(web.Application([(".*", handler)]))
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    told: list[str] = []
    url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    dialer = Dialer(url, Served(1, "t"), key=lambda: "k", keep=print, tell=told.append)
    running = asyncio.create_task(dialer.run())
    try:
        yield told, running
    finally:
        await dialer.stop()
        await running
        server.stop()
        await server.close_all_connections()


async def welcomed(both: Both) -> WebSocketClientConnection:
    """A control channel of `gpu` that the test itself speaks on."""
    control = await dial(both, "/control", "gpu.secret")
    await control.write_message(pack("hello", v=VERSION, token="t", door=0))
    await control.read_message()
    return control


async def hang_up(websocket: WebSocketClientConnection) -> None:
    """Close a WebSocket, and hear what still comes: the close comes behind it."""
    websocket.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(2):
            while await websocket.read_message() is not None:
                pass


async def test_bytes_arrive_whole_and_in_order() -> None:
    """What goes in at one end comes out at the other, both ways, and so does the end of it."""
    async with home() as both, target() as port:
        link = await both.join(port)
        blob = os.urandom(5_000_000)
        async with client(link.port) as (reader, writer):
            writer.write(blob)
            writer.write_eof()
            assert await reader.read(-1) == blob + b"(end)"
        await until(lambda: link.streams == 0)


async def test_a_direction_that_ended_leaves_the_other_open() -> None:
    """After the client ended its side, the server may still speak for as long as it likes."""

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        for word in (b"a", b"b", b"c"):
            await asyncio.sleep(0.1)
            writer.write(word)
            await writer.drain()
        writer.write_eof()
        await asyncio.sleep(0.2)

    async with home() as both, target(late) as port:
        link = await both.join(port)
        async with client(link.port) as (reader, writer):
            writer.write_eof()
            assert await reader.read(-1) == b"abc"


async def test_a_connection_that_broke_does_not_look_finished() -> None:
    """A reset at the runtime is a reset at home, never an end in good order."""

    async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"half of it")
        await writer.drain()
        await asyncio.sleep(0.1)
        pump.reset(writer)

    async with home() as both, target(broken) as port:
        link = await both.join(port)
        async with client(link.port) as (reader, _):
            with pytest.raises(ConnectionResetError):
                await reader.read(-1)


async def test_a_server_that_is_not_there_is_told_at_once() -> None:
    """Nothing listens at the runtime: the client's connection is reset, the link stays."""
    async with target() as port:
        free = port
    async with home() as both:
        link = await both.join(free)
        async with client(link.port) as (reader, _):
            async with asyncio.timeout(5):
                with pytest.raises(ConnectionResetError):
                    await reader.read(-1)
        assert link.hello is not None
        assert link.streams == 0


async def test_a_stalled_reader_holds_little_and_slows_nobody() -> None:
    """Of an endless stream that nobody reads at most 32 MB are in flight, and others go on."""
    sent = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        if await reader.read(1) == b"e":
            await echo(reader, writer)
            return
        with contextlib.suppress(OSError):
            while sent < 500_000_000:
                writer.write(bytes(1_000_000))
                await writer.drain()
                sent += 1_000_000

    async with home() as both, target(endless) as port:
        link = await both.join(port)
        before = psutil.Process().memory_info().rss
        async with client(link.port) as (_, writer):
            writer.write(b"x")
            await asyncio.sleep(1)
            stalled_at = sent
            await asyncio.sleep(12)  # longer than a ping may wait: a slow reader is no dead link
            async with client(link.port) as (other_reader, other):
                other.write(b"ehello")
                assert await other_reader.readexactly(5) == b"hello"
            assert sent == stalled_at
            assert sent <= 32_000_000
            assert psutil.Process().memory_info().rss - before < 32_000_000
            pump.reset(writer)


async def test_many_streams_at_once_do_not_mix() -> None:
    """A hundred streams at the same time each get back their own bytes."""
    async with home() as both, target() as port:
        link = await both.join(port)

        async def talk(number: int) -> bool:
            blob = bytes([number]) * (100_000 + number)
            async with client(link.port) as (reader, writer):
                writer.write(blob)
                writer.write_eof()
                return await reader.read(-1) == blob + b"(end)"

        assert all(await asyncio.gather(*(talk(number) for number in range(100))))


async def test_two_runtimes_have_ports_of_their_own() -> None:
    """Each runtime is reached at its own port and nowhere else."""

    def saying(word: bytes) -> Callable[..., Any]:
        async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(word)
            writer.write_eof()
            await asyncio.sleep(0.2)

        return say

    async with home() as both, target(saying(b"gpu")) as one, target(saying(b"lab")) as two:
        gpu, lab = await both.join(one), await both.join(two, "lab.secret")
        for link, word in ((gpu, b"gpu"), (lab, b"lab")):
            async with client(link.port) as (reader, _):
                assert await reader.read(-1) == word


async def test_kernels_reach_what_home_offers_and_nothing_else() -> None:
    """The door at the runtime leads to home's data service; other names do not exist."""
    async with home() as both, target() as port:
        both.links.services["data"] = Echo
        await both.join(port)
        async with client(both.dialers[0].door) as (reader, writer):
            writer.write(b"select 1")
            writer.write_eof()
            assert await reader.read(-1) == b"select 1(end)"
        for name in ("shell", "ssh", "jupyter"):
            with pytest.raises(HTTPClientError) as caught:
                await dial(both, f"/services/{name}", "gpu.secret")
            assert caught.value.code == 404


async def test_the_link_comes_back_by_itself() -> None:
    """After a broken control channel the runtime dials again, at the same port, and says so."""
    async with home() as both, target() as port:
        link = await both.join(port)
        first = link.port
        assert link._control is not None
        link._control.stream_close() if hasattr(link._control, "stream_close") else (
            link._control.ws_connection.stream.close()  # type: ignore[union-attr]
        )
        await until(lambda: link.hello is None)
        await until(lambda: link.hello is not None)
        assert link.port == first
        await until(lambda: len(both.told) == 3)
        assert both.told[0] == "Joined: this machine is the runtime gpu."
        assert "down" in both.told[1]
        assert "back after" in both.told[2]


async def test_streams_end_with_their_link() -> None:
    """When the link breaks, every connection through it is reset at once: nothing hangs."""
    async with home() as both, target() as port:
        link = await both.join(port)
        async with client(link.port) as (reader, writer):
            writer.write(b"x")
            assert await reader.readexactly(1) == b"x"
            assert link._control is not None
            link._control.ws_connection.stream.close()  # type: ignore[union-attr]
            async with asyncio.timeout(5):
                with pytest.raises(ConnectionResetError):
                    await reader.read(-1)


async def test_without_a_link_the_port_refuses() -> None:
    """The port of a runtime that is away resets connections instead of holding them."""
    async with home() as both, target() as port:
        link = await both.join(port)
        await both.dialers[0].stop()
        await until(lambda: link.hello is None)
        assert "goodbye" in link.why_down
        async with client(link.port) as (reader, _):
            with pytest.raises(ConnectionResetError):
                await reader.read(-1)


async def test_a_runtime_that_home_disconnects_stays_away() -> None:
    """A goodbye for good ends the dialer with the reason."""
    async with home() as both, target() as port:
        await both.join(port)
        await both.links.remove("gpu", "it was disconnected there")
        with pytest.raises(LinkRefused, match="disconnected"):
            await asyncio.wait_for(both.tasks[0], 10)


async def test_a_key_that_is_not_known_is_refused() -> None:
    """Without a key that counts nothing is upgraded; the dialer says what to do and ends."""
    async with home() as both:
        for path in ("/control", "/streams/abc", "/services/data"):
            for key in ("gpu.wrong", "", "gpu"):
                with pytest.raises(HTTPClientError) as caught:
                    await dial(both, path, key)
                assert caught.value.code == 401
        dialer = Dialer(
            both.url, Served(1, "t"), key=lambda: "gpu.old", keep=print, tell=both.told.append
        )
        with pytest.raises(LinkRefused, match="no longer knows"):
            await dialer.run()


@pytest.mark.parametrize("status", [401, 403, 404, 502])
async def test_only_home_itself_can_refuse(status: int) -> None:
    """What a proxy or another server answers in home's place does not end the dialer."""

    class Elsewhere(web.RequestHandler):
        def get(self) -> None:
            self.set_status(status)

    async with dialling(Elsewhere) as (told, running):
        await until(lambda: bool(told))
        await asyncio.sleep(1)
        assert not running.done()
        assert told == [f"The link to home is down: home answers {status}. Trying again."]


async def test_requests_that_become_no_stream_are_not_counted() -> None:
    """A plain request for a service takes no place from streams."""
    async with home() as both, target() as port:
        both.links.services["data"] = Echo
        link = await both.join(port)
        for _ in range(20):
            with pytest.raises(HTTPClientError):
                await AsyncHTTPClient().fetch(
                    HTTPRequest(
                        f"{both.url}{PATH}/services/data",
                        headers={"Authorization": "Bearer gpu.secret"},
                    )
                )
        await until(lambda: link.streams == 0)


async def test_a_control_without_hello_does_not_outlive_a_disconnect() -> None:
    """Who dialled but said hello only after the runtime was disconnected is sent away."""
    async with home() as both:
        control = await dial(both, "/control", "gpu.secret")
        await until(lambda: "gpu" in both.links.links)
        await both.links.remove("gpu", "it was disconnected there")
        await control.write_message(pack("hello", v=VERSION, token="t", door=0))
        said = json.loads(await control.read_message() or "{}")
        assert (said["kind"], said["for_good"]) == ("bye", True)
        await hang_up(control)


async def test_a_teller_that_fails_does_not_end_the_link() -> None:
    """The terminal may be gone; the link goes on."""
    async with home() as both, target() as port:

        def broken(sentence: str) -> None:
            raise BrokenPipeError

        dialer = Dialer(
            both.url, Served(port, "t"), key=lambda: "gpu.secret", keep=print, tell=broken
        )
        both.dialers.append(dialer)
        both.tasks.append(asyncio.create_task(dialer.run()))
        await until(lambda: dialer.up)


async def test_a_runtime_cannot_take_the_stream_of_another() -> None:
    """A stream can be dialled by the runtime that was asked, once, and by nobody else."""
    seen: list[str] = []
    async with home() as both, target() as port:
        await both.join(port, "lab.secret")
        control = await welcomed(both)
        link = await both.links.link("gpu")
        async with client(link.port) as (_, _):
            asked = json.loads(await control.read_message() or "")
            seen.append(asked["stream"])
            with pytest.raises(HTTPClientError) as caught:
                await dial(both, f"/streams/{asked['stream']}", "lab.secret")
            assert caught.value.code == 404
            own = await dial(both, f"/streams/{asked['stream']}", "gpu.secret")
            with pytest.raises(HTTPClientError):
                await dial(both, f"/streams/{asked['stream']}", "gpu.secret")
            own.close()
        await hang_up(control)


async def test_one_runtime_holds_a_name() -> None:
    """A second process with the same key takes the first one's place, which stays away."""
    async with home() as both, target() as port:
        link = await both.join(port)
        dialer = Dialer(
            both.url, Served(port, "t2"), key=lambda: "gpu.secret", keep=print, tell=print
        )
        both.dialers.append(dialer)
        both.tasks.append(asyncio.create_task(dialer.run()))
        with pytest.raises(LinkRefused, match="another process"):
            await asyncio.wait_for(both.tasks[0], 10)
        assert link.hello is not None
        assert link.hello.token == "t2"


async def test_a_new_key_is_kept_before_the_old_one_is_dropped() -> None:
    """Home sends the next key after hello, and hears when the runtime has it."""
    renewed: list[str] = []
    async with home() as both, target() as port:
        both.links.next_key = lambda name: f"{name}.next"
        both.links.renewed = renewed.append
        await both.join(port)
        await until(lambda: bool(renewed))
        assert (both.kept, renewed) == (["gpu.next"], ["gpu"])


@pytest.mark.parametrize(
    "flood",
    [
        ["x" * 100_000],
        [b"\0" * 200_000],
        ["{}"] * 5,
        [pack("renewed")] * 3,
        [pack("hello", v=VERSION, token="t", door=0)] * 2,
    ],
)
async def test_a_control_channel_that_talks_nonsense_is_closed(flood: list[str | bytes]) -> None:
    """Messages too large, without sense or out of turn end that runtime's link, and no other."""
    async with home() as both, target() as port:
        other = await both.join(port, "lab.secret")
        control = await dial(both, "/control", "gpu.secret")
        for message in flood:
            with contextlib.suppress(Exception):
                await control.write_message(message, binary=isinstance(message, bytes))
        async with asyncio.timeout(10):
            while await control.read_message() is not None:
                pass
        control.close()
        async with client(other.port) as (reader, writer):
            writer.write(b"x")
            assert await reader.readexactly(1) == b"x"


async def test_a_stream_that_carries_too_much_at_once_is_closed() -> None:
    """A frame larger than a chunk ends its stream: nobody can make home hold more."""
    async with home() as both:
        control = await welcomed(both)
        link = await both.links.link("gpu")
        async with client(link.port) as (reader, _):
            asked = json.loads(await control.read_message() or "")
            stream = await dial(both, f"/streams/{asked['stream']}", "gpu.secret")
            with contextlib.suppress(Exception):
                await stream.write_message(b"x" * (CHUNK_BYTES + 1), binary=True)
            async with asyncio.timeout(10):
                with pytest.raises(ConnectionResetError):
                    await reader.read(-1)
            stream.close()
        await hang_up(control)


async def test_large_headers_are_refused() -> None:
    """Headers beyond tornado's bound get no answer but a closed connection."""
    async with home() as both, client(int(both.url.rsplit(":", 1)[1])) as (reader, writer):
        head = f"GET {PATH}/control HTTP/1.1\r\nHost: home\r\nAuthorization: Bearer gpu.secret\r\n"
        writer.write(head.encode() + b"X: " + b"x" * 200_000 + b"\r\n\r\n")
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionResetError):
                assert b"101 Switching" not in await reader.read(-1)


async def test_an_idle_stream_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that carries nothing for `IDLE_SECONDS` is given up."""
    monkeypatch.setattr(pump, "IDLE_SECONDS", 0.3)
    async with home() as both, target() as port:
        link = await both.join(port)
        async with client(link.port) as (reader, _):
            async with asyncio.timeout(5):
                with pytest.raises(ConnectionResetError):
                    await reader.read(-1)
        assert link.hello is not None


async def test_a_stream_that_nobody_dials_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A runtime that does not dial what it was asked for keeps no client waiting."""
    monkeypatch.setattr("ropeway.link.link.OPEN_SECONDS", 0.3)
    async with home() as both:
        control = await welcomed(both)
        link = await both.links.link("gpu")
        async with client(link.port) as (reader, _):
            async with asyncio.timeout(5):
                with pytest.raises(ConnectionResetError):
                    await reader.read(-1)
        await hang_up(control)


async def test_a_stream_that_is_claimed_without_a_websocket_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A runtime that asks for its stream by a plain request keeps no client waiting either."""
    monkeypatch.setattr("ropeway.link.link.OPEN_SECONDS", 0.5)
    async with home() as both:
        control = await welcomed(both)
        link = await both.links.link("gpu")
        async with client(link.port) as (reader, _):
            asked = json.loads(await control.read_message() or "")
            url = f"{both.url}{PATH}/streams/{asked['stream']}"
            with pytest.raises(HTTPClientError):
                await AsyncHTTPClient().fetch(
                    HTTPRequest(url, headers={"Authorization": "Bearer gpu.secret"})
                )
            async with asyncio.timeout(5):
                with pytest.raises(ConnectionResetError):
                    await reader.read(-1)
        assert link.streams == 0
        await hang_up(control)


async def test_the_number_of_streams_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond `MOST_STREAMS` connections are reset; those that are there go on."""
    monkeypatch.setattr(protocol, "MOST_STREAMS", 3)
    async with home() as both, target() as port:
        link = await both.join(port)
        async with contextlib.AsyncExitStack() as stack:
            talks: list[Any] = []
            for _ in range(3):
                reader, writer = await stack.enter_async_context(client(link.port))
                writer.write(b"x")
                assert await reader.readexactly(1) == b"x"
                talks.append((reader, writer))
            async with client(link.port) as (reader, _):
                with pytest.raises(ConnectionResetError):
                    await reader.read(-1)
            for reader, writer in talks:
                writer.write(b"y")
                assert await reader.readexactly(1) == b"y"
        await until(lambda: link.streams == 0)


async def test_one_runtime_cannot_take_all_places_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond `MOST_SERVICES` its kernels are turned away; home's own streams go on."""
    monkeypatch.setattr(protocol, "MOST_SERVICES", 2)
    async with home() as both, target() as port, contextlib.AsyncExitStack() as stack:
        both.links.services["data"] = Echo
        link = await both.join(port)
        assert link.hello is not None
        for _ in range(2):
            reader, writer = await stack.enter_async_context(client(link.hello.door))
            writer.write(b"x")
            assert await reader.readexactly(1) == b"x"
        async with client(link.hello.door) as (reader, _):
            with pytest.raises(ConnectionResetError):
                await reader.read(-1)
        async with client(link.port) as (reader, writer):
            writer.write(b"x")
            assert await reader.readexactly(1) == b"x"


async def test_a_home_that_takes_the_call_and_says_nothing_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A home that hangs before its welcome does not keep the dialer for ever."""
    monkeypatch.setattr("ropeway.link.dialer.OPEN_SECONDS", 0.3)

    class Silent(WebSocketHandler):
        def on_message(self, message: str | bytes) -> None:
            pass

    async with dialling(Silent) as (told, _):
        await until(lambda: bool(told))
        assert told[0].startswith("The link to home is down")


async def test_a_stream_that_the_runtime_cannot_dial_is_told_at_once() -> None:
    """No client waits until the time is over for a stream that cannot come."""
    async with home() as both, target() as port:
        link = await both.join(port)

        async def fails(*_: Any) -> Any:
            raise OSError("too many open files")

        both.dialers[0]._dial = fails  # type: ignore[method-assign]
        async with client(link.port) as (reader, _), asyncio.timeout(3):
            with pytest.raises(ConnectionResetError):
                await reader.read(-1)


async def test_home_can_listen_on_ipv6() -> None:
    """A runtime dials a home that has an IPv6 address."""
    async with home("::1") as both, target() as port:
        link = await both.join(port)
        async with client(link.port) as (reader, writer):
            writer.write(b"six")
            assert await reader.readexactly(3) == b"six"
