"""The WebSocket to one kernel, against a server that misbehaves on purpose."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tornado import web
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.websocket import WebSocketHandler

from ropeway.frames import V1, Frame, message, pack_v1, unpack_numbered, unpack_v1
from ropeway.workspace.address import Address
from ropeway.workspace.client import RuntimeClient
from ropeway.workspace.uplink import State, Uplink
from support.servers import lent


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
        self.agent = False
        self.agent_refuses: int | None = None
        self.confirms = True
        self.asked: list[dict[str, str]] = []
        self.words: list[int] = []


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

    return [
        (r"/api/kernels/k/channels", Channels),
        (r"/api/kernels/k", Kernel),
        (r"/ropeway/agent/kernels/k", _agent(strange)),
        (r"/ropeway/agent/usage", _usage(strange)),
    ]


def _agent(strange: Strange) -> type[WebSocketHandler]:
    class Agent(WebSocketHandler):
        async def get(self, *args: Any, **kwargs: Any) -> None:
            refused = strange.agent_refuses if strange.agent else 404
            if refused is not None:
                self.set_status(refused)
                self.finish()
                return
            strange.asked.append({k: self.get_query_argument(k) for k in ("link", "after")})
            await super().get(*args, **kwargs)

        def open(self, *args: str, **kwargs: str) -> None:
            strange.sockets.append(self)

        def on_message(self, message: str | bytes) -> None:
            if isinstance(message, str):
                strange.words.append(json.loads(message)["kept"])
                return
            number, frame = unpack_numbered(message)
            strange.got.append(frame)
            if strange.confirms:
                self.write_message(json.dumps({"kept": number}))

    return Agent


def _usage(strange: Strange) -> type[web.RequestHandler]:
    class Usage(web.RequestHandler):
        def get(self) -> None:
            self.set_status(200 if strange.agent else 404)
            self.finish("{}")

    return Usage


@asynccontextmanager
async def linked(
    *, agent: bool = False, session_id: str = "", after: int = 0
) -> AsyncIterator[tuple[Strange, Heard, Uplink]]:
    """A strange server and a link to it that is up."""
    strange, heard = Strange(), Heard()
    strange.agent = agent
    sockets = bind_sockets(0, "127.0.0.1")
    server = HTTPServer(web.Application(_handlers(strange)))
    server.add_sockets(sockets)
    client = RuntimeClient("gpu", Address(f"http://127.0.0.1:{sockets[0].getsockname()[1]}", "t"))
    link = Uplink(client, "k", heard, session_id=session_id, after=after)
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


async def test_without_an_agent_the_channels_are_plain() -> None:
    """A server without the agent is spoken to as any Jupyter server; frames have no number."""
    async with linked() as (strange, heard, link):
        strange.sockets[0].write_message(pack_v1(frame(1)), binary=True)
        await until(lambda: heard.numbers == [0])
        link.acknowledge(0)
        assert not link.lossless


async def test_an_agent_is_told_who_dials_and_what_is_here() -> None:
    """The agent hears the id of the link and the last frame at home, and is told again what is
    kept there."""
    async with linked(agent=True, session_id="ann", after=7) as (strange, heard, link):
        assert link.lossless
        for number in (8, 9, 9, 8, 10):
            strange.sockets[0].write_message(pack_v1(frame(number), number), binary=True)
        await until(lambda: heard.numbers == [8, 9, 10])
        strange.sockets[0].close()
        await until(lambda: len(strange.asked) == 2)
        assert strange.asked == [{"link": "ann", "after": "7"}, {"link": "ann", "after": "10"}]
        await until(lambda: strange.words == [7, 7])


async def test_words_about_what_is_kept_are_few() -> None:
    """A hundred frames kept one by one are acknowledged with a few words, the last one right."""
    async with linked(agent=True) as (strange, heard, link):
        for number in range(1, 101):
            strange.sockets[0].write_message(pack_v1(frame(number), number), binary=True)
        await until(lambda: len(heard.numbers) == 100)
        for number in heard.numbers:
            link.acknowledge(number)
        await until(lambda: strange.words[-1:] == [100])
        assert len(strange.words) < 10


async def test_what_an_agent_did_not_confirm_is_sent_again() -> None:
    """Requests that a dead connection may have swallowed are sent over the next one, in order."""
    async with linked(agent=True) as (strange, _heard, link):
        strange.confirms = False
        for number in range(3):
            link.send(frame(number))
        await until(lambda: len(strange.got) == 3)
        strange.confirms = True
        strange.sockets[0].close()
        await until(lambda: len(strange.got) == 6)
        assert numbers(strange.got) == [0, 1, 2, 0, 1, 2]
        strange.sockets[1].close()
        await until(lambda: len(strange.sockets) == 3)
        link.send(frame(3))
        await until(lambda: len(strange.got) == 7)


@pytest.mark.parametrize("status", [404, 502])
async def test_an_agent_that_is_away_for_a_moment_is_waited_for(status: int) -> None:
    """A tunnel that refuses while its server is away does not make the link a plain one."""
    async with linked(agent=True) as (strange, _heard, link):
        strange.agent_refuses = status
        strange.sockets[0].close()
        await until(lambda: link.state == "down")
        await asyncio.sleep(0.5)
        strange.agent_refuses = None
        await until(lambda: link.state == "up")
        assert link.lossless
        assert strange.dials == 0


async def test_an_agent_that_is_gone_leaves_the_plain_channels() -> None:
    """A server that lost its agent is spoken to as a plain one: what was never sent is sent there,
    what may have run is not, and the listener hears that output may be missing."""
    async with linked(agent=True) as (strange, heard, link):
        strange.confirms = False
        link.send(frame(0))
        await until(lambda: len(strange.got) == 1)
        strange.agent, strange.refuse = False, 502
        strange.sockets[0].close()
        await until(lambda: link.state == "down")
        link.send(frame(1))
        strange.refuse = None
        await until(lambda: len(strange.got) == 2)
        assert numbers(strange.got) == [0, 1]
        assert not link.lossless
        assert len(heard.gaps) == 1


async def test_a_plain_link_that_dies_without_a_word_is_told() -> None:
    """A reset tells the listener once, with the time; an orderly end tells nothing."""
    async with linked() as (strange, heard, _link):
        strange.sockets[0].close(1001)
        await until(lambda: heard.states == ["up", "down", "up"])
        assert heard.gaps == []
        begun = time.time()
        await until(lambda: len(strange.sockets) == 2)
        strange.sockets[1].ws_connection.stream.close()
        await until(lambda: heard.states == ["up", "down", "up", "down", "up"])
        ((since, end),) = heard.gaps
        assert begun - 30 <= since <= end <= time.time()


async def test_a_killed_workspace_is_taken_over_whole(tmp_path: Path) -> None:
    """With a real runtime: a process that is killed leaves what it did not keep to the one that
    takes its place, every frame once and in order."""
    with lent(tmp_path) as runtime:
        kernel = runtime.api("/api/kernels", "POST", {"name": "python3"})[1]["id"]
        client = RuntimeClient("gpu", Address(runtime.url, runtime.token))
        code = "for n in range(40):\n    print(n, flush=True); import time; time.sleep(0.05)"
        request = message("shell", "execute_request", {"code": code, "silent": False}, session="s")
        first, second = Heard(), Heard()
        link = Uplink(client, kernel, first, session_id="ann")
        link.start()
        link.send(request)
        await until(lambda: _printed(first).count("\n") > 10)
        kept = first.numbers[len(first.numbers) // 2]
        link.acknowledge(kept)
        await asyncio.sleep(0.2)
        await link.aclose()
        link = Uplink(client, kernel, second, session_id="ann", after=kept)
        link.send(request)
        link.start()
        await until(lambda: "39\n" in _printed(second))
        assert second.numbers == list(range(kept + 1, second.numbers[-1] + 1))
        del first.frames[kept:]
        both = _printed(first) + _printed(second)
        assert both.split() == [str(n) for n in range(40)]
        await link.aclose()
        await client.aclose()


def _printed(heard: Heard) -> str:
    return "".join(f.decoded(3).get("text", "") for f in heard.frames if f.channel == "iopub")
