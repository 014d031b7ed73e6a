"""Which runs show something under which display id, so that an update finds its cells."""

from __future__ import annotations

import sqlite3


class Displays:
    """The display ids in a journal."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, kernel: str, display: str, run: int) -> None:
        """A run showed something under a display id."""
        self._db.execute("INSERT OR IGNORE INTO displays VALUES (?,?,?)", (kernel, display, run))

    def runs(self, kernel: str, display: str) -> list[int]:
        """The runs that showed something under a display id and are the last of their cells."""
        rows = self._db.execute(
            "SELECT run FROM displays JOIN runs ON runs.id = run WHERE displays.kernel = ?"
            " AND display = ? AND NOT EXISTS (SELECT 1 FROM runs AS later WHERE"
            " later.path = runs.path AND later.cell = runs.cell AND later.id > runs.id)",
            (kernel, display),
        )
        return [run for (run,) in rows]

    def drop(self, run: int) -> None:
        """Forget what a run showed."""
        self._db.execute("DELETE FROM displays WHERE run = ?", (run,))
