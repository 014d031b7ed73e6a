"""Auto-stop: a runtime that nobody uses ends its kernels, and then itself.

For machines that cost money. A kernel is in use while a cell runs, and while something that it said
has not reached its home.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from jupyter_server._tz import utcnow

log = logging.getLogger(__name__)

LONGEST_PAUSE = 30.0


class Idle:
    """Ends kernels that were idle for so many `seconds`, and calls `stop` as long after the last.

    `seconds` may change its mind (0: never), and counts from then on. `waiting` knows whether a
    kernel's home lacks something of it. `run` it beside the server.
    """

    def __init__(
        self,
        kernels: Any,
        seconds: Callable[[], float],
        stop: Callable[[float], None],
        waiting: Callable[[str], bool],
    ) -> None:
        self._kernels = kernels
        self._seconds = seconds
        self._stop = stop
        self._waiting = waiting
        self._longest = seconds()
        self._asked_at = self._empty_since = time.monotonic()

    async def run(self) -> None:
        """Look now and then, until it is time to stop."""
        while not self._longest or time.monotonic() - self._empty_since < self._longest:
            await asyncio.sleep(min(LONGEST_PAUSE, self._longest / 5 or LONGEST_PAUSE))
            if (seconds := self._seconds()) != self._longest:
                self._longest = seconds
                self._asked_at = self._empty_since = time.monotonic()
            if self._longest:
                await self._look()
        log.warning("nothing ran for %.0f s: this runtime ends", self._longest)
        self._stop(self._longest)

    async def _look(self) -> None:
        running = list(self._kernels.list_kernel_ids())
        if running:
            self._empty_since = time.monotonic()
        for kernel in running:
            try:
                idle = self._idle_seconds(kernel)
                if idle >= self._longest:
                    log.warning("kernel %s was idle for %.0f s and is ended", kernel, idle)
                    await self._kernels.shutdown_kernel(kernel)
            except Exception as error:  # noqa: BLE001 (somebody else may have ended it meanwhile)
                log.warning("kernel %s cannot be ended: %r", kernel, error)

    def _idle_seconds(self, kernel: str) -> float:
        manager = self._kernels.get_kernel(kernel)
        if manager.execution_state == "busy" or self._waiting(kernel):
            return 0.0
        idle = float((utcnow() - manager.last_activity).total_seconds())
        return min(idle, time.monotonic() - self._asked_at)
