"""One home's hold on one kernel: it outlives every connection.

The link reads the kernel's sockets whether home is there or not, and hands over what home lacks
when it comes. One connection at a time: a newer one takes the place of an older, which may be a
zombie that nobody told of its death.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable
from functools import partial
from typing import Any, Protocol

from jupyter_core.utils import ensure_async
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError

from ropeway.delivery import KEPT_SECONDS, Acknowledger, Inbox, kept_number
from ropeway.frames import Frame, message, unpack_numbered
from ropeway.runtime.sockets import REQUEST_CHANNELS, KernelSockets
from ropeway.runtime.spool import Spool

AWAY_SECONDS = 7 * 24 * 3600.0
"""A home that has everything and was away for so long is taken to have gone for good."""

UNFLUSHED_BYTES = 4 * 2**20
"""What a connection may hold that the network has not taken: the rest waits in the spool."""

RESTART_LOOKS = 120
RESTART_PAUSE = 0.5

log = logging.getLogger(__name__)


class Connection(Protocol):
    """A WebSocket to home."""

    def write_message(self, message: str | bytes, binary: bool = False) -> Awaitable[None]:
        """Send it; done once the network has it. Raises `WebSocketClosedError`."""

    def close(self) -> None:
        """Hang up."""


class HomeLink:
    """The link of one home to the kernel `kernel_id`; `after` frames of it are at home already."""

    def __init__(
        self, kernels: Any, kernel_id: str, after: int, spool: Spool | None = None
    ) -> None:
        self.manager = kernels.get_kernel(kernel_id)
        self._kernels = kernels
        self._kernel_id = kernel_id
        self._spool = spool or Spool(after)
        self._life = ""
        self._inbox = Inbox()
        self._confirmed = Acknowledger()
        self._telling: asyncio.TimerHandle | None = None
        self._following: asyncio.Task[None] | None = None
        self._connection: Connection | None = None
        self._unflushed = 0
        self._left_at = time.monotonic()
        self._sockets = KernelSockets(self.manager, self._from_kernel)
        self._sockets.open()
        kernels.add_restart_callback(kernel_id, self._restarted)
        kernels.add_restart_callback(kernel_id, self._died, "dead")

    @property
    def over(self) -> bool:
        """Whether there is nothing left to wait for."""
        if self._kernel_id not in self._kernels:
            return True
        if self._kernels.get_kernel(self._kernel_id) is not self.manager:
            return True
        away = self._connection is None and time.monotonic() - self._left_at > AWAY_SECONDS
        return away and not len(self._spool)

    @property
    def unacknowledged(self) -> bool:
        """Whether home lacks something, for all that we know."""
        return len(self._spool) > 0

    def close(self) -> None:
        """Let go of everything."""
        if self._connection is not None:
            self._connection.close()
            self._leave()
        if self._following is not None:
            self._following.cancel()
        if self._kernel_id in self._kernels:
            self._kernels.remove_restart_callback(self._kernel_id, self._restarted)
            self._kernels.remove_restart_callback(self._kernel_id, self._died, "dead")
        self._sockets.close()
        self._spool.close()

    async def prepare(self, timeout: float) -> None:
        """Wait until the kernel as it is now hears us, but no longer than `timeout` seconds."""
        self.follow_kernel()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._sockets.ready.wait(), timeout)

    def follow_kernel(self) -> None:
        """Lead to the kernel's new process where it was restarted by request."""
        restarting = self._following is not None and not self._following.done()
        if self._sockets.stale and not restarting:
            self._sockets.open()

    # --- home ----------------------------------------------------------------------------------

    def connect(self, connection: Connection, after: int, life: str = "") -> None:
        """Home is here, and has everything up to `after`; another `life` counts anew."""
        if life != self._life:
            self._life, self._inbox, self._confirmed = life, Inbox(), Acknowledger()
        older, self._connection = self._connection, connection
        self._unflushed = 0
        self._confirmed.connected()
        self._spool.connected(after)
        if older is not None:
            older.close()
        self._tell()
        self._pump()

    def disconnect(self, connection: Connection) -> None:
        """That connection ended."""
        if connection is self._connection:
            self._leave()

    def hear(self, connection: Connection, data: str | bytes) -> None:
        """Take what home sent. Raises `ValueError` when it is neither a frame nor a word.

        What still comes over an older connection is left: it comes again over the newer one.
        """
        if connection is not self._connection:
            return
        if isinstance(data, str):
            self._spool.release(kept_number(data))
            return
        number, frame = unpack_numbered(data)
        if self._inbox.accept(number):
            self._to_kernel(frame)
        self._confirmed.received(len(data))
        if self._confirmed.keep(number):
            self._tell()
        elif self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(KEPT_SECONDS, self._tell)

    def _leave(self) -> None:
        self._connection = None
        self._left_at = time.monotonic()

    def _to_kernel(self, frame: Frame) -> None:
        try:
            msg_id = str(frame.decoded(0)["msg_id"])
        except (ValueError, KeyError, IndexError):
            msg_id = ""
        if not msg_id or frame.channel not in REQUEST_CHANNELS or len(frame.parts) < 4:
            log.warning("dropped a request for kernel %s that is none", self._kernel_id)
        else:
            self._sockets.send(frame)

    def _tell(self) -> None:
        """Say what we have of home's."""
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        text = self._confirmed.text() if self._connection is not None else None
        if text is not None:
            self._write(text)

    def _pump(self) -> None:
        while self._connection is not None and self._unflushed < UNFLUSHED_BYTES:
            data = self._spool.take()
            if data is None:
                return
            self._write(data)

    def _write(self, data: str | bytes) -> None:
        connection, size = self._connection, len(data)
        assert connection is not None
        try:
            written = connection.write_message(data, binary=isinstance(data, bytes))
        except (WebSocketClosedError, StreamClosedError):
            self._leave()
            return
        self._unflushed += size
        done = asyncio.ensure_future(written)
        done.add_done_callback(partial(self._written, connection, size))

    def _written(self, connection: Connection, size: int, done: asyncio.Future[None]) -> None:
        failed = done.cancelled() or done.exception() is not None
        if connection is self._connection and not failed:
            self._unflushed -= size
            self._pump()

    # --- the kernel ----------------------------------------------------------------------------

    def _from_kernel(self, frame: Frame) -> None:
        self._spool.put(frame)
        self._pump()

    def _restarted(self) -> None:
        """The kernel died and its manager starts it again."""
        self._say("restarting")
        self._sockets.close()  # what is sent from now on is for the new one
        if self._following is None or self._following.done():
            self._following = asyncio.ensure_future(self._follow_restart())

    def _died(self) -> None:
        """The kernel died and is not started again."""
        self._say("dead")

    def _say(self, state: str) -> None:
        """As stock servers do: a status without a parent comes from the server."""
        self._sockets.flush()  # what it said before it died comes first
        content = {"execution_state": state}
        self._from_kernel(message("iopub", "status", content, session=self._kernel_id))

    async def _follow_restart(self) -> None:
        for _ in range(RESTART_LOOKS):
            await asyncio.sleep(RESTART_PAUSE)
            if self._kernel_id in self._kernels and await ensure_async(self.manager.is_alive()):
                self._sockets.open()
                return
