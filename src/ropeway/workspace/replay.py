"""A run for a page that missed it: what its window lets through, in portions."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field

from ropeway.frames import Frame, unpack_v1
from ropeway.notebooks.window import Window
from ropeway.workspace.journal import Journal, Run
from ropeway.workspace.windows import heads_of, replaced, window_of

PORTION_BYTES = 4_000_000
"""A portion ends with the message that reaches this size."""

BYTES_AT_ONCE = 1_000_000
"""What is read of a journal before others have their turn."""

KEPT = 20
"""Runs of which it is known how far a page has come; others are read anew from the beginning."""


@dataclass(frozen=True, slots=True)
class Portion:
    """Messages to show, the number of the `last`, and whether there are `more` behind it."""

    messages: list[Frame]
    last: int
    more: bool


@dataclass(slots=True)
class _Place:
    """How far a run was read, and its window after that."""

    window: Window
    last: int = 0
    heads: Frame | None = None
    found: list[Frame] = field(default_factory=list)
    size: int = 0


class Replays:
    """Reads runs of the journal for pages."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._places: OrderedDict[int, _Place] = OrderedDict()

    async def portion(self, run: Run, after: int) -> Portion:
        """What comes after the message `after`."""
        place = self._places.pop(run.id, None)
        if place is None or place.last != after:
            place = _Place(window_of(run))
        end = self._journal.messages.last(run.id)
        answered = self._journal.messages.answered(run.id)
        read = 0
        for number, kind, raw in self._journal.messages.of(run.id, place.last):
            asked = kind == "input_request" and (number < answered or run.ended is not None)
            if number > end or place.size >= PORTION_BYTES:
                break
            self._take(place, kind, raw, shown=number > after and not asked)
            place.last = number
            read += len(raw)
            if read > BYTES_AT_ONCE:
                read = 0
                await asyncio.sleep(0)
        more = place.last < end
        if not more and place.heads is not None:
            place.found += [replaced(said, place.heads) for said in place.window.update()]
        found, place.found, place.size = place.found, [], 0
        self._places[run.id] = place
        while len(self._places) > KEPT:
            self._places.popitem(last=False)
        return Portion(found, place.last, more)

    @staticmethod
    def _take(place: _Place, kind: str, raw: bytes, *, shown: bool) -> None:
        """Look at a message through the window, and find what is shown of it."""
        frame = unpack_v1(raw) if raw else None
        said = place.window.take(kind, frame.parts[3] if frame is not None else b"")
        if frame is not None and place.heads is None:
            place.heads = heads_of(frame)
        found = [] if frame is None else [frame]
        if said is not None and (heads := frame or place.heads) is not None:
            found = [replaced(each, heads) for each in said]
        if shown:
            place.found += found
            place.size += sum(len(part) for each in found for part in each.parts)
