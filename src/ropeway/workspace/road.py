"""What a kernel is told of its direct road home: a door, and a grant of its own.

The words go silently into the kernel, with the SDK at its start and by themselves when the door
changed. See `ropeway.kernel.road` for the kernel's end.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from ropeway.data.grants import Given, Grants
from ropeway.workspace.sdk import road_code, silent

BUSY_SECONDS = 600.0
"""Seconds after which a kernel that has not heard it, being busy or cut off, is told again."""

PAUSE = 1.0
"""Seconds until it is told again to one that dropped it because a cell before it failed."""


class Kernel(Protocol):
    """How a kernel is spoken to; `Bridge` is one."""

    async def ask(
        self, channel: str, kind: str, content: dict[str, Any], timeout: float
    ) -> dict[str, Any]:
        """Send a request; returns the content of its reply. Raises `TimeoutError`."""


class Road:
    """The road of one kernel for the life of its process; `close` it when that ends."""

    def __init__(self, grants: Grants, runtime: str, kernel: str, runtime_class: str) -> None:
        self._grants = grants
        self._runtime = runtime
        self._runtime_class = runtime_class
        self._kernel = kernel
        self._given: Given | None = None
        self._door = ""
        self._telling: asyncio.Future[None] | None = None
        self._closed = False

    def code(self, door: str) -> str:
        """What the kernel is to run to hear of the door; nothing where there never was one."""
        self._door = door
        if not door and self._given is None:
            return ""
        if self._given is None:
            self._given = self._grants.give(self._runtime, self._kernel, self._runtime_class)
        return road_code(door, self._given.text)

    def follow(self, door: str, kernel: Kernel) -> None:
        """Tell the kernel, between two cells, if the door is another one; returns at once."""
        if self._closed or door == self._door:
            return
        self._stop()
        self._telling = asyncio.ensure_future(self._tell(self.code(door), kernel))

    def runs(self, notebook: str, cell: str) -> None:
        """The kernel has begun with that cell."""
        if self._given is not None:
            self._given.runs(notebook, cell)

    def close(self) -> None:
        """The kernel is no more, or no longer ours: what it was given opens nothing now."""
        self._closed = True
        self._stop()
        if self._given is not None:
            self._given.take_back()

    def _stop(self) -> None:
        if self._telling is not None:
            self._telling.cancel()

    async def _tell(self, code: str, kernel: Kernel) -> None:
        while True:
            try:
                reply = await kernel.ask("shell", "execute_request", silent(code), BUSY_SECONDS)
            except TimeoutError:
                continue
            if reply.get("status") == "ok":
                return
            await asyncio.sleep(PAUSE)
