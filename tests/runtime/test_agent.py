"""The agent's numbered frames, from a real runtime and real kernels, without a workspace."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from ropeway.frames import Frame, message, pack_v1, unpack_numbered
from ropeway.workspace.sdk import bootstrap_code
from support.servers import Server, lent

SHOW_MANY = """
from IPython.display import display
for number in range(20_000):
    display(number)
for number in range(5_000):
    display(f"{number} ".ljust(10_000, "."))
"""


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A runtime as the command starts it."""
    with lent(tmp_path_factory.mktemp("lent")) as server:
        yield server


@pytest.fixture
def kernel(runtime: Server) -> Iterator[str]:
    """A kernel there."""
    made = runtime.api("/api/kernels", "POST", {"name": "python3"})[1]["id"]
    yield made
    runtime.api(f"/api/kernels/{made}", "DELETE")


async def dial(
    runtime: Server,
    kernel: str,
    link: str,
    after: int | str = 0,
    token: str | None = None,
    life: str = "one",
) -> WebSocketClientConnection:
    """A WebSocket to the agent."""
    token = runtime.token if token is None else token
    return await websocket_connect(
        HTTPRequest(
            f"ws{runtime.url.removeprefix('http')}/ropeway/agent/kernels/{kernel}"
            f"?link={link}&life={life}&after={after}",
            headers={"Authorization": f"token {token}"} if token else {},
        ),
        max_message_size=2**31 - 1,
    )


class Home:
    """A home that has one link: what it received, over however many connections."""

    def __init__(self, runtime: Server, kernel: str) -> None:
        self.link = uuid4().hex
        self.life = "one"
        self.numbers: list[int] = []
        self.frames: list[Frame] = []
        self.kept = 0
        self.sent = 0
        self._ended: list[WebSocketClientConnection] = []
        self._runtime = runtime
        self._kernel = kernel

    @asynccontextmanager
    async def connected(self, after: int | None = None) -> AsyncIterator[None]:
        """Connected; by default with everything that came before."""
        last = self.numbers[-1] if self.numbers else 0
        first = last if after is None else after
        socket = self._socket = await dial(
            self._runtime, self._kernel, self.link, first, life=self.life
        )
        try:
            yield
        finally:
            socket.close()
            await self.hung_up(socket)

    async def hung_up(self, socket: WebSocketClientConnection | None = None) -> None:
        """Wait until the connection is closed."""
        socket = socket or self._socket
        while socket not in self._ended:
            if await asyncio.wait_for(socket.read_message(), 15) is None:
                self._ended.append(socket)

    async def receive(self, timeout: float = 30) -> Frame:
        """The next frame."""
        while True:
            data = await asyncio.wait_for(self._socket.read_message(), timeout)
            if data is None:
                raise ConnectionError("the agent hung up")
            if isinstance(data, str):
                self.kept = json.loads(data)["kept"]
                continue
            number, frame = unpack_numbered(data)
            self.numbers.append(number)
            self.frames.append(frame)
            return frame

    def send(self, frame: Frame) -> None:
        """Send a frame with the next number."""
        self.sent += 1
        self._socket.write_message(pack_v1(frame, self.sent), binary=True)

    def acknowledge(self, number: int) -> None:
        """Say that everything up to it is kept."""
        self._socket.write_message(json.dumps({"kept": number}))

    def run(self, code: str, **options: Any) -> str:
        """Begin to run code; returns the id of the request."""
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        request = message("shell", "execute_request", content | options, session="home")
        self.send(request)
        return str(request.decoded(0)["msg_id"])

    async def until_idle(self, request: str, timeout: float = 60) -> list[Frame]:
        """What a request brings, until its `idle`."""
        found = []
        while True:
            frame = await self.receive(timeout)
            if frame.decoded(1).get("msg_id") != request:
                continue
            found.append(frame)
            if frame.channel == "iopub" and frame.decoded(3).get("execution_state") == "idle":
                return found

    async def said(self, code: str, **options: Any) -> str:
        """What code prints."""
        found = await self.until_idle(self.run(code, **options))
        return "".join(f.decoded(3).get("text", "") for f in found if kind(f) == "stream")


def kind(frame: Frame) -> str:
    """Its message type."""
    return str(frame.decoded(0)["msg_type"])


async def test_it_is_guarded_like_kernels(runtime: Server, kernel: str) -> None:
    """Nobody without the token, nobody for a kernel that is not there, nothing odd."""
    for token in ("", "wrong"):
        with pytest.raises(HTTPClientError) as refused:
            await dial(runtime, kernel, "home", token=token)
        assert refused.value.code == 403
    with pytest.raises(HTTPClientError) as unknown:
        await dial(runtime, str(uuid4()), "home")
    assert unknown.value.code == 404
    for link, after in (("", 0), ("a/b", 0), ("x" * 65, 0), ("home", "-1"), ("home", "x")):
        with pytest.raises(HTTPClientError) as odd:
            await dial(runtime, kernel, link, after)
        assert odd.value.code == 400


async def test_ports_are_guarded_like_kernels(runtime: Server) -> None:
    """Nobody without the token; a port at which nothing listens is told from a missing agent."""
    url = f"ws{runtime.url.removeprefix('http')}/ropeway/agent/ports/1"
    for token, code in (("", 403), ("wrong", 403), (runtime.token, 502)):
        headers = {"Authorization": f"token {token}"} if token else {}
        with pytest.raises(HTTPClientError) as refused:
            await websocket_connect(HTTPRequest(url, headers=headers))
        assert refused.value.code == code


async def test_frames_are_numbered_and_begin_where_home_stands(
    runtime: Server, kernel: str
) -> None:
    """Numbers go up by one from 1, and go on after a connection that ended; a home that has less
    than it acknowledged gets the rest alone."""
    home = Home(runtime, kernel)
    async with home.connected():
        assert await home.said("print('a')") == "a\n"
        request = home.run("import time; time.sleep(1); print('b')")
    await asyncio.sleep(2)
    async with home.connected():
        found = await home.until_idle(request)
        assert "b\n" in [f.decoded(3).get("text") for f in found]
        assert home.numbers == list(range(1, len(home.numbers) + 1))
        home.acknowledge(5)
        await home.said("")
    last, home.numbers = home.numbers[-1], []
    async with home.connected(after=0):
        while not home.numbers or home.numbers[-1] < last:
            await home.receive()
    assert home.numbers == list(range(6, last + 1))


async def test_a_link_that_is_new_here_goes_on_counting(runtime: Server, kernel: str) -> None:
    """A home with 41 frames, of which the runtime knows nothing any more, gets the number 42."""
    home = Home(runtime, kernel)
    async with home.connected(after=41):
        await home.said("")
    assert home.numbers[0] == 42


async def test_what_is_sent_again_runs_once(runtime: Server, kernel: str) -> None:
    """A request that comes again, over the same connection or the next, is dropped, and
    confirmed."""
    home = Home(runtime, kernel)
    content = {"code": "n = globals().get('n', 0) + 1", "silent": False}
    header, *parts = message("shell", "execute_request", content, session="home").parts
    # Not byte by byte the same: ipykernel knows signatures that came before.
    again = [Frame("shell", [header, parts[0], b'{"try": %d}' % n, parts[2]]) for n in range(3)]
    async with home.connected():
        for frame in again[:2]:
            home.sent = 0
            home.send(frame)
    home.sent = 0
    async with home.connected():
        home.send(again[2])
        assert await home.said("print(n)") == "1\n"
        with contextlib.suppress(TimeoutError):
            while True:  # until there is nothing more to hear
                await home.receive(timeout=1)
        assert home.kept == home.sent


async def test_another_life_of_home_counts_anew(runtime: Server, kernel: str) -> None:
    """A home that was killed begins with 1 again, and may use message ids that came before."""
    home = Home(runtime, kernel)
    content = {"code": "n = globals().get('n', 0) + 1", "silent": False}
    header, *parts = message("shell", "execute_request", content, session="home").parts
    async with home.connected():
        home.send(Frame("shell", [header, parts[0], b'{"life": 1}', parts[2]]))
        assert await home.said("print(n)") == "1\n"
    home.life, home.sent = "another", 0
    async with home.connected():
        home.send(Frame("shell", [header, parts[0], b'{"life": 2}', parts[2]]))
        assert await home.said("print(n)") == "2\n"


async def test_a_newer_connection_replaces_a_zombie(runtime: Server, kernel: str) -> None:
    """Of two connections of one link the older is hung up; what was written into it comes again."""
    home = Home(runtime, kernel)
    async with home.connected():
        zombie = home._socket
        request = home.run("print('once')")
        await asyncio.sleep(1)
        async with home.connected():
            found = await home.until_idle(request)
            assert [f.decoded(3)["text"] for f in found if kind(f) == "stream"] == ["once\n"]
            await home.hung_up(zombie)


async def test_two_homes_do_not_disturb_each_other(runtime: Server, kernel: str) -> None:
    """Each link has its own numbers and its own replies; both hear what the kernel publishes."""
    one, other = Home(runtime, kernel), Home(runtime, kernel)
    async with one.connected(), other.connected():
        request = one.run("print('for both')")
        await one.until_idle(request)
        while "shell" not in [f.channel for f in one.frames]:
            await one.receive()
        heard = await other.until_idle(request)
        assert [f.channel for f in heard if f.channel != "iopub"] == []
        assert [f.decoded(3)["text"] for f in heard if kind(f) == "stream"] == ["for both\n"]


async def test_stdin_and_buffers_pass(runtime: Server, kernel: str) -> None:
    """A question of the kernel comes on stdin and is answered; buffers and 20 MB of text pass."""
    home = Home(runtime, kernel)
    async with home.connected():
        request = home.run("print(input('name? '))", allow_stdin=True)
        while (await home.receive()).channel != "stdin":
            pass
        answer = message("stdin", "input_reply", {"value": "Ann"}, session="home")
        home.send(answer)
        found = await home.until_idle(request)
        assert "Ann\n" in [f.decoded(3).get("text") for f in found]
        code = "from ipykernel.comm import Comm\nc = Comm('t', buffers=[b'x' * 9])"
        found = await home.until_idle(home.run(code))
        (opened,) = [f for f in found if kind(f) == "comm_open"]
        assert bytes(opened.parts[4]) == b"x" * 9
        assert len(await home.said("print('y' * 20_000_000)")) == 20_000_001


@pytest.mark.timeout(180)
async def test_a_burst_arrives_whole(runtime: Server, kernel: str) -> None:
    """20,000 small displays and 5,000 of 10 kB are all there, in order, though home was away."""
    home = Home(runtime, kernel)
    async with home.connected():
        await home.until_idle(home.run(bootstrap_code(), silent=True))
        request = home.run(SHOW_MANY)
    await asyncio.sleep(3)
    async with home.connected():
        found = await home.until_idle(request, timeout=60)
    shown = [f.decoded(3)["data"]["text/plain"] for f in found if kind(f) == "display_data"]
    assert [int(s) for s in shown[:20_000]] == list(range(20_000))
    assert [int(s.strip("'").split()[0]) for s in shown[20_000:]] == list(range(5_000))


async def test_a_kernel_that_dies_is_told_and_followed(runtime: Server, kernel: str) -> None:
    """While home is away the kernel dies and its server restarts it: home hears of it in its
    place, and its next request runs in the new kernel."""
    home = Home(runtime, kernel)
    async with home.connected():
        await home.said("x = 1")
        home.run("print('last words', flush=True); import os, time; time.sleep(1); os._exit(1)")
    await asyncio.sleep(8)
    async with home.connected():
        told = home.run("print('x' in globals())")
        found = await home.until_idle(told)
        assert "False\n" in [f.decoded(3).get("text") for f in found]
    told_of = [
        f.decoded(3).get("execution_state", kind(f)) for f in home.frames if not f.decoded(1)
    ]
    assert told_of.count("restarting") == 1
    words = [f.decoded(3) for f in home.frames]
    dead = next(i for i, word in enumerate(words) if word.get("execution_state") == "restarting")
    assert "last words\n" in [word.get("text") for word in words[:dead]]


async def test_a_restart_by_request_is_followed(runtime: Server, kernel: str) -> None:
    """After a restart over REST the next cell loses nothing, though home did not dial again."""
    home = Home(runtime, kernel)
    async with home.connected():
        await home.said("x = 1")
        status, _ = await asyncio.to_thread(
            runtime.api, f"/api/kernels/{kernel}/restart", "POST", {}
        )
        assert status == 200
    async with home.connected():
        assert await home.said("print('x' in globals())") == "False\n"


async def test_with_the_kernel_goes_the_link(runtime: Server, kernel: str) -> None:
    """When the kernel is shut down home is hung up, and told 404 when it dials again."""
    home = Home(runtime, kernel)
    async with home.connected():
        await home.said("")
        assert await asyncio.to_thread(runtime.api, f"/api/kernels/{kernel}", "DELETE")
        await home.hung_up()
    with pytest.raises(HTTPClientError) as gone:
        await dial(runtime, kernel, home.link)
    assert gone.value.code == 404


async def test_a_home_counts_as_a_connection(runtime: Server, kernel: str) -> None:
    """The server does not take a kernel for abandoned while home is connected."""

    def connections() -> int:
        return int(runtime.api(f"/api/kernels/{kernel}")[1]["connections"])

    home = Home(runtime, kernel)
    async with home.connected():
        assert await asyncio.to_thread(connections) == 1
    for _ in range(50):
        if await asyncio.to_thread(connections) == 0:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the connection is still counted")
