"""`/ropeway/kernels/KERNEL/ports/PORT/KEY/…`: the pages that kernels serve."""

from __future__ import annotations

import asyncio
import hmac
from html import escape
from typing import Any

from tornado import web
from tornado.iostream import IOStream

from ropeway.errors import ProtocolError, RopewayError, Unreachable
from ropeway.link import pump
from ropeway.workspace import furnishing, served_ports
from ropeway.workspace.forwarding import (
    MOST_BYTES,
    Page,
    allowed,
    answered,
    asked,
    guards,
    wants_websocket,
)
from ropeway.workspace.handlers.base import RopewayHandler

MOST_SENT = 2**40
"""The largest body that is sent to a page; it is passed on as it comes."""


class PortHandler(RopewayHandler):
    """The address of a kernel's port."""

    auth_resource = "kernels"

    @web.authenticated
    async def get(self, kernel: str, port: str) -> None:
        """`{"url"}`: a path with a key of its own. Whoever has it reaches that port, no other."""
        path = served_ports.path_of(kernel, int(port))
        self.answer({"url": self.base_url.rstrip("/") + path})


@web.stream_request_body
class ServedPortHandler(web.RequestHandler):
    """What a browser and a served page say to each other.

    Guarded by the key in the path alone: the page is of another origin than the workspace, so its
    own requests come without cookies.
    """

    SUPPORTED_METHODS = ("GET", "HEAD", "POST", "DELETE", "PATCH", "PUT", "OPTIONS")
    _stream: served_ports.Stream | None = None

    def check_xsrf_cookie(self) -> None:
        """No cookie counts here, so there is nothing to forge."""

    def set_default_headers(self) -> None:
        """Whatever is answered is of another origin."""
        self.clear_header("Server")
        for name, value in guards():
            self.set_header(name, value)

    async def prepare(self) -> None:
        """Connect, and pass the request's head on."""
        kernel, port, key = (self.path_kwargs[each] for each in ("kernel", "port", "key"))
        if not hmac.compare_digest(key, served_ports.key_of(kernel, int(port))):
            self._say(403, "This address counts no more.", "Show the page in its notebook again.")
            return
        request = self.request
        headers = list(request.headers.get_all())
        if request.method == "OPTIONS" and (allowing := allowed(headers)) is not None:
            self.set_status(204)
            for name, value in allowing:
                self.set_header(name, value)
            self.finish()
            return
        request.connection.set_max_body_size(MOST_SENT)  # type: ignore[union-attr]
        base, _, rest = (request.uri or "").partition(key)
        try:
            self._page = Page(int(port), base + key)
            self._stream = await served_ports.connect(kernel, int(port))
            path, method = rest if rest.startswith("/") else f"/{rest}", request.method or ""
            self._more = len(furnishing.SCRIPT) if furnishing.is_wanted(method, headers) else 0
            asking = asked(self._page, method, path, headers, longer_by=self._more)
            await self._stream.send(asking)
        except (RopewayError, *pump.BROKEN) as error:
            self._refuse(error)

    async def data_received(self, chunk: bytes) -> None:
        """Pass the body on, as fast as the page takes it."""
        if self._stream is None:
            return
        if "Transfer-Encoding" in self.request.headers:
            chunk = b"%x\r\n%s\r\n" % (len(chunk), chunk)
        try:
            await self._stream.send(chunk)
        except pump.BROKEN as error:
            self._refuse(error)

    async def get(self, **kwargs: str) -> None:
        """The page's answer, byte for byte behind its head."""
        stream = self._stream
        if stream is None:
            return
        try:
            if "Transfer-Encoding" in self.request.headers:
                await stream.send(b"0\r\n\r\n")
            status, head, rest = await self._head(stream)
        except (RopewayError, *pump.BROKEN) as error:
            self._refuse(error)
            return
        await _relay(self.detach(), stream, head + rest, both_ways=status == 101)

    head = post = delete = patch = put = options = get

    def on_connection_close(self) -> None:
        """The browser is gone before it was answered."""
        if self._stream is not None:
            self._stream.close()

    async def _head(self, stream: served_ports.Stream) -> tuple[int, bytes, bytes]:
        """Status and head of the answer, and what came behind it. Raises `ProtocolError`."""
        came, upgrade = b"", wants_websocket(self.request.headers.get_all())
        while True:
            head, end, rest = came.partition(b"\r\n\r\n")
            if end:
                answer = answered(self._page, head, self._more, may_upgrade=upgrade)
                if answer.status >= 200 or answer.status == 101:
                    begin = await _furnished(stream, rest) if answer.is_html else rest
                    return answer.status, answer.head, begin
                came = rest  # a word in between, such as 103
                continue
            more = await stream.receive()
            if not more or len(came) > MOST_BYTES:
                raise ProtocolError(f"What listens at port {self._page.port} speaks no HTTP.")
            came += more

    def _refuse(self, error: BaseException) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
        if not isinstance(error, RopewayError):
            error = Unreachable("The served page hung up.", hint="Look at what its server prints.")
        self._say(error.http_status, error.message, error.hint)

    def _say(self, status: int, message: str, hint: str) -> None:
        self.set_status(status)
        self.finish(f"<!doctype html><p>{escape(message)}</p><p>{escape(hint)}</p>")


async def _furnished(stream: served_ports.Stream, begin: bytes) -> bytes:
    """The beginning of a document, as far as it has to be known, with our script."""
    while not furnishing.is_complete(begin) and (more := await stream.receive()):
        begin += more
    return furnishing.furnished(begin)


async def _relay(
    browser: IOStream, stream: served_ports.Stream, first: bytes, *, both_ways: bool
) -> None:
    """Carry an answer to its end; with `both_ways` also what the browser goes on to say."""
    browser.set_nodelay(True)
    browser.set_close_callback(stream.close)
    sending = asyncio.ensure_future(_send(browser, stream)) if both_ways else None
    try:
        await browser.write(first)
        while data := await stream.receive():
            await browser.write(data)
    except pump.BROKEN:
        return
    finally:
        if sending is not None:
            sending.cancel()
        stream.close()
        browser.close()


async def _send(browser: IOStream, stream: served_ports.Stream) -> None:
    try:
        while True:
            await stream.send(await browser.read_bytes(2**16, partial=True))
    except pump.BROKEN:
        stream.close()


_KERNEL = r"([0-9A-Za-z-]+)"

HANDLERS: list[tuple[str, Any]] = [
    (rf"/ropeway/api/kernels/{_KERNEL}/ports/([0-9]{{1,5}})", PortHandler),
]

SERVED = (
    rf"{served_ports.PATH}/(?P<kernel>[0-9A-Za-z-]+)/ports/(?P<port>[0-9]{{1,5}})"
    r"/(?P<key>[0-9a-f]{64})(?:/.*)?",
    ServedPortHandler,
)
"""Guarded otherwise than the REST interface."""
