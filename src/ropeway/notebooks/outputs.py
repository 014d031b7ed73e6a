"""What a cell shows after the messages of its run: the outputs that belong into the notebook.

Pure, and the same rules as JupyterLab's output area: neighbouring texts of one stream are one
output, a carriage return overwrites the line, `clear_output(wait=True)` clears with the next
output, and an update changes what was displayed under that id.

Source: Jupyter's messaging specification 5.4; `OutputAreaModel` of `@jupyterlab/outputarea`.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Mapping
from typing import Any

SHOWN_CHARACTERS = 10_000_000
"""Characters of one stream output that a notebook holds; its middle is left out beyond them."""

SHOWN_OUTPUTS = 10_000
"""Outputs of one cell that a notebook holds; later ones are counted."""

_DISPLAYS = ("display_data", "execute_result", "update_display_data")


class Text:
    """A stream's text as a terminal shows it: `\\r` and `\\b` move back, what follows overwrites.

    Beyond `most` characters the middle is left out: the beginning says what it was, the end how it
    goes.
    """

    def __init__(self, most: int = SHOWN_CHARACTERS) -> None:
        self._half = most // 2
        self._head: list[str] = []
        self._head_size = 0
        self._tail: deque[str] = deque()
        self._tail_size = 0
        self._left_out = 0
        self._line = ""
        self._cursor = 0

    def write(self, text: str) -> None:
        """Take what the stream says next."""
        lines = text.split("\n")
        for line in lines[:-1]:
            self._write_line(line)
            self._finish(self._line + "\n")
            self._line, self._cursor = "", 0
        self._write_line(lines[-1])
        if len(self._line) > self._half:  # one endless line
            self._finish(self._line)
            self._line, self._cursor = "", 0

    @property
    def shown(self) -> str:
        """The text."""
        note = ""
        if self._left_out:
            note = f"\n[… {self._left_out:,} characters are left out here …]\n"
        return "".join((*self._head, note, *self._tail, self._line))

    def _write_line(self, text: str) -> None:
        if "\r" not in text and "\b" not in text:
            self._put(text)
            return
        piece = ""
        for character in text:
            if character not in "\r\b":
                piece += character
                continue
            self._put(piece)
            piece = ""
            if character == "\r":
                self._cursor = 0
            elif self._cursor:
                self._line = self._line[: self._cursor - 1] + self._line[self._cursor :]
                self._cursor -= 1
        self._put(piece)

    def _put(self, text: str) -> None:
        end = self._cursor + len(text)
        self._line = self._line[: self._cursor] + text + self._line[end:]
        self._cursor = end

    def _finish(self, text: str) -> None:
        if not self._tail and self._head_size + len(text) <= self._half:
            self._head.append(text)
            self._head_size += len(text)
            return
        self._tail.append(text[-self._half :])
        self._left_out += max(0, len(text) - self._half)
        self._tail_size += len(self._tail[-1])
        while self._tail_size > self._half and len(self._tail) > 1:
            gone = len(self._tail.popleft())
            self._tail_size -= gone
            self._left_out += gone


class Outputs:
    """The outputs of one run. `feed` it the run's messages in order."""

    def __init__(self, most: int = SHOWN_OUTPUTS, most_text: int = SHOWN_CHARACTERS) -> None:
        self.count: int | None = None
        """The number in the cell's brackets, once it is known."""
        self._outputs: list[dict[str, Any]] = []
        self._texts: dict[int, Text] = {}
        self._displays: dict[str, list[int]] = {}
        self._clear_next = False
        self._left_out = 0
        self._most = most
        self._most_text = most_text

    def feed(self, kind: str, content: Mapping[str, Any]) -> None:
        """Take a message by its type and content; those that show nothing change nothing."""
        if kind == "execute_input":
            self.count = content.get("execution_count")
        elif kind == "clear_output":
            self._clear_next = bool(content.get("wait"))
            if not self._clear_next:
                self._clear()
        elif kind == "stream":
            self._before_output()
            self._stream(str(content.get("name", "stdout")), str(content.get("text", "")))
        elif kind == "error":
            self._before_output()
            fields = {key: content.get(key, "") for key in ("ename", "evalue")}
            trace = list(content.get("traceback") or [])
            self._add({"output_type": "error", **fields, "traceback": trace})
        elif kind in _DISPLAYS:
            self._display(kind, content)

    def to_json(self) -> list[dict[str, Any]]:
        """The outputs as a notebook of format 4 holds them."""
        shown = [
            {**output, "text": self._texts[index].shown} if index in self._texts else output
            for index, output in enumerate(self._outputs)
        ]
        if self._left_out:
            text = f"[… {self._left_out:,} more outputs are left out here …]\n"
            shown.append({"output_type": "stream", "name": "stderr", "text": text})
        return copy.deepcopy(shown)

    def _display(self, kind: str, content: Mapping[str, Any]) -> None:
        display = _display_id(content)
        shown = {"data": content.get("data") or {}, "metadata": content.get("metadata") or {}}
        if display:
            for index in self._displays.get(display, ()):
                self._outputs[index].update(shown)
        if kind == "update_display_data":
            return
        self._before_output()
        output: dict[str, Any] = {"output_type": kind, **shown}
        if kind == "execute_result":
            output["execution_count"] = content.get("execution_count")
        if self._add(output) and display:
            self._displays.setdefault(display, []).append(len(self._outputs) - 1)

    def _stream(self, name: str, text: str) -> None:
        last = len(self._outputs) - 1
        if last < 0 or last not in self._texts or self._outputs[last]["name"] != name:
            if not self._add({"output_type": "stream", "name": name, "text": ""}):
                return
            last += 1
            self._texts[last] = Text(self._most_text)
        self._texts[last].write(text)

    def _add(self, output: dict[str, Any]) -> bool:
        if len(self._outputs) >= self._most:
            self._left_out += 1
            return False
        self._outputs.append(output)
        return True

    def _before_output(self) -> None:
        if self._clear_next:
            self._clear()

    def _clear(self) -> None:
        self._outputs.clear()
        self._texts.clear()
        self._displays.clear()
        self._clear_next = False
        self._left_out = 0


def _display_id(content: Mapping[str, Any]) -> str:
    return str((content.get("transient") or {}).get("display_id") or "")
