"""The remote side of a bridge: one WebSocket to a kernel on a runtime, kept up for its lifetime.

Dials again after a loss with the same `session_id`, so that a stock server replays what it
buffered. Stock Jupyter loses 40 ms a cell to Nagle's algorithm and delayed acknowledgements:
both are off on this leg (`set_nodelay`, `TCP_QUICKACK`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Literal, Protocol
from urllib.parse import quote
from uuid import uuid4

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, websocket_connect

from ropeway.errors import KernelGone, RopewayError, TokenRefused
from ropeway.workspace.client import RuntimeClient
from ropeway.frames import V1, Frame, pack_json, pack_v1, unpack_json, unpack_v1

PONG_SECONDS = 10.0
LONGEST_PAUSE = 5.0
_MAX_MESSAGE = 2**31 - 1
_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)

log = logging.getLogger(__name__)

State = Literal["down", "up", "gone", "refused"]


class Listener(Protocol):
    """Who hears what comes down the link."""

    def frame_received(self, frame: Frame) -> None:
        """A message from the kernel or its server."""

    def link_changed(self, state: State) -> None:
        """The link came up or went down, or the kernel behind it is gone for good."""


class Uplink:
    """The WebSocket to the kernel `remote_id`. `start` it, `send` frames, `aclose` it."""

    def __init__(
        self,
        client: RuntimeClient,
        remote_id: str,
        listener: Listener,
    ) -> None:
        self.client = client
        self.remote_id = remote_id
        self.session_id = uuid4().hex
        self.state: State = "down"
        self.settled = asyncio.Event()  # set while up, and for good once gone or refused
        self._listener = listener
        self._websocket: WebSocketClientConnection | None = None
        self._waiting: deque[Frame] = deque()
        self._task: asyncio.Task[None] | None = None
        self._quiet = False
        self._held = False
        self._written: asyncio.Future[None] | None = None

    def start(self) -> None:
        """Begin to dial, in the background."""
        self._task = asyncio.create_task(self._run())

    async def aclose(self) -> None:
        """Hang up for good."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._websocket is not None:
            self._websocket.close()

    async def redial(self, timeout: float) -> None:
        """Hang up and dial again without a word to the listener. Raises `TimeoutError`.

        After a restart of its kernel a stock server may still hold sockets to the old one; the
        new connection gets fresh ones.
        """
        if self.state in ("gone", "refused"):
            raise TimeoutError("the link was given up")
        websocket, self._websocket = self._websocket, None
        self.settled.clear()
        if websocket is not None:
            self._quiet = True
            websocket.close()
        await asyncio.wait_for(self.settled.wait(), timeout)

    def hold(self) -> None:
        """Keep what is sent from now on, until `release`: the kernel behind is being replaced."""
        self._held = True

    def release(self) -> None:
        """Send what was kept."""
        self._held = False
        self._send_waiting()

    def send(self, frame: Frame, *, even_if_held: bool = False) -> None:
        """Send a frame, or keep it until the link is up again."""
        if (
            self._websocket is None
            or (self._held and not even_if_held)
            or not self._write(self._websocket, frame)
        ):
            self._waiting.append(frame)

    async def drained(self) -> None:
        """Wait until the socket took what was sent: who produces much must not fill the memory."""
        if self._written is not None:
            with contextlib.suppress(WebSocketClosedError, StreamClosedError):
                await asyncio.shield(self._written)

    def _write(self, websocket: WebSocketClientConnection, frame: Frame) -> bool:
        """Whether the link took the frame. One that it took and then lost is sent again."""
        v1 = websocket.selected_subprotocol == V1
        data = pack_v1(frame) if v1 else pack_json(frame)
        try:
            written = websocket.write_message(data, binary=isinstance(data, bytes))
        except (WebSocketClosedError, StreamClosedError):
            return False
        written.add_done_callback(lambda done: self._check_written(done, frame))
        self._written = written
        return True

    def _check_written(self, done: asyncio.Future[None], frame: Frame) -> None:
        # A write that failed never reached the server whole, so nothing runs twice.
        if not done.cancelled() and done.exception() is not None:
            self._waiting.append(frame)

    async def _run(self) -> None:
        pause = 0.2
        while True:
            try:
                websocket = await self._dial()
            except HTTPClientError as error:
                if error.code in (403, 404) and await self._is_over(error.code):
                    self._change("gone" if error.code == 404 else "refused")
                    self.settled.set()
                    return
            except Exception as error:  # noqa: BLE001 (whatever a strange server does, dial on)
                log.debug("no link to %s yet: %r", self.client.name, error)
            else:
                pause = 0.2
                await self._serve(websocket)
                continue
            await asyncio.sleep(pause * random.uniform(0.7, 1.3))  # noqa: S311 (jitter only)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _is_over(self, status: int) -> bool:
        """Whether a refusal is meant: a tunnel or a hub answers so while the server is away."""
        try:
            await self.client.kernel(self.remote_id)
        except KernelGone:
            return status == 404
        except TokenRefused:
            return status == 403
        except RopewayError:
            return False
        return status == 403

    async def _dial(self) -> WebSocketClientConnection:
        request = HTTPRequest(
            f"{self.client.websocket_url}/api/kernels/{quote(self.remote_id, safe='')}/channels"
            f"?session_id={self.session_id}",
            headers=self.client.headers,
            connect_timeout=10,
            request_timeout=30,
            follow_redirects=False,
            ssl_options=self.client.tls,
        )
        websocket = await websocket_connect(
            request,
            subprotocols=[V1],
            max_message_size=_MAX_MESSAGE,
            ping_interval=self.client.ping_seconds,
            ping_timeout=min(self.client.ping_seconds, PONG_SECONDS),
        )
        # tornado's client turns Nagle's algorithm back on after the handshake.
        if websocket.protocol is not None:
            websocket.protocol.set_nodelay(True)
        return websocket

    async def _serve(self, websocket: WebSocketClientConnection) -> None:
        self._websocket = websocket
        self._send_waiting()
        self._change("up")
        self.settled.set()
        try:
            await self._read(websocket)
        finally:
            websocket.close()
            self.settled.clear()
            if self._websocket is websocket:
                self._websocket = None
            if self._quiet:
                self._quiet = False
            else:
                self._change("down")

    def _send_waiting(self) -> None:
        while self._waiting and self._websocket is not None and not self._held:
            if not self._write(self._websocket, self._waiting[0]):
                return
            self._waiting.popleft()

    async def _read(self, websocket: WebSocketClientConnection) -> None:
        unpack: Callable[[bytes], Frame]
        unpack = unpack_v1 if websocket.selected_subprotocol == V1 else unpack_json
        acknowledge = _acknowledger(websocket)
        receive: Callable[[], Awaitable[bytes | str | None]] = websocket.read_message
        while (data := await receive()) is not None:
            acknowledge()
            try:
                self._listener.frame_received(unpack(data))  # type: ignore[arg-type]
            except Exception as error:  # noqa: BLE001 (one odd frame must not end the link)
                log.warning("dropped a frame from %s: %r", self.client.name, error)

    def _change(self, state: State) -> None:
        if state != self.state:
            self.state = state
            self._listener.link_changed(state)


def _acknowledger(websocket: WebSocketClientConnection) -> Callable[[], None]:
    """What makes the kernel acknowledge at once, where the system can (Linux)."""
    stream = getattr(websocket.protocol, "stream", None)
    raw = getattr(stream, "socket", None)
    if _QUICKACK is None or raw is None:
        return lambda: None
    option = _QUICKACK

    def acknowledge() -> None:
        try:
            raw.setsockopt(socket.IPPROTO_TCP, option, 1)
        except OSError:
            return

    return acknowledge
