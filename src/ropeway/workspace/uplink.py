"""The remote side of a bridge: one WebSocket to a kernel on a runtime, kept up for its lifetime.

It goes to the runtime's agent, which loses nothing, or to the channels of a plain Jupyter server
(`channels`). Stock Jupyter loses 40 ms a cell to Nagle's algorithm and delayed acknowledgements:
both are off on this leg (`set_nodelay`, `TCP_QUICKACK`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import socket
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Literal, Protocol
from uuid import uuid4

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.iostream import StreamClosedError
from tornado.websocket import (
    WebSocketClientConnection,
    WebSocketClosedError,
    WebSocketError,
    websocket_connect,
)

from ropeway.errors import KernelGone, RopewayError, TokenRefused
from ropeway.frames import Frame
from ropeway.workspace.channels import Channels, NumberedChannels, PlainChannels
from ropeway.workspace.client import RuntimeClient

PONG_SECONDS = 10.0
LONGEST_PAUSE = 5.0
_MAX_MESSAGE = 2**31 - 1
_TIMED_OUT = 599
_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)

log = logging.getLogger(__name__)

State = Literal["down", "up", "gone", "refused"]


class Listener(Protocol):
    """Who hears what comes down the link."""

    def frame_received(self, frame: Frame, number: int) -> None:
        """A message from the kernel or its server.

        `number` is to be given to `Uplink.acknowledge` once the frame is kept; 0 where the runtime
        gives none.
        """

    def link_changed(self, state: State) -> None:
        """The link came up or went down, or the kernel behind it is gone for good."""

    def output_may_be_missing(self, since: float, until: float) -> None:
        """A link to a plain server died without a word and is back: what the kernel said between
        these times (seconds since 1970) may be lost."""


class Uplink:
    """The WebSocket to the kernel `remote_id`. `start` it, `send` frames, `aclose` it.

    `session_id` names this home to the runtime: with the same one another process takes over where
    an earlier one stood, with everything up to the frame `after` at home.
    """

    def __init__(
        self,
        client: RuntimeClient,
        remote_id: str,
        listener: Listener,
        *,
        session_id: str = "",
        after: int = 0,
    ) -> None:
        self.client = client
        self.remote_id = remote_id
        self.session_id = session_id or uuid4().hex
        self.state: State = "down"
        self.settled = asyncio.Event()  # set while up, and for good once gone or refused
        self._listener = listener
        self._channels: Channels = NumberedChannels(remote_id, self.session_id, after)
        self._met_agent = False
        self._websocket: WebSocketClientConnection | None = None
        self._held: deque[Frame] | None = None
        self._task: asyncio.Task[None] | None = None
        self._quiet = False
        self._gap_since: float | None = None
        self._heard_at = 0.0

    @property
    def lossless(self) -> bool:
        """Whether the runtime's agent is spoken to, which keeps frames until they are here."""
        return self._met_agent and self._channels.lossless

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
            self._channels.disconnected()
            websocket.close()
        await asyncio.wait_for(self.settled.wait(), timeout)

    def hold(self) -> None:
        """Keep what is sent from now on, until `release`: the kernel behind is being replaced."""
        self._held = deque() if self._held is None else self._held

    def release(self) -> None:
        """Send what was kept."""
        held, self._held = self._held, None
        for frame in held or ():
            self._channels.send(frame)

    def send(self, frame: Frame, *, even_if_held: bool = False) -> None:
        """Send a frame, or keep it until the link is up again."""
        if self._held is not None and not even_if_held:
            self._held.append(frame)
        else:
            self._channels.send(frame)

    def acknowledge(self, number: int) -> None:
        """Everything up to the frame `number` is kept at home: the runtime may let go of it."""
        self._channels.acknowledge(number)

    async def drained(self) -> None:
        """Wait until the socket took what was sent: who produces much must not fill the memory."""
        if self._channels.written is not None:
            with contextlib.suppress(WebSocketClosedError, StreamClosedError):
                await asyncio.shield(self._channels.written)

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
        """A WebSocket to the agent, or to the plain channels where there is none."""
        numbered = self._channels
        if not isinstance(numbered, NumberedChannels):
            return await self._open(numbered)
        try:
            websocket = await self._open(numbered)
        except (HTTPClientError, WebSocketError) as error:
            if await self._has_agent(getattr(error, "code", None)):
                raise
        else:
            self._met_agent = True
            return websocket
        plain = PlainChannels(self.remote_id, self.session_id)
        websocket = await self._open(plain)
        for frame in numbered.unsent():
            plain.send(frame)
        self._channels = plain
        if self._met_agent:
            self._gap_since = self._heard_at
        return websocket

    async def _has_agent(self, refusal: int | None) -> bool:
        """Whether the agent may be there all the same: tunnels answer for who is away."""
        if refusal == _TIMED_OUT:
            return True
        if refusal == 404 and not self._met_agent:
            return False
        return await self.client.has_agent()

    async def _open(self, channels: Channels) -> WebSocketClientConnection:
        request = HTTPRequest(
            self.client.websocket_url + channels.path,
            headers=self.client.headers,
            connect_timeout=10,
            request_timeout=30,
            follow_redirects=False,
            ssl_options=self.client.tls,
        )
        websocket = await websocket_connect(
            request,
            subprotocols=channels.subprotocols,
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
        self._channels.connected(websocket)
        self._change("up")
        self.settled.set()
        self._tell_gap()
        try:
            await self._read(websocket)
        finally:
            self._channels.disconnected()
            websocket.close()
            self.settled.clear()
            if self._websocket is websocket:
                self._websocket = None
            if self._quiet:
                self._quiet = False
            else:
                self._note_gap(said_goodbye=websocket.close_code is not None)
                self._change("down")

    def _note_gap(self, *, said_goodbye: bool) -> None:
        if not self._channels.lossless and not said_goodbye and self._gap_since is None:
            # No link is dead for longer than its pings may wait.
            longest = self.client.ping_seconds + PONG_SECONDS
            self._gap_since = max(self._heard_at, time.time() - longest)

    def _tell_gap(self) -> None:
        since, self._gap_since = self._gap_since, None
        self._heard_at = time.time()
        if since is not None:
            self._listener.output_may_be_missing(since, self._heard_at)

    async def _read(self, websocket: WebSocketClientConnection) -> None:
        acknowledge = _acknowledger(websocket)
        receive: Callable[[], Awaitable[bytes | str | None]] = websocket.read_message
        while (data := await receive()) is not None:
            acknowledge()
            self._heard_at = time.time()
            try:
                if (found := self._channels.receive(data)) is not None:
                    self._listener.frame_received(*found)
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
