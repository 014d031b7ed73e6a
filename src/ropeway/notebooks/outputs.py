"""What a cell shows after the messages of its run: the outputs that belong into the notebook.

Pure, and the same rules as JupyterLab's output area: neighbouring texts of one stream are one
output, a carriage return overwrites the line, `clear_output(wait=True)` clears with the next
output, and an update changes what was displayed under that id.

Source: Jupyter's messaging specification 5.4; `OutputAreaModel` of `@jupyterlab/outputarea`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

LONGEST_LINE = 100_000
"""A longer line ends there: nothing overwrites its beginning any more."""

_DISPLAYS = ("display_data", "execute_result", "update_display_data")


class Text:
    """A text as a terminal shows it: `\\r` and `\\b` move back, what follows overwrites."""

    def __init__(self) -> None:
        self._finished: list[str] = []
        self.line = ""
        self.cursor = 0

    def write(self, text: str) -> None:
        """Take what the stream says next."""
        lines = text.split("\n")
        for line in lines[:-1]:
            self._write_line(line)
            self._finish(self.line + "\n")
        self._write_line(lines[-1])
        if len(self.line) > LONGEST_LINE:
            self._finish(self.line)

    @property
    def shown(self) -> str:
        """The text."""
        return "".join((*self._finished, self.line))

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
                self.cursor = 0
            elif self.cursor:
                self.line = self.line[: self.cursor - 1] + self.line[self.cursor :]
                self.cursor -= 1
        self._put(piece)

    def _put(self, text: str) -> None:
        if self.cursor == len(self.line):  # nearly always
            self.line += text
            self.cursor += len(text)
            return
        end = self.cursor + len(text)
        self.line = self.line[: self.cursor] + text + self.line[end:]
        self.cursor = end

    def _finish(self, text: str) -> None:
        self._finished.append(text)
        self.line, self.cursor = "", 0


def without_overwritten(text: str) -> str:
    """The text without what its carriage returns overwrite, whatever stood in the line before."""
    first, returned, rest = text.partition("\r")
    if not returned or "\b" in text:
        return text
    after = Text()
    after.write(rest)
    back = f"\r{after.line[: after.cursor]}" if after.cursor < len(after.line) else ""
    return f"{first}\r{after.shown}{back}"


class Outputs:
    """The outputs of one run. `feed` it what its window (`notebooks.window`) lets through."""

    def __init__(self) -> None:
        self.count: int | None = None
        """The number in the cell's brackets, once it is known."""
        self._outputs: list[dict[str, Any]] = []
        self._texts: dict[int, Text] = {}
        self._displays: dict[str, list[int]] = {}
        self._clear_next = False

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
            self._outputs.append({"output_type": "error", **fields, "traceback": trace})
        elif kind in _DISPLAYS:
            self._display(kind, content)
        elif kind == "execute_reply":
            self._page(content)

    def to_json(self) -> list[dict[str, Any]]:
        """The outputs as a notebook of format 4 holds them."""
        shown = [
            {**output, "text": self._texts[index].shown} if index in self._texts else output
            for index, output in enumerate(self._outputs)
        ]
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
        self._outputs.append(output)
        if display:
            self._displays.setdefault(display, []).append(len(self._outputs) - 1)

    def _page(self, reply: Mapping[str, Any]) -> None:
        """What a pager would show (`obj?`): its first page is a display."""
        pages = [each for each in reply.get("payload") or () if each.get("source") == "page"]
        if pages and reply.get("status") == "ok":
            self._display("display_data", {"data": pages[0].get("data")})

    def _stream(self, name: str, text: str) -> None:
        last = len(self._outputs) - 1
        if last < 0 or last not in self._texts or self._outputs[last]["name"] != name:
            self._outputs.append({"output_type": "stream", "name": name, "text": ""})
            last += 1
            self._texts[last] = Text()
        self._texts[last].write(text)

    def _before_output(self) -> None:
        if self._clear_next:
            self._clear()

    def _clear(self) -> None:
        self._outputs.clear()
        self._texts.clear()
        self._displays.clear()
        self._clear_next = False


def _display_id(content: Mapping[str, Any]) -> str:
    return str((content.get("transient") or {}).get("display_id") or "")
