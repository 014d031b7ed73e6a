"""The road that data takes between this kernel and home, chosen anew with each question.

The workspace says once by which door home may be reached from here (`offer`). While that door
answers, data takes the direct road; else the in-band one, which needs nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from ropeway.kernel import aside, inband
from ropeway.kernel.answer import Answer, Meanwhile, ignore
from ropeway.kernel.direct import Direct
from ropeway.kernel.line import PIECE
from ropeway.kernel.talk import ANSWER, NoRoad

REST = 30.0
"""Seconds for which a road that failed is not tried again."""

DIRECT = "direct"
IN_BAND = "in-band"

T = TypeVar("T")

__all__ = ["PIECE", "Road", "Taken", "datasets", "give", "offer", "put", "query", "road", "take"]


class Taken(Protocol):
    """A value that comes; each road gives one."""

    def readinto(self, view: Any) -> int:
        """Write what came into `view`; how many bytes, 0 at the end. Raises `HomeUnreachable`."""

    def close(self) -> None:
        """Take no more of it."""


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
    if not offered.answers(ANSWER):
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


def query(
    sql: str, params: dict[str, Any], etag: str = "", meanwhile: Meanwhile = ignore
) -> Answer:
    """Put a query to home; returns when its first rows are ready. Raises as `inband.query`.

    `etag` names the answer that is here already. A direct road that fails before the answer began
    is left for the in-band one; one that breaks in the middle raises `HomeUnreachable`, as in-band.
    """

    def by_direct(direct: Direct) -> Answer:
        return direct.query(sql, params, etag, meanwhile)

    return _first(by_direct, lambda: inband.query(sql, params, etag, meanwhile))


def put(name: str, if_exists: str, stream: Iterator[bytes], meanwhile: Meanwhile) -> dict[str, Any]:
    """Send a table home; its `Receipt` as JSON. Raises as `query`."""

    def by_direct(direct: Direct) -> dict[str, Any]:
        return direct.put(name, if_exists, stream, meanwhile)

    return _first(by_direct, lambda: inband.put(name, if_exists, stream, meanwhile))


def datasets() -> dict[str, Any]:
    """`{"datasets": [Dataset...]}`. Raises as `query`."""
    return _first(lambda direct: direct.datasets(ignore), lambda: inband.datasets(ignore))


def give(number: str, kind: str, stream: Iterator[Any], meanwhile: Meanwhile) -> None:
    """Send the value of a crossing; returns once its receiver has it. Raises as `query`."""

    def by_direct(direct: Direct) -> None:
        direct.send_value(number, kind, stream, meanwhile)

    _first(by_direct, lambda: inband.give(number, kind, stream, meanwhile))


def take(number: str, meanwhile: Meanwhile) -> Taken:
    """The value of a crossing as it comes. Raises as `query`."""

    def by_direct(direct: Direct) -> Taken:
        return direct.take_value(number, meanwhile)

    return _first(by_direct, lambda: inband.Taken(number, meanwhile))


def artefacts(question: bytes) -> bytes:
    """The answer to a question of `ropeway.artefacts`; any thread may ask. Raises as `query`."""
    return _first(
        lambda direct: direct.artefacts(question), lambda: aside.ask("artefacts", question)
    )


def _first(by_direct: Callable[[Direct], T], by_in_band: Callable[[], T]) -> T:
    direct = _usable()
    if direct is not None:
        try:
            return by_direct(direct)
        except NoRoad:
            _failed(direct)
    return by_in_band()


def _usable() -> Direct | None:
    return _offered if time.monotonic() >= _again else None


def _failed(direct: Direct) -> None:
    global _again
    if direct is _offered:  # not one that was offered meanwhile
        _again = time.monotonic() + REST
