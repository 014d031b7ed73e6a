"""Every home's links to the kernels of this runtime, and the endpoint where homes find them."""

from __future__ import annotations

import re
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server._tz import utcnow
from jupyter_server.auth.decorator import ws_authenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from tornado import web
from tornado.ioloop import PeriodicCallback
from tornado.websocket import WebSocketHandler

from ropeway.runtime.home_link import HomeLink

LOOK_SECONDS = 3.0
READY_SECONDS = 20.0
"""How long a home that dials waits for a kernel that does not speak yet."""

_LINK = re.compile(r"[0-9A-Za-z-]{1,64}")
_MAX_MESSAGE = 2**31 - 1


class HomeLinks:
    """The links of one server, by kernel and by the id that a home chose."""

    def __init__(self, kernels: Any) -> None:
        self.kernels = kernels
        self._links: dict[tuple[str, str], HomeLink] = {}
        self._over: set[tuple[str, str]] = set()
        self._looking = PeriodicCallback(self._look, LOOK_SECONDS * 1000)

    def link(self, kernel_id: str, link_id: str, after: int) -> HomeLink | None:
        """The link, made where there is none; None where there is no such kernel."""
        if kernel_id not in self.kernels:
            return None
        key = kernel_id, link_id
        if key in self._links and self._links[key].manager is not self.kernels.get_kernel(
            kernel_id
        ):
            self._links.pop(key).close()
        if key not in self._links:
            self._links[key] = HomeLink(self.kernels, kernel_id, after)
            self._looking.start()
        return self._links[key]

    def waiting(self, kernel_id: str) -> bool:
        """Whether some home lacks something that the kernel said."""
        return any(
            link.unacknowledged for (kernel, _), link in self._links.items() if kernel == kernel_id
        )

    def _look(self) -> None:
        over = {key for key, link in self._links.items() if link.over}
        # Seen twice: a kernel that is restarted may be out of the server's books for a moment.
        for key in over & self._over:
            self._links.pop(key).close()
        self._over = over
        for key, link in self._links.items():
            if key not in over:
                link.follow_kernel()
                if link.unacknowledged:  # stock's culling would take the kernel for an idle one
                    self.kernels.get_kernel(key[0]).last_activity = utcnow()
        if not self._links:
            self._looking.stop()


class HomeLinkHandler(WebSocketMixin, WebSocketHandler, JupyterHandler):
    """`/ropeway/agent/kernels/KERNEL?link=ID&life=ID&after=NUMBER`: a kernel's frames, numbered."""

    auth_resource = "kernels"

    def initialize(self, links: HomeLinks) -> None:
        """Keep the links of this server."""
        self.links = links
        self.link: HomeLink | None = None

    def set_default_headers(self) -> None:
        """Leave out the headers of pages."""

    def get_compression_options(self) -> None:
        """What kernels say is compressed by whoever knows what it is."""

    @property
    def max_message_size(self) -> int:
        """As large as a message of a kernel can be."""
        return _MAX_MESSAGE

    @ws_authenticated  # type: ignore[untyped-decorator]
    async def get(self, kernel_id: str) -> None:
        """Find the link, and become a WebSocket."""
        user = self.current_user
        if not await ensure_async(self.authorizer.is_authorized(self, user, "execute", "kernels")):
            raise web.HTTPError(403)
        kernels = self.links.kernels
        if kernels.allowed_message_types or not kernels.allow_tracebacks:
            raise web.HTTPError(404)  # a server that filters messages does so on its own channels
        link_id, after = self.get_query_argument("link", ""), self.get_query_argument("after", "0")
        self._life = self.get_query_argument("life", "0")
        if not all(map(_LINK.fullmatch, (link_id, self._life))) or not re.fullmatch(
            r"[0-9]{1,18}", after
        ):
            raise web.HTTPError(400, "link and life are to be ids, after a number")
        self._kernel_id, self._after = kernel_id, int(after)
        self.link = self.links.link(kernel_id, link_id, self._after)
        if self.link is None:
            raise web.HTTPError(404, f"there is no kernel {kernel_id}")
        await self.link.prepare(READY_SECONDS)
        await super().get(kernel_id)

    def open(self, kernel_id: str) -> None:
        """Hand over what home lacks."""
        super().open()
        self.set_nodelay(True)
        self.links.kernels.notify_connect(kernel_id)
        assert self.link is not None
        self.link.connect(self, self._after, self._life)

    def on_message(self, message: str | bytes) -> None:
        """Take what home sent; one odd message must not end the link."""
        assert self.link is not None
        try:
            self.link.hear(self, message)
        except ValueError as error:
            self.log.warning("dropped a message of home: %s", error)

    def on_close(self) -> None:
        """Keep from now on what the kernel says."""
        self.links.kernels.notify_disconnect(self._kernel_id)
        assert self.link is not None
        self.link.disconnect(self)
