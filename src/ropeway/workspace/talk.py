"""The replies to one in-band request of a kernel: numbered, and no more of them than it takes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from ropeway import wire
from ropeway.errors import RopewayError
from ropeway.kernel.answer import given_up

MAX_CREDIT = 64
"""Buffers that may be on their way to a kernel, whatever it asks for: 256 MB."""

HEARTBEAT = 5.0
"""Seconds between two signs of life while a query runs."""

SOON = 1.0
"""Seconds until the first sign of life of what is mostly done by then."""

PATIENCE = 60.0
"""Seconds that a query waits for a kernel which takes no more data."""

Send = Callable[[dict[str, Any], list[bytes]], Awaitable[None]]


class Talk:
    """The replies to one request: numbered, and data only as far as the credit goes."""

    def __init__(self, number: str, reply: Send) -> None:
        self._id = number
        self._reply = reply
        self._seq = 0
        self._credit = 0
        self._granted = asyncio.Event()

    def grant(self, credit: int) -> None:
        """That many more data replies may be sent."""
        self._credit = min(self._credit + credit, MAX_CREDIT)
        if self._credit > 0:
            self._granted.set()

    async def say(self, kind: str, body: dict[str, Any], *buffers: bytes) -> None:
        reply = wire.Reply(self._id, kind, self._seq, body=body)
        self._seq += 1
        await self._reply({"value": {"ropeway": wire.to_json(reply)}}, list(buffers))

    async def data(self, piece: bytes) -> None:
        """One data reply, once there is credit for it; a kernel that takes nothing is given up."""
        try:
            await asyncio.wait_for(self._granted.wait(), PATIENCE)
        except TimeoutError:
            raise given_up() from None
        await self.granted()
        await self.say("data", {}, piece)

    async def granted(self) -> None:
        """Wait for credit, however long that takes, and use it."""
        await self._granted.wait()
        self._credit -= 1
        if self._credit == 0:
            self._granted.clear()

    async def more(self, credit: int) -> None:
        """The kernel may send that many more pieces."""
        await self.say("more", {"credit": credit})

    async def fail(self, error: RopewayError) -> None:
        await self.say("error", error.to_json())


@asynccontextmanager
async def still_here(talk: Talk) -> AsyncIterator[None]:
    """Says `wait` now and then, so that the kernel can tell a slow query from a lost link."""

    async def beat() -> None:
        await asyncio.sleep(SOON)
        while True:
            await talk.say("wait", {})
            await asyncio.sleep(HEARTBEAT)

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
