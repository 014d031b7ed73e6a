"""The road that data takes between this kernel and home, chosen anew with each question.

The workspace says once by which door home may be reached from here (`offer`). While that door
answers, data takes the direct road; else the in-band one, which needs nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ropeway.kernel import inband
from ropeway.kernel.direct import CONNECT, Direct, NoRoad

REST = 30.0
"""Seconds for which a road that failed is not tried again."""

DIRECT = "direct"
IN_BAND = "in-band"


@dataclass(frozen=True)
class Road:
    """`kind` is `direct` or `in-band`; `url` is the door of a direct road, else empty."""

    kind: str
    url: str = ""

    def __str__(self) -> str:
        return self.kind


_offered: Direct | None = None
_again = 0.0
"""When the offered road may be tried again (`time.monotonic`)."""


def road() -> Road:
    """The road that the next question to home takes from this kernel.

    `direct`: through a tunnel that the runtime's connection holds, as fast as that. `in-band`: over
    the notebook's own connection, which works everywhere.

        rw.road().kind    # 'direct'
    """
    offered = _usable()
    if offered is None:
        return Road(IN_BAND)
    if not offered.answers(CONNECT):
        _failed(offered)
        return Road(IN_BAND)
    return Road(DIRECT, offered.url)


def offer(url: str, grant: str) -> None:
    """Take up what the workspace says; an empty `url` takes the offer back."""
    global _offered, _again
    if _offered is not None:
        _offered.close()
    _offered, _again = (Direct(url, grant) if url else None), 0.0


def offered() -> str:
    """The door that was offered, whether it answers or not; empty where none was."""
    return _offered.url if _offered is not None else ""


def ask(
    op: str,
    sql: str = "",
    params: dict[str, Any] | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[dict[str, Any], list[Any], Road]:
    """Put one request to home: what `inband.ask` gives, and the road that it took.

    A direct road that fails before the answer began is left for the in-band one; one that breaks
    in the middle raises `HomeUnreachable`, as in-band.
    """
    direct = _usable()
    if direct is not None:
        try:
            body, buffers = direct.ask(op, sql, params or {}, progress or _ignore)
            return body, buffers, Road(DIRECT, direct.url)
        except NoRoad:
            _failed(direct)
    body, buffers = inband.ask(op, sql, params, progress)
    return body, buffers, Road(IN_BAND)


def _usable() -> Direct | None:
    return _offered if time.monotonic() >= _again else None


def _failed(direct: Direct) -> None:
    global _again
    if direct is _offered:  # not one that was offered meanwhile
        _again = time.monotonic() + REST


def _ignore(_: int) -> None:
    """Progress that nobody looks at."""
