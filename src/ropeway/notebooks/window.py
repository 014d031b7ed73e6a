"""The window: what of a run's output a cell shows, in the page and in the notebook's file alike.

A cell that prints gigabytes must not take the page with it. Of each run its beginning is shown,
then a note that tells how much more is kept at home and how to see it, and the last lines, which
are kept up to date while the cell runs. Everybody who shows a run looks through its window: the
page that was there all along, the one that comes back, and the author of the file; so they show
the same.

Pure. What is beyond the window is not even decoded.
"""

from __future__ import annotations

import copy
import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ropeway.frames import Part, decoded
from ropeway.kernel.words import bytes_text
from ropeway.notebooks.outputs import Text

NOTE_TYPE = "application/vnd.ropeway.output+json"
"""Our page shows the note with a link to the whole output; all others show its plain text."""

FULL = "full"
"""The type of the journal's mark that it keeps no more text of the run."""

SECONDS_A_LINE = 15e-6
SECONDS_A_CHARACTER = 0.15e-6
"""What JupyterLab's text takes in Chromium on two busy cores."""

_OUTPUTS = ("display_data", "execute_result", "error")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a cell shows at most.

    `characters` and `lines` of printed text and `last` characters of its end; so many `outputs`,
    and further ones only while those before have less than so many `bytes`. Results and errors may
    be `spare` outputs more. A page that shows twice as much text answers a click a second later.
    """

    characters: int = 2_000_000
    lines: int = 20_000
    last: int = 20_000
    outputs: int = 10_000
    spare: int = 100
    bytes: int = 100_000_000


@dataclass(frozen=True, slots=True)
class Said:
    """A message to show; `id` is its own, empty for a part of the message that was taken."""

    kind: str
    content: dict[str, Any]
    id: str = ""


@dataclass(slots=True)
class _Cell:
    """What a cell shows since it was cleared last, and what of the run it does not."""

    extent: _Extent = field(default_factory=lambda: _Extent())
    stream: str = ""
    """The stream to whose text more of it is added."""
    count: int = 0
    bytes: int = 0
    held: int = 0
    left_out: int = 0
    last: _Last | None = None
    has_note: bool = False
    dirty: bool = False


class Window:
    """The window of the run `request` of a cell. `take` its messages in order.

    `source` names notebook and cell as `ropeway output` wants them.
    """

    def __init__(self, request: str, source: str, bounds: Bounds | None = None) -> None:
        self._request = request
        self._source = source
        self._bounds = bounds or Bounds()
        self._full = False
        self._clear_next = False
        self._cleared = 0
        self._cell = _Cell()

    def take(self, kind: str, content: Part) -> Sequence[Said] | None:
        """What is shown in the place of a message: nothing, other messages, or None: itself."""
        if kind == "clear_output":
            self._clear_next = bool(_decoded(content).get("wait"))
            if not self._clear_next:
                self.clear()
        elif kind == "stream":
            self._before_output()
            return self._stream(content)
        elif kind in _OUTPUTS:
            self._before_output()
            return self._output(kind, len(content))
        elif kind == FULL and not self._full:
            self._full = True
            return self._noted()
        return None

    def clear(self) -> None:
        """The cell is empty: what comes is shown from its beginning on."""
        self._cleared += 1
        self._clear_next = False
        self._cell = _Cell()

    @property
    def drawing(self) -> float:
        """Seconds that a page takes, about, to draw the cell's text anew."""
        extent = self._cell.extent
        return extent.lines * SECONDS_A_LINE + extent.characters * SECONDS_A_CHARACTER

    def update(self) -> list[Said]:
        """What brings the note and the last lines up to date."""
        cell = self._cell
        if not cell.dirty:
            return []
        cell.dirty = False
        said = [Said("update_display_data", self._note())]
        if cell.last is not None:
            said.append(Said("update_display_data", self._last_lines(cell.last)))
        return said

    # --- what is shown --------------------------------------------------------------------------

    def _stream(self, content: Part) -> Sequence[Said] | None:
        cell = self._cell
        if cell.last is not None:
            self._hold(cell.last, content)
            return ()
        decoded = _decoded(content)
        name, text = str(decoded.get("name", "stdout")), str(decoded.get("text", ""))
        fits = 0
        if name == cell.stream or cell.count < self._bounds.outputs:
            fits = cell.extent.fitting(text, self._bounds.characters, self._bounds.lines)
            if fits or not text:
                cell.count += name != cell.stream
                cell.stream = name
                cell.extent.write(text[:fits])
            if fits == len(text):
                return None
        if not text:
            return ()
        head = [Said("stream", {**decoded, "text": text[:fits]})] if fits else []
        last = cell.last = _Last(self._bounds.last)
        self._hold(last, json.dumps({"text": text[fits:]}).encode())
        note = self._noted()
        return [*head, *note, Said("display_data", self._last_lines(last), self._id("last"))]

    def _output(self, kind: str, size: int) -> Sequence[Said] | None:
        cell, bounds = self._cell, self._bounds
        cell.stream = ""
        most = bounds.outputs + (0 if kind == "display_data" else bounds.spare)
        if cell.count < most and (cell.bytes < bounds.bytes or kind != "display_data"):
            cell.count += 1
            cell.bytes += size
            return None
        cell.left_out += 1
        return self._noted()

    def _hold(self, last: _Last, content: Part) -> None:
        last.add(bytes(content))
        self._cell.held += len(content)
        self._cell.dirty = True

    def _noted(self) -> list[Said]:
        """The note, where it is not shown yet."""
        self._cell.dirty = True
        if self._cell.has_note:
            return []
        self._cell.has_note = True
        return [Said("display_data", self._note(), self._id("note"))]

    def _before_output(self) -> None:
        if self._clear_next:
            self.clear()

    # --- note and last lines --------------------------------------------------------------------

    def _note(self) -> dict[str, Any]:
        cell, bounds, more = self._cell, self._bounds, []
        if cell.last is not None:
            more.append(f"{bytes_text(cell.held)} of text")
        if cell.left_out:
            most = f"a cell shows {bounds.outputs:,} and {bytes_text(bounds.bytes)}"
            more.append(f"{cell.left_out:,} outputs ({most})")
        lines = [f"[… {' and '.join(more)} more are kept at home …]"] if more else []
        if self._full:
            lines.append("[… home keeps 2 GB of a run: what it says now is kept nowhere …]")
        lines.append(f"[… all of it: ropeway output {self._source} …]")
        text = "\n".join(lines)
        data = {NOTE_TYPE: {"request": self._request, "text": text}, "text/plain": text}
        return self._display("note", data)

    def _last_lines(self, last: _Last) -> dict[str, Any]:
        return self._display("last", {"text/plain": f"[… its last lines …]\n{last.text()}"})

    def _display(self, name: str, data: dict[str, Any]) -> dict[str, Any]:
        return {"data": data, "metadata": {}, "transient": {"display_id": self._id(name)}}

    def _id(self, name: str) -> str:
        """The display's id, and that of the message which shows it: both are the same wherever the
        run is looked at."""
        return f"{self._request}-{self._cleared}-{name}"


class _Last:
    """The end of what was printed; decoded when somebody looks."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._parts: deque[bytes] = deque()
        self._size = 0

    def add(self, content: bytes) -> None:
        """The content of the next stream message."""
        if len(content) > 6 * self._most:  # JSON takes six bytes a character at the most
            text = str(_decoded(content).get("text", ""))[-self._most :]
            content = json.dumps({"text": text}).encode()
        self._parts.append(content)
        self._size += len(content)
        while self._size - len(self._parts[0]) > 6 * self._most:
            self._size -= len(self._parts.popleft())

    def text(self) -> str:
        """Its last characters, from the beginning of a line on where there is one."""
        text = Text()
        for part in self._parts:
            text.write(str(_decoded(part).get("text", "")))
        shown = text.shown
        if len(shown) <= self._most:
            return shown
        shown = shown[-self._most :]
        return shown[shown.find("\n", 0, -1) + 1 :]


class _Extent:
    """How much a text is as a terminal shows it (`outputs.Text`), without the text."""

    def __init__(self) -> None:
        self._finished = 0
        self.lines = 0
        self._line = 0
        self._cursor = 0

    @property
    def characters(self) -> int:
        """How many there are."""
        return self._finished + self._line

    def fitting(self, text: str, characters: int, lines: int) -> int:
        """How many characters of a text may be written, whole lines of it where it is too long."""
        if self.lines + text.count("\n") <= lines:
            after = copy.copy(self)
            after.write(text)
            if after.characters <= characters:
                return len(text)
        fits = min(len(text), max(0, characters - self.characters))
        end = -1
        for _ in range(min(lines - self.lines, text.count("\n", 0, fits))):
            end = text.find("\n", end + 1, fits)
        if end < 0 and self.lines < lines:
            return fits  # within a line that is too long by itself
        return end + 1

    def write(self, text: str) -> None:
        """Take what the stream says next."""
        first, *rest = text.split("\n")
        self._write_line(first)
        for line in rest:
            self._finished += self._line + 1
            self.lines += 1
            self._line = self._cursor = 0
            self._write_line(line)

    def _write_line(self, text: str) -> None:
        if "\r" not in text and "\b" not in text:
            self._put(len(text))
            return
        for character in text:
            if character == "\r":
                self._cursor = 0
            elif character != "\b":
                self._put(1)
            elif self._cursor:
                self._cursor -= 1
                self._line -= 1

    def _put(self, count: int) -> None:
        self._cursor += count
        self._line = max(self._line, self._cursor)


def _decoded(content: Part) -> dict[str, Any]:
    try:
        return decoded(content)
    except ValueError:
        return {}
