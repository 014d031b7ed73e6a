"""`/ropeway/agent/ports/PORT`: a TCP connection to what kernels serve on this machine.

Home shows it as a page beside the notebook. Whoever may use kernels here could reach the port by
running code; nothing more is given than that.
"""

from __future__ import annotations

import asyncio

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import ws_authenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from tornado import web
from tornado.websocket import WebSocketHandler

from ropeway.errors import ProtocolError
from ropeway.link import pump
from ropeway.link.protocol import CHUNK_BYTES, OPEN_SECONDS

PATTERN = r"/ropeway/agent/ports/([0-9]{1,5})"


class ServedPortHandler(WebSocketMixin, WebSocketHandler, JupyterHandler):
    """One stream, in the form of the link's: an empty message ends a direction."""

    auth_resource = "kernels"
    max_message_size = CHUNK_BYTES
    _running: asyncio.Future[None] | None = None

    def set_default_headers(self) -> None:
        """Leave out the headers of pages."""

    def get_compression_options(self) -> None:
        """The bytes are the page's own."""

    @ws_authenticated  # type: ignore[untyped-decorator]
    async def get(self, port: str) -> None:
        """Connect, and become a WebSocket; 502 where nothing listens."""
        user = self.current_user
        if not await ensure_async(self.authorizer.is_authorized(self, user, "execute", "kernels")):
            raise web.HTTPError(403)
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                reader, writer = await pump.connect("localhost", int(port))
        except (OSError, OverflowError):
            self.set_status(502)
            self.finish({"message": f"Nothing listens at port {port} of this machine."})
            return
        self._pump = pump.Pump(reader, writer, self._send, self.close)
        with pump.ending(writer):
            await super().get(port)  # until the stream has ended
            if self._running is not None:
                await self._running

    def open(self, port: str) -> None:
        """Small messages go at once."""
        super().open()
        self.set_nodelay(True)
        self._running = asyncio.ensure_future(self._pump.run())

    async def on_message(self, message: str | bytes) -> None:
        """Tornado reads no further message before this one is taken: that is the back-pressure."""
        try:
            await self._pump.take(message)
        except ProtocolError as error:
            self.log.warning("%s", error.message)

    def on_close(self) -> None:
        """Home is gone."""
        self._pump.broken()

    async def _send(self, data: bytes) -> None:
        await self.write_message(data, binary=True)
