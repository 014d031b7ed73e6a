"""The runtime's end of the link: dials home, and dials again, for as long as it is wanted."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from ropeway.errors import LinkRefused, ProtocolError
from ropeway.link import pump
from ropeway.link.protocol import (
    CHUNK_BYTES,
    CONTROL_BYTES,
    OPEN_SECONDS,
    PING_SECONDS,
    REFUSED,
    VERSION,
    Backoff,
    RuntimeEnd,
    pack,
)

log = logging.getLogger(__name__)

PATH = "/ropeway/link"
"""Where a workspace answers runtimes that dial it, below its base URL."""


@dataclass(frozen=True, slots=True)
class Served:
    """What the runtime lends: its Jupyter server's port and token."""

    port: int
    token: str
    version: str = ""
    host: str = "127.0.0.1"


class Dialer:
    """One runtime's link to the workspace at `home` (a URL without a slash at its end).

    `key` gives the key to dial with; `keep` stores the next one. `tell` hears one sentence at
    each change. `run` it; `stop` says goodbye.
    """

    def __init__(
        self,
        home: str,
        served: Served,
        *,
        key: Callable[[], str],
        keep: Callable[[str], None],
        tell: Callable[[str], None],
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._base = home.rstrip("/") + PATH
        self._served = served
        self._key = key
        self._keep = keep
        self._tell = tell
        self._trust = trust
        self._control: WebSocketClientConnection | None = None
        self._end = RuntimeEnd()
        self._streams: set[asyncio.Task[None]] = set()
        self._door: asyncio.Server | None = None
        self._stopped = asyncio.Event()
        self.was_up = False
        """Whether the link ever stood."""

    @property
    def up(self) -> bool:
        """Whether the link stands."""
        return self._control is not None and bool(self._end.name)

    @property
    def door(self) -> int:
        """The port at which kernels here find home's services."""
        return int(self._door.sockets[0].getsockname()[1]) if self._door is not None else 0

    async def run(self) -> None:
        """Keep the link up until `stop`. Raises `LinkRefused` when home does not want it."""
        self._door = await pump.serve(self._to_home)
        backoff, lost_at = Backoff(), 0.0
        try:
            while not self._stopped.is_set():
                why = await self._once(backoff, lost_at)
                if self._end.for_good:
                    raise LinkRefused(
                        f"Home ended the link: {self._end.ended}.",
                        hint="Ask for a new invitation if that was a mistake.",
                    )
                if self._end.name or not lost_at:
                    lost_at = time.monotonic()
                    self._say(f"The link to home is down: {why}. Trying again.")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopped.wait(), backoff.pause())
        finally:
            self._door.close()

    async def stop(self, why: str = "the runtime was stopped") -> None:
        """Say goodbye and hang up."""
        self._stopped.set()
        if self._control is not None:
            with contextlib.suppress(*pump.BROKEN):
                await self._control.write_message(pack("bye", why=why))
            self._control.close()

    async def _once(self, backoff: Backoff, lost_at: float) -> str:
        """One connection, from dialling to its end; returns why it ended."""
        self._end = RuntimeEnd()
        try:
            control = await self._dial("/control", CONTROL_BYTES, PING_SECONDS)
        except HTTPClientError as error:
            # A proxy, a portal or another server may answer in home's place: only home's own word
            # is a refusal, and everything else may pass.
            if error.response is not None and error.response.headers.get(REFUSED):
                raise _refused() from None
            return f"home answers {error.code}"
        except Exception as error:  # noqa: BLE001 (whatever stands in the way may go away)
            return f"home cannot be reached ({_words(error)})"
        self._control = control
        try:
            await self._serve(control, backoff, lost_at)
        except ProtocolError as error:
            return error.message
        except pump.BROKEN as error:
            return _words(error)
        finally:
            self._control = None
            control.close()
            await self._break()
        return self._end.ended or "the connection broke"

    async def _serve(
        self, control: WebSocketClientConnection, backoff: Backoff, lost_at: float
    ) -> None:
        served = self._served
        hello = {"v": VERSION, "version": served.version, "token": served.token, "door": self.door}
        await control.write_message(pack("hello", **hello))
        asyncio.get_running_loop().call_later(OPEN_SECONDS, self._welcome_is_due, control)
        while (text := await control.read_message()) is not None:
            message = self._end.receive(text)
            if message["kind"] == "welcome":
                backoff.reset()
                self.was_up = True
                after = f" after {time.monotonic() - lost_at:.0f} s" if lost_at else ""
                said = "The link is back" if lost_at else "Joined"
                self._say(f"{said}{after}: this machine is the runtime {self._end.name}.")
            elif message["kind"] == "open":
                self._begin(self._to_server(control, message["stream"]))
            elif message["kind"] == "renew":
                try:
                    self._keep(message["key"])
                except OSError as error:
                    log.warning("the next key cannot be kept: %s", error)
                    continue  # the one that is kept goes on to count
                await control.write_message(pack("renewed"))
            elif message["kind"] == "bye":
                return

    def _welcome_is_due(self, control: WebSocketClientConnection) -> None:
        if control is self._control and not self._end.name:
            log.warning("home took the connection and does not answer")
            control.close()

    def _begin(self, stream: Any) -> None:
        task = asyncio.ensure_future(stream)
        self._streams.add(task)
        task.add_done_callback(self._streams.discard)

    async def _break(self) -> None:
        """No stream outlives its link: its ends would not know of each other."""
        streams = list(self._streams)
        for task in streams:
            task.cancel()
        await asyncio.gather(*streams, return_exceptions=True)

    async def _to_server(self, control: WebSocketClientConnection, stream: str) -> None:
        """Connect a stream that home asked for to the Jupyter server here."""
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                reader, writer = await pump.connect(self._served.host, self._served.port)
        except OSError as error:
            why = _words(error)
        else:
            why = await self._carry(f"/streams/{stream}", reader, writer)
        if why:
            with contextlib.suppress(*pump.BROKEN):
                await control.write_message(pack("failed", stream=stream, why=why))

    def _to_home(self, reader: pump.Reader, writer: pump.Writer) -> None:
        """Connect a kernel that came to the door to home's data service."""
        if self.up:
            self._begin(self._carry("/services/data", reader, writer))
        else:
            pump.reset(writer)

    async def _carry(self, path: str, reader: pump.Reader, writer: pump.Writer) -> str:
        """Carry a stream to its end; returns why it could not be dialled, or nothing."""
        with pump.ending(writer):
            try:
                websocket = await self._dial(path, CHUNK_BYTES, None)
            except Exception as error:  # noqa: BLE001 (the local side hears of it, whatever it was)
                log.info("a stream could not be dialled: %s", _words(error))
                return _words(error)
            with contextlib.closing(websocket):
                await _carried(websocket, reader, writer)
        return ""

    async def _dial(self, path: str, most: int, ping: float | None) -> WebSocketClientConnection:
        request = HTTPRequest(
            "ws" + self._base.removeprefix("http") + path,
            headers={"Authorization": f"Bearer {self._key()}"},
            connect_timeout=OPEN_SECONDS,
            request_timeout=OPEN_SECONDS,
            follow_redirects=False,
            ssl_options=self._trust,
        )
        websocket = await websocket_connect(
            request, max_message_size=most, ping_interval=ping, ping_timeout=ping
        )
        # tornado's client turns Nagle's algorithm back on after the handshake.
        if websocket.protocol is not None:
            websocket.protocol.set_nodelay(True)
        return websocket

    def _say(self, sentence: str) -> None:
        if not self._stopped.is_set():
            with contextlib.suppress(OSError, ValueError):  # nobody listens any more
                self._tell(sentence)


async def _carried(
    websocket: WebSocketClientConnection, reader: pump.Reader, writer: pump.Writer
) -> None:
    """Carry bytes until the stream ends."""

    async def send(data: bytes) -> None:
        await websocket.write_message(data, binary=True)

    carried = pump.Pump(reader, writer, send, websocket.close)
    receiving = asyncio.ensure_future(_receive(websocket, carried))
    try:
        await carried.run()
    finally:
        receiving.cancel()
        await asyncio.gather(receiving, return_exceptions=True)


async def _receive(websocket: WebSocketClientConnection, carried: pump.Pump) -> None:
    """Tornado's client reads no further message before this one was taken."""
    with contextlib.suppress(ProtocolError):
        while (data := await websocket.read_message()) is not None:
            await carried.take(data)
    carried.broken()


def _refused() -> LinkRefused:
    return LinkRefused(
        "Home no longer knows this runtime: it was disconnected there.",
        hint="Ask for a new invitation: `ropeway invite` at home.",
    )


def _words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(getattr(error, "strerror", "") or error or type(error).__name__).lower()[:200]
