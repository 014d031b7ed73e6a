"""An answer of home that began: what each road gives, to be pulled piece by piece.

Home sends no more than the kernel takes. It stops a query whose answer nobody takes for a minute,
so what has to wait longer must be here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from ropeway.errors import HomeUnreachable

PATIENCE = 60.0
"""Seconds for which home waits for a kernel that takes no more of an answer."""

Meanwhile = Callable[[], None]
"""Called while we wait; what it raises ends the wait."""


class Answer(Protocol):
    """The answer to one query, until it is whole, fails or is closed."""

    road: str
    """`direct` or `in-band`."""
    etag: str
    """Home's name for this answer; empty where the next one may differ."""
    unchanged: bool
    """Nothing comes: the answer is the one that bears the ETag that was shown."""
    summary: dict[str, Any]
    """`wire.Summary` as JSON, once it is whole."""

    def next(self, meanwhile: Meanwhile) -> Any:
        """The next bytes, None once it is whole. Raises `RopewayError`; then it is closed."""

    def close(self) -> None:
        """Take no more; the query is stopped at home. Harmless when it ended."""


class Rest:
    """How long an answer waited for us between two pulls."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._longest = 0.0

    def begins(self) -> None:
        """We took what came."""
        self._since = time.monotonic()

    def ends(self) -> None:
        """We want more."""
        self._longest = max(self._longest, time.monotonic() - self._since)

    def given_up(self) -> HomeUnreachable | None:
        """The error to raise when the answer broke off because we rested for too long."""
        return given_up() if self._longest > PATIENCE / 2 else None


def given_up() -> HomeUnreachable:
    """Home waited in vain."""
    return HomeUnreachable(
        f"Home stopped the query: nothing of its answer was taken for {PATIENCE:.0f} s.",
        hint="Ask again with rw.sql, and take it in one go: .df() or a loop over .batches().",
    )


def ignore() -> None:
    """Nothing to do meanwhile."""
