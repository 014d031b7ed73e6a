"""The WebSocket to one kernel, against a server that misbehaves on purpose."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from tornado import web
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.websocket import WebSocketHandler

from ropeway.frames import V1, Frame, message, pack_v1, unpack_v1
from ropeway.workspace.address import Address
from ropeway.workspace.client import RuntimeClient
from ropeway.workspace.uplink import State, Uplink


class Heard:
    """Who listens to the link: keeps what it hears."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.numbers: list[int] = []
        self.states: list[State] = []
        self.gaps: list[tuple[float, float]] = []
        self.raises = False

    def frame_received(self, frame: Frame, number: int) -> None:
        """A message came."""
        if self.raises:
            self.raises = False
            raise RuntimeError("a listener that fails")
        self.frames.append(frame)
        self.numbers.append(number)

    def link_changed(self, state: State) -> None:
        """The link changed."""
        self.states.append(state)

    def output_may_be_missing(self, since: float, until: float) -> None:
        """A gap."""
        self.gaps.append((since, until))


class Strange:
    """A server whose answers the test chooses."""

    def __init__(self) -> None:
        self.refuse: int | None = None
        self.kernel_status = 200
        self.sockets: list[Any] = []
        self.got: list[Frame] = []
        self.dials = 0


def _handlers(strange: Strange) -> list[Any]:
    class Channels(WebSocketHandler):
        def select_subprotocol(self, subprotocols: list[str]) -> str | None:
            return V1 if V1 in subprotocols else None

        async def get(self, *args: Any, **kwargs: Any) -> None:
            strange.dials += 1
            if strange.refuse is not None:
                self.set_status(strange.refuse)
                self.finish()
                return
            await super().get(*args, **kwargs)

        def open(self, *args: str, **kwargs: str) -> None:
            strange.sockets.append(self)

        def on_message(self, message: str | bytes) -> None:
            assert isinstance(message, bytes)
            strange.got.append(unpack_v1(message))

    class Kernel(web.RequestHandler):
        def get(self) -> None:
            self.set_status(strange.kernel_status)
            self.finish(json.dumps({"id": "k"}))

    return [(r"/api/kernels/k/channels", Channels), (r"/api/kernels/k", Kernel)]


@asynccontextmanager
async def linked() -> AsyncIterator[tuple[Strange, Heard, Uplink]]:
    """A strange server and a link to it that is up."""
    strange, heard = Strange(), Heard()
    sockets = bind_sockets(0, "127.0.0.1")
    server = HTTPServer(web.Application(_handlers(strange)))
    server.add_sockets(sockets)
    client = RuntimeClient("gpu", Address(f"http://127.0.0.1:{sockets[0].getsockname()[1]}", "t"))
    link = Uplink(client, "k", heard)
    link.start()
    try:
        await until(lambda: link.state == "up" and bool(strange.sockets))
        yield strange, heard, link
    finally:
        await link.aclose()
        await client.aclose()
        server.stop()
        await server.close_all_connections()


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for it."""
    for _ in range(int(seconds * 100)):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"it did not happen within {seconds} seconds")


def frame(number: int) -> Frame:
    """A message that can be told from others."""
    return message("shell", "execute_request", {"number": number}, session="s")


def numbers(frames: list[Frame]) -> list[int]:
    """Which messages came."""
    return [found.decoded(3)["number"] for found in frames]


async def test_odd_frames_do_not_end_the_link() -> None:
    """Text, short frames, wild offsets and a failing listener are passed over."""
    async with linked() as (strange, heard, link):
        (socket,) = strange.sockets
        odd: list[str | bytes] = [
            "",
            "x",
            b"",
            b"\0" * 7,
            b"\xff" * 64,
            (10**6).to_bytes(8, "little"),
        ]
        for data in odd:
            socket.write_message(data, binary=isinstance(data, bytes))
        heard.raises = True
        socket.write_message(pack_v1(frame(0)), binary=True)
        socket.write_message(pack_v1(frame(1)), binary=True)
        await until(lambda: bool(heard.frames))
        assert numbers(heard.frames) == [1]
        assert (link.state, strange.dials) == ("up", 1)


async def test_what_is_said_while_the_link_is_down_is_said_later_in_order() -> None:
    """Messages sent during a drop wait, and arrive once, in order, when the link is back."""
    async with linked() as (strange, heard, link):
        strange.refuse = 502
        strange.sockets[0].close()
        await until(lambda: link.state == "down")
        for number in range(5):
            link.send(frame(number))
        strange.refuse = None
        await until(lambda: len(strange.got) == 5)
        assert numbers(strange.got) == [0, 1, 2, 3, 4]
        assert heard.states == ["up", "down", "up"]


async def test_a_404_of_a_tunnel_is_not_the_end_of_the_kernel() -> None:
    """A proxy says 404 while its server is away: only the server can say the kernel is gone."""
    async with linked() as (strange, _heard, link):
        strange.refuse, strange.kernel_status = 404, 502
        strange.sockets[0].close()
        await until(lambda: strange.dials >= 3)
        assert link.state == "down"
        strange.refuse, strange.kernel_status = None, 200
        await until(lambda: link.state == "up")


async def test_a_kernel_that_is_gone_is_told_once() -> None:
    """Where the server itself no longer has the kernel, the link gives up and says so."""
    async with linked() as (strange, heard, link):
        strange.refuse = strange.kernel_status = 404
        strange.sockets[0].close()
        await until(lambda: link.state == "gone")
        assert heard.states == ["up", "down", "gone"]
        dials = strange.dials
        await asyncio.sleep(0.5)
        assert strange.dials == dials
