"""The pace at which a page is shown what a cell says: as it comes, but never more than it can draw.

A loop that flushes each of its lines sends ten thousand messages a second, and a page draws all of
a cell's text anew with each of them: it answers nobody for minutes. So a page gets time for what it
is sent. What comes meanwhile waits, and is made less: texts of one stream become one message, an
update replaces the one before, text that a carriage return overwrites is left out, and so is what
`clear_output` takes away. A page shows the same in the end.

Pure: `tick` tells it that a moment is over.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from ropeway.frames import Frame
from ropeway.notebooks.outputs import without_overwritten

MOMENT_SECONDS = 0.25

MESSAGE_SECONDS = 0.025
"""What a page gets for each message, at the least."""

TEXT_SECONDS = 0.25 / 100_000
"""What it gets for a byte of text."""

LONGEST_SECONDS = 2.0
"""No longer than that something waits."""

_UPDATE, _CLEAR = "update_display_data", "clear_output"
_OUTPUTS = ("stream", "display_data", "execute_result", "error")


@dataclass(slots=True)
class _Waiting:
    """A message that waits; of neighbouring texts the first, and all their `texts`."""

    kind: str
    frame: Frame
    name: str = ""
    texts: list[str] = field(default_factory=list)


class Pace:
    """The messages of one run: what `take`, `flush` and `tick` return is to be shown, in order."""

    def __init__(self) -> None:
        self.drawing = 0.0
        """Seconds that a page takes to draw the cell's text anew."""
        self._drawn_in = 0.0
        self._waiting: list[_Waiting] = []
        self._updates: dict[str, _Waiting] = {}
        self._clears = False

    @property
    def busy(self) -> bool:
        """Whether a `tick` is wanted at the end of the moment."""
        return bool(self._drawn_in or self._waiting)

    def take(self, kind: str, frame: Frame) -> list[Frame]:
        """What is to be shown now that this comes."""
        if kind not in (*_OUTPUTS, _UPDATE, _CLEAR):
            return [*self.flush(), frame]
        wanted = self._wanted(kind, frame)
        if not self._waiting and (not self._drawn_in or self._drawn_in + wanted <= MOMENT_SECONDS):
            self._drawn_in += wanted
            return [frame]
        self._wait(kind, frame)
        return []

    def flush(self) -> list[Frame]:
        """All that waits."""
        waiting, self._waiting = self._waiting, []
        self._updates.clear()
        self._clears = False
        shown = [_joined(each) if len(each.texts) > 1 else each.frame for each in waiting]
        for each, frame in zip(waiting, shown, strict=True):
            self._drawn_in += self._wanted(each.kind, frame)
        return shown

    def tick(self) -> list[Frame]:
        """A moment is over."""
        self._drawn_in = max(0.0, min(self._drawn_in, LONGEST_SECONDS) - MOMENT_SECONDS)
        return [] if self._drawn_in else self.flush()

    def _wanted(self, kind: str, frame: Frame) -> float:
        """Seconds that a page gets for a message: thrice those in which it draws it."""
        if kind != "stream":
            return MESSAGE_SECONDS
        return MESSAGE_SECONDS + TEXT_SECONDS * len(frame.parts[3]) + 3 * self.drawing

    def _wait(self, kind: str, frame: Frame) -> None:
        content = frame.decoded(3) if kind != "display_data" else {}
        if kind == _UPDATE:
            self._wait_update(frame, content)
            return
        if kind == _CLEAR:
            self._waiting.append(_Waiting(kind, frame))
            self._clears = True
        if self._clears and not content.get("wait"):
            self._leave_out()
        if kind == "stream":
            self._wait_text(frame, content)
        elif kind != _CLEAR:
            self._waiting.append(_Waiting(kind, frame))
            self._updates.clear()  # a later one must not be shown before it

    def _wait_update(self, frame: Frame, content: dict[str, Any]) -> None:
        display = str((content.get("transient") or {}).get("display_id") or "")
        waiting = self._updates.get(display)
        if waiting is not None:
            waiting.frame = frame
            return
        self._updates[display] = _Waiting(_UPDATE, frame)
        self._waiting.append(self._updates[display])

    def _wait_text(self, frame: Frame, content: dict[str, Any]) -> None:
        name, text = str(content.get("name", "stdout")), str(content.get("text", ""))
        last = self._waiting[-1] if self._waiting else None
        if last is not None and last.kind == "stream" and last.name == name:
            last.texts.append(text)
        else:
            self._waiting.append(_Waiting("stream", frame, name, [text]))

    def _leave_out(self) -> None:
        """What stands before the last `clear_output` is cleared before anybody sees it."""
        self._clears = False
        kinds = [each.kind for each in self._waiting]
        last = len(kinds) - 1 - kinds[::-1].index(_CLEAR)
        # An update may be one of what another cell displays.
        updates = [each for each in self._waiting[:last] if each.kind == _UPDATE]
        self._waiting = [*updates, *self._waiting[last:]]


def _joined(waiting: _Waiting) -> Frame:
    """Several texts as one message, under the id of the first."""
    content = {"name": waiting.name, "text": without_overwritten("".join(waiting.texts))}
    frame = waiting.frame
    return Frame(frame.channel, [*frame.parts[:3], json.dumps(content).encode()])
