"""Where runtimes dial home: the links of all of them, and the WebSockets that they are made of."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from tornado.websocket import WebSocketClosedError, WebSocketHandler

from ropeway.errors import ProtocolError
from ropeway.link import pump
from ropeway.link.link import Link
from ropeway.link.protocol import (
    CHUNK_BYTES,
    CONTROL_BYTES,
    OPEN_SECONDS,
    PING_SECONDS,
    REFUSED,
    VERSION,
    HomeEnd,
    pack,
)
from ropeway.link.transport import StreamTransport

log = logging.getLogger(__name__)

Offered = Callable[[], asyncio.Protocol]
"""Makes what answers a new connection, as for `loop.create_server`."""


class Links:
    """The links of all runtimes that dial this home.

    `authenticate` knows whose key it is given; `services` are home's, by name; `changed` hears
    that a runtime's link came up or went down; `next_key` gives the next key of a runtime when it
    is time, and `renewed` hears that the runtime keeps it.
    """

    def __init__(self, authenticate: Callable[[str], str | None]) -> None:
        self.authenticate = authenticate
        self.services: dict[str, Offered] = {}
        self.changed: Callable[[Link], None] = lambda link: None
        self.next_key: Callable[[str], str | None] = lambda name: None
        self.renewed: Callable[[str], None] = lambda name: None
        self.links: dict[str, Link] = {}

    async def link(self, name: str) -> Link:
        """The link of a runtime, with its port."""
        link = self.links.setdefault(name, Link(name))
        await link.open()
        return link

    async def remove(self, name: str, why: str) -> None:
        """The runtime is no longer wanted: tell it, for good."""
        link = self.links.pop(name, None)
        if link is not None:
            link.leave(why, for_good=True)
            await link.aclose()

    async def aclose(self) -> None:
        """End all links; the runtimes will dial again."""
        for link in list(self.links.values()):
            link.leave("the workspace stops", for_good=False)
        await asyncio.gather(*(link.aclose() for link in self.links.values()))
        self.links.clear()

    def handlers(self, base: str) -> list[tuple[str, Any, dict[str, Any]]]:
        """The WebSockets below the path `base`, for a tornado application."""
        given = {"links": self}
        return [
            (rf"{base}/control", Control, given),
            (rf"{base}/streams/([\w-]+)", Stream, given),
            (rf"{base}/services/([a-z]+)", Service, given),
        ]


class _Handler(WebSocketHandler):
    """A WebSocket that a runtime dials with its key in the `Authorization` header."""

    def initialize(self, links: Links) -> None:
        """Keep the links."""
        self.links = links
        self.name = ""

    def prepare(self) -> None:
        """Let nobody in without a key that is known; before the upgrade."""
        kind, _, key = self.request.headers.get("Authorization", "").partition(" ")
        name = self.links.authenticate(key) if kind == "Bearer" else None
        if name is None:
            self.set_status(401)
            self.set_header(REFUSED, "refused")
            self.finish({"message": "The link wants the key of a runtime that joined."})
        else:
            self.name = name

    def check_origin(self, origin: str) -> bool:
        """A page cannot set the header with the key, so any origin is as good as none."""
        return True

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """No page of errors: a program reads it."""
        self.finish({"message": f"The link answers {status_code}."})


class Control(_Handler):
    """A runtime's control channel."""

    max_message_size = CONTROL_BYTES

    @property
    def ping_interval(self) -> float:
        """Both ends look for a dead link."""
        return PING_SECONDS

    @property
    def ping_timeout(self) -> float:
        """See `ping_interval`."""
        return PING_SECONDS

    async def open(self, *args: str, **kwargs: str) -> None:
        """Wait for its hello."""
        self.set_nodelay(True)
        self.broken = self.renewing = False
        self.end = HomeEnd()
        self.link = await self.links.link(self.name)
        self.why = "the connection broke"
        asyncio.get_running_loop().call_later(OPEN_SECONDS, self._hello_is_due)

    def on_message(self, message: str | bytes) -> None:
        """A control message; one that makes no sense ends the link."""
        if self.broken:
            return
        try:
            found = self.end.receive(message)
        except ProtocolError as error:
            self.broken = True
            self.why = ascii(error.message)[1:-1][:100]
            log.warning("runtime %s: %s", self.name, self.why)
            self.close(1002, self.why)
            return
        if found["kind"] == "hello":
            self._greet()
        elif found["kind"] == "failed":
            self.link.failed(str(found.get("stream")))
        elif found["kind"] == "renewed" and self.renewing and self.link.stands_on(self):
            self.renewing = False
            self.links.renewed(self.name)
        elif found["kind"] == "bye":
            self.why = f"it said goodbye: {self.end.ended}"

    def on_close(self) -> None:
        """The runtime is gone, or its connection is."""
        if hasattr(self, "link") and self.link.detach(self, self.why):
            self.links.changed(self.link)

    def leave(self, why: str, *, for_good: bool) -> None:
        """Say goodbye to the runtime."""
        try:
            self.write_message(pack("bye", why=why, for_good=for_good))
            self.close(1001, ascii(why)[1:-1][:100])
        except WebSocketClosedError:
            return

    def _greet(self) -> None:
        if self.links.links.get(self.name) is not self.link:  # disconnected before its hello
            self.leave("it was disconnected there", for_good=True)
            return
        self.link.attach(self, self.end)
        self.write_message(pack("welcome", v=VERSION, name=self.name))
        key = self.links.next_key(self.name)
        self.renewing = key is not None
        if key is not None:
            self.write_message(pack("renew", key=key))
        self.links.changed(self.link)

    def _hello_is_due(self) -> None:
        if self.end.hello is None:
            self.close(1002, "no hello")


class Stream(_Handler):
    """A stream that home asked for."""

    max_message_size = CHUNK_BYTES

    @property
    def ping_interval(self) -> float:
        """None: a slow reader's pong would come late. The control channel finds dead links."""
        return 0.0

    @property
    def ping_timeout(self) -> float:
        """See `ping_interval`."""
        return 0.0

    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Only the runtime that was asked gets the stream, and only once."""
        link = self.links.links.get(self.name)
        if link is None or not link.claim(args[0], self):
            self.set_status(404)
            self.finish({"message": "Nobody asked this runtime for that stream."})
            return
        await self.upgrade(*args, **kwargs)

    async def upgrade(self, *args: Any, **kwargs: Any) -> None:
        """Become a WebSocket, or be over at once when that was not asked for."""
        await super().get(*args, **kwargs)
        if self.ws_connection is None:
            self.on_close()

    def initialize(self, links: Links) -> None:
        """Nothing is carried before both sides are there."""
        super().initialize(links)
        self._opened = asyncio.Event()
        self._carrier: pump.Pump | StreamTransport | None = None
        self._ready = asyncio.Event()
        self._closed = False

    def open(self, *args: str, **kwargs: str) -> None:
        """The runtime dialled."""
        self.set_nodelay(True)
        self._opened.set()

    async def on_message(self, message: str | bytes) -> None:
        """Tornado reads no further message before this one is taken: that is the back-pressure."""
        await self._ready.wait()
        if self._carrier is not None:
            try:
                await self._carrier.take(message)
            except ProtocolError as error:
                log.warning("runtime %s: %s", self.name, error.message)

    def on_close(self) -> None:
        """The other end is gone."""
        self._closed = True
        self._opened.set()
        self._ready.set()
        if self._carrier is not None:
            self._carrier.broken()

    async def carry(self, reader: pump.Reader, writer: pump.Writer) -> None:
        """Carry bytes between this WebSocket and a TCP connection until one ends."""
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await self._opened.wait()
        except TimeoutError:
            self._ready.set()
            self.close()
            return
        await self._run(pump.Pump(reader, writer, self._send, self.close))

    async def _run(self, carrier: pump.Pump | StreamTransport) -> None:
        self._carrier = carrier
        self._ready.set()
        if self._closed:
            carrier.broken()
        await carrier.run()

    async def _send(self, data: bytes) -> None:
        await self.write_message(data, binary=True)


class Service(Stream):
    """A stream that a runtime opens to a service of home's."""

    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Only the services that home offers, and only while the link is up."""
        link = self.links.links.get(self.name)
        offered = self.links.services.get(args[0])
        end = link.admit(args[0]) if link is not None and offered is not None else None
        if link is None or offered is None or end is None:
            self.set_status(404)
            self.finish({"message": "Home offers no such service to this runtime."})
            return
        link.keep(asyncio.ensure_future(self._carry_to(offered, end)))
        await self.upgrade(*args, **kwargs)

    async def _carry_to(self, offered: Offered, end: HomeEnd) -> None:
        try:
            await self._opened.wait()
            if not self._closed:
                await self._run(StreamTransport(offered(), self._send, self.close))
        except Exception as error:  # noqa: BLE001 (whatever is wrong at home, the stream ends)
            log.warning("the service for runtime %s: %r", self.name, error)
        finally:
            end.left()
            self.close()
