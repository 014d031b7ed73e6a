"""The body of a request, read whole or in pieces, with bounds on time and size."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from ropeway.errors import BadInput

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

MOST = 16 * 1024 * 1024
"""Bytes of a body that is read whole."""

SECONDS = 60.0
"""Seconds that a whole body, or the next piece of one, may take to arrive."""

DRAIN = 3.0
"""Seconds for which the rest of a body is taken that nobody wants, so that its sender hears why."""


async def whole(receive: Receive) -> bytes:
    """All of it. Raises `BadInput`."""
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(SECONDS):
            async for part in pieces(receive):
                size += len(part)
                if size > MOST:
                    raise BadInput(f"The request is larger than {MOST:,} bytes.")
                parts.append(part)
    except TimeoutError:
        raise BadInput(f"The request did not arrive within {SECONDS:.0f} s.") from None
    return b"".join(parts)


async def pieces(receive: Receive) -> AsyncIterator[bytes]:
    """Its pieces as they come. Raises `BadInput` unless it comes to its end."""
    more = True
    while more:
        try:
            async with asyncio.timeout(SECONDS):  # cheaper than a task for each piece
                message = await receive()
        except TimeoutError:
            raise BadInput(f"The request paused for more than {SECONDS:.0f} s.") from None
        if message["type"] == "http.disconnect":
            raise BadInput("The request ended before its body.")
        yield message.get("body", b"")
        more = message.get("more_body", False)


async def drain(receive: Receive) -> None:
    """Take what still comes, for a moment: a sender that is cut off would not read the answer."""
    with suppress(BadInput, TimeoutError):
        async with asyncio.timeout(DRAIN):
            async for _ in pieces(receive):
                pass


async def gone(receive: Receive) -> None:
    """Returns once the client has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass
