"""How frames travel over the WebSocket of an `Uplink`: two ways, one interface.

`NumberedChannels` speak to the agent of a runtime: what the kernel says is numbered, acknowledged
and sent again, what we say too (`delivery`). `PlainChannels` are those of any Jupyter server, which
replays what it buffered for the same session after a connection that was closed, and loses what it
wrote into one that died without a word.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol
from urllib.parse import quote
from uuid import uuid4

from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError

from ropeway.delivery import KEPT_SECONDS, WINDOW, Acknowledger, Inbox, Outbox, kept_number
from ropeway.frames import (
    V1,
    Frame,
    pack_json,
    pack_v1,
    unpack_json,
    unpack_numbered,
    unpack_v1,
)


class Channels(Protocol):
    """A kernel's channels over one WebSocket after another."""

    lossless: bool
    subprotocols: list[str]
    written: asyncio.Future[None] | None
    """Done once the network has what was sent last."""

    @property
    def path(self) -> str:
        """Where to dial now, below the server's URL."""

    def connected(self, websocket: WebSocketClientConnection) -> None:
        """The WebSocket is open: what waits is sent."""

    def disconnected(self) -> None:
        """It is no longer to be used."""

    def send(self, frame: Frame) -> None:
        """Send a frame, now or when the WebSocket is open again."""

    def receive(self, data: bytes | str) -> tuple[Frame, int] | None:
        """The frame in a message and its number, where it is a new one. Raises `ValueError`."""

    def acknowledge(self, number: int) -> None:
        """Everything up to `number` is kept at home."""


class PlainChannels:
    """`/api/kernels/ID/channels`, as every Jupyter server has them."""

    lossless = False

    def __init__(self, remote_id: str, session_id: str) -> None:
        self.subprotocols = [V1]
        self.written: asyncio.Future[None] | None = None
        self.path = f"/api/kernels/{quote(remote_id, safe='')}/channels?session_id={session_id}"
        self._waiting: deque[Frame] = deque()
        self._websocket: WebSocketClientConnection | None = None
        self._v1 = True

    def connected(self, websocket: WebSocketClientConnection) -> None:
        """Send what waits, in the form that the server chose."""
        self._websocket = websocket
        self._v1 = websocket.selected_subprotocol == V1
        while self._waiting and self._write(self._waiting[0]):
            self._waiting.popleft()

    def disconnected(self) -> None:
        """Keep what is sent from now on."""
        self._websocket = None

    def send(self, frame: Frame) -> None:
        """Send it, or keep it."""
        if not self._write(frame):
            self._waiting.append(frame)

    def receive(self, data: bytes | str) -> tuple[Frame, int] | None:
        """Every frame is taken for a new one; the server gives no numbers."""
        unpack: Callable[[bytes], Frame] = unpack_v1 if self._v1 else unpack_json
        return unpack(data), 0  # type: ignore[arg-type]

    def acknowledge(self, number: int) -> None:
        """Nobody wants to know."""

    def _write(self, frame: Frame) -> bool:
        """Whether the link took the frame. One that it took and then lost is sent again."""
        if self._websocket is None:
            return False
        data = pack_v1(frame) if self._v1 else pack_json(frame)
        try:
            written = self._websocket.write_message(data, binary=isinstance(data, bytes))
        except (WebSocketClosedError, StreamClosedError):
            return False
        written.add_done_callback(partial(self._check_written, frame))
        self.written = written
        return True

    def _check_written(self, frame: Frame, done: asyncio.Future[None]) -> None:
        # A write that failed never reached the server whole, so nothing runs twice.
        if not done.cancelled() and done.exception() is not None:
            self._waiting.append(frame)


class NumberedChannels:
    """The agent's endpoint; home has everything up to `after` already."""

    lossless = True

    def __init__(self, remote_id: str, session_id: str, after: int) -> None:
        self.subprotocols: list[str] = []
        self.written: asyncio.Future[None] | None = None
        kernel = quote(remote_id, safe="")
        link, life = quote(session_id, safe=""), uuid4().hex
        self._url = f"/ropeway/agent/kernels/{kernel}?link={link}&life={life}"
        self._outbox: Outbox[Frame] = Outbox(window=WINDOW)
        self._inbox = Inbox(after)
        self._kept = Acknowledger()
        self._kept.keep(after)
        self._telling: asyncio.TimerHandle | None = None
        self._websocket: WebSocketClientConnection | None = None

    @property
    def path(self) -> str:
        """Where to dial: it says what is here already."""
        return f"{self._url}&after={self._inbox.last}"

    def connected(self, websocket: WebSocketClientConnection) -> None:
        """Send what the agent did not confirm, and say what is kept here."""
        self._websocket = websocket
        self._outbox.connected()
        self._kept.connected()
        self._tell()
        self._pump()

    def disconnected(self) -> None:
        """Keep what is sent from now on."""
        self._websocket = None

    def send(self, frame: Frame) -> None:
        """Send it, and again until the agent confirms it."""
        self._outbox.put(frame)
        self._pump()

    def receive(self, data: bytes | str) -> tuple[Frame, int] | None:
        """A frame that did not come before; None for the agent's own word."""
        if isinstance(data, str):
            self._outbox.release(kept_number(data))
            self._pump()
            return None
        self._kept.received(len(data))
        number, frame = unpack_numbered(data)
        return (frame, number) if self._inbox.accept(number) else None

    def acknowledge(self, number: int) -> None:
        """Tell the agent, soon."""
        if self._kept.keep(number):
            self._tell()
        elif self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(KEPT_SECONDS, self._tell)

    def unsent(self) -> list[Frame]:
        """What never left: another way may carry it, and nothing runs twice."""
        return self._outbox.unsent()

    def _tell(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        if self._websocket is not None and (text := self._kept.text()) is not None:
            self._write(text)

    def _pump(self) -> None:
        while self._websocket is not None and (found := self._outbox.take()) is not None:
            number, frame = found
            self._write(pack_v1(frame, number))

    def _write(self, data: bytes | str) -> None:
        assert self._websocket is not None
        try:
            self.written = self._websocket.write_message(data, binary=isinstance(data, bytes))
        except (WebSocketClosedError, StreamClosedError):
            self._websocket = None  # it is kept, and sent over the next connection
            return
        self.written.add_done_callback(_looked_at)


def _looked_at(done: asyncio.Future[None]) -> None:
    """A write that failed is sent again anyway: nobody has to be told."""
    if not done.cancelled():
        done.exception()
