"""What the widgets of kernels show, kept at home: a page is told while the kernel is busy.

One private SQLite file: the last value of each attribute of each widget, from the messages with
which kernel and pages tell each other. Nothing grows with their number.

Source: ipywidgets' "Widget messaging protocol", version 2.1.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ropeway import config
from ropeway.frames import Part

MOST_BYTES = 500_000_000
"""What is kept of the widgets of one kernel. One with more is asked itself, once it is free."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS kernels (kernel TEXT PRIMARY KEY, size INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS widgets (
  kernel TEXT NOT NULL, widget TEXT NOT NULL, name TEXT NOT NULL,
  value TEXT, buffers TEXT NOT NULL DEFAULT '[]', bytes BLOB NOT NULL DEFAULT x'',
  PRIMARY KEY (kernel, widget, name));
"""


@dataclass(frozen=True, slots=True)
class State:
    """Attributes of a widget as its messages hold them: JSON, and buffers with their places."""

    values: dict[str, Any]
    paths: Sequence[Sequence[Any]] = ()
    buffers: Sequence[Part] = ()


class Widgets:
    """The widgets of a workspace's kernels, in the folder `folder`; `close` it.

    A kernel is *known* while nothing of what its widgets said can have been missed.
    """

    def __init__(self, folder: Path) -> None:
        path = config.private_dir(folder) / "widgets.sqlite"
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # SQLite's other files follow it
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")  # a crash of the machine ends kernels too
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def begin(self, kernel: str) -> None:
        """A kernel starts, or starts anew: it has no widgets."""
        self.forget(kernel)
        self._db.execute("INSERT INTO kernels (kernel) VALUES (?)", (kernel,))

    def forget(self, kernel: str) -> None:
        """The kernel is no more, or something of it was missed."""
        self._db.execute("DELETE FROM kernels WHERE kernel = ?", (kernel,))
        self._db.execute("DELETE FROM widgets WHERE kernel = ?", (kernel,))

    def forget_others(self, kernels: Iterable[str]) -> None:
        """Only these kernels are left."""
        left = set(kernels)
        for (kernel,) in self._db.execute("SELECT kernel FROM kernels").fetchall():
            if kernel not in left:
                self.forget(kernel)

    def known(self, kernel: str) -> bool:
        """Whether everything is here that the kernel's widgets show."""
        found = self._db.execute("SELECT size FROM kernels WHERE kernel = ?", (kernel,)).fetchone()
        return found is not None and found[0] <= MOST_BYTES

    def change(self, kernel: str, widget: str, state: State) -> None:
        """A widget has these values now. Raises `ValueError` where buffers have no place."""
        if not self.known(kernel):
            return
        rows = [
            (kernel, widget, name, *_packed(name, state))
            for name in {*state.values, *(str(path[0]) for path in state.paths)}
        ]
        grown = sum(len(row[3] or "") + len(row[5]) for row in rows)
        self._db.execute("BEGIN")
        for row in rows:
            grown -= self._size(*row[:3])
            self._db.execute("INSERT OR REPLACE INTO widgets VALUES (?,?,?,?,?,?)", row)
        self._grow(kernel, grown)
        self._db.execute("COMMIT")

    def remove(self, kernel: str, widget: str) -> None:
        """A widget was closed."""
        found = self._db.execute(
            "SELECT sum(coalesce(length(value), 0) + length(bytes)) FROM widgets"
            " WHERE kernel = ? AND widget = ?",
            (kernel, widget),
        )
        self._grow(kernel, -int(found.fetchone()[0] or 0))
        self._db.execute("DELETE FROM widgets WHERE kernel = ? AND widget = ?", (kernel, widget))

    def state(self, kernel: str, widget: str, names: Iterable[str]) -> State:
        """Some attributes of a widget."""
        rows = self._db.execute(
            "SELECT widget, name, value, buffers, bytes FROM widgets"
            " WHERE kernel = ? AND widget = ? AND name IN (SELECT value FROM json_each(?))",
            (kernel, widget, json.dumps(list(names))),
        )
        return _unpacked(rows).get(widget, State({}))

    def states(self, kernel: str) -> dict[str, State]:
        """Every widget of a kernel with all its attributes."""
        rows = self._db.execute(
            "SELECT widget, name, value, buffers, bytes FROM widgets WHERE kernel = ?", (kernel,)
        )
        return _unpacked(rows)

    def with_value(self, kernel: str, name: str, value: Any) -> list[str]:
        """The widgets of which an attribute has a value."""
        rows = self._db.execute(
            "SELECT widget FROM widgets WHERE kernel = ? AND name = ? AND value = ?",
            (kernel, name, json.dumps(value)),
        )
        return [widget for (widget,) in rows]

    def _size(self, kernel: str, widget: str, name: str) -> int:
        found = self._db.execute(
            "SELECT coalesce(length(value), 0) + length(bytes) FROM widgets"
            " WHERE kernel = ? AND widget = ? AND name = ?",
            (kernel, widget, name),
        ).fetchone()
        return int(found[0]) if found else 0

    def _grow(self, kernel: str, by: int) -> None:
        self._db.execute("UPDATE kernels SET size = size + ? WHERE kernel = ?", (by, kernel))


def _packed(name: str, state: State) -> tuple[str | None, str, bytes]:
    """The columns of one attribute; one that is a buffer and nothing else has no value."""
    value = json.dumps(state.values[name]) if name in state.values else None
    own = [
        (list(path), bytes(buffer))
        for path, buffer in zip(state.paths, state.buffers, strict=True)
        if path[0] == name
    ]
    places = [[path, len(buffer)] for path, buffer in own]
    return value, json.dumps(places), b"".join(buffer for _, buffer in own)


def _unpacked(rows: Iterable[tuple[str, str, str | None, str, bytes]]) -> dict[str, State]:
    values: dict[str, dict[str, Any]] = {}
    paths: dict[str, list[list[Any]]] = {}
    buffers: dict[str, list[bytes]] = {}
    for widget, name, value, places, content in rows:
        own = values.setdefault(widget, {})
        if value is not None:
            own[name] = json.loads(value)
        start = 0
        for path, length in json.loads(places):
            paths.setdefault(widget, []).append(path)
            buffers.setdefault(widget, []).append(content[start : start + length])
            start += length
    return {
        widget: State(own, paths.get(widget, []), buffers.get(widget, []))
        for widget, own in values.items()
    }
