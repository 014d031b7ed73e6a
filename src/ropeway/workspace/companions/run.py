"""One execution on a companion: what it says, from a place on, once and in order.

It is in the journal before it is heard here. Who hears it takes it as it comes; who is behind, or
comes after the workspace that asked for it was killed, reads the journal first.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from ropeway.frames import Frame, unpack_v1
from ropeway.workspace.journal import Journal

LIVE_BYTES = 16_000_000
"""What may wait in memory for who hears it; beyond that the journal has it."""

BYTES_AT_ONCE = 4_000_000
"""What is read of a journal before others have their turn."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One message: its `number` in the journal, its type, and the frame, where there is one.

    The number is 0 where the journal could not keep it.
    """

    number: int
    kind: str
    frame: Frame | None


class Run:
    """The run `id` of the journal, behind the message `after`; `ended` when nothing is to come.

    One that goes on is told of each message by `hear`.
    """

    def __init__(self, journal: Journal, id: int, *, ended: bool = False) -> None:
        self.id = id
        self.ended = ended
        self.after = 0
        self.news = asyncio.Event()
        self._journal = journal
        self._behind = True
        self._live: deque[Heard] = deque()
        self._size = 0
        self._whole = True
        self.answered = journal.messages.answered(id)
        """The number of the last answer: what was asked before it needs none."""
        self._last: dict[str, bytes | Frame | None] = {
            kind: journal.messages.latest(id, kind) for kind in ("execute_reply", "error")
        }

    def begin_behind(self, after: int) -> None:
        """Hear it from the message behind `after` on."""
        self.after = after
        self._behind = True
        self._live.clear()
        self._size = 0
        self.news.set()

    def hear(self, heard: Heard) -> None:
        """It said one thing more."""
        if heard.kind in self._last:
            self._last[heard.kind] = heard.frame
        if heard.number == 0:
            self._whole = False
        if not self._behind or heard.number == 0:
            self._live.append(heard)
            self._size += sum(map(len, heard.frame.parts)) if heard.frame is not None else 0
            if self._size > LIVE_BYTES and self._whole:
                self.begin_behind(self.after)
        self.news.set()

    def end(self) -> None:
        """It says nothing more."""
        self.ended = True
        self.news.set()

    def take(self, most: int) -> list[Heard]:
        """What comes next, at most so many messages; nothing when there is nothing yet."""
        self.news.clear()
        found = self._kept(most) if self._behind else []
        if not found:
            self._behind = False
            while self._live and len(found) < most:
                found.append(self._live.popleft())
            if not self._live:
                self._size = 0
        self.after = max([self.after, *(each.number for each in found)])
        return found

    def _kept(self, most: int) -> list[Heard]:
        self._journal.batch.commit()
        found: list[Heard] = []
        size = 0
        with closing(self._journal.messages.of(self.id, self.after)) as messages:
            for number, kind, frame in messages:
                found.append(Heard(number, kind, unpack_v1(frame) if frame else None))
                size += len(frame)
                if len(found) == most or size > BYTES_AT_ONCE:
                    break
        return found

    @property
    def reply(self) -> dict[str, Any] | None:
        """How it ended, as the kernel says."""
        return self._content("execute_reply")

    @property
    def error(self) -> dict[str, Any] | None:
        """The error that it ended with."""
        return self._content("error")

    def _content(self, kind: str) -> dict[str, Any] | None:
        last = self._last[kind]
        frame = unpack_v1(last) if isinstance(last, bytes) else last
        return frame.decoded(3) if frame is not None else None
