"""The journal: what kernels said for each cell, on disk before it is shown.

One private SQLite file for each workspace, in WAL mode: whatever kills the process, what was
written is there. Messages of more than 64 kB lie beside it in a file of their run. Bounded: what
the notebooks hold already is dropped after some days, or earlier when there is too much.
"""

from __future__ import annotations

from pathlib import Path

from ropeway import config
from ropeway.workspace.journal import database
from ropeway.workspace.journal.batch import Batch
from ropeway.workspace.journal.displays import Displays
from ropeway.workspace.journal.kernels import KernelRow, Kernels
from ropeway.workspace.journal.messages import Messages
from ropeway.workspace.journal.runs import Run, Runs

__all__ = ["Journal", "KernelRow", "Run"]


class Journal:
    """The journal in the folder `folder`: the runs, what they said and display, and the kernels.

    One thread of one process writes it, in a `batch` what arrives in one go; `close` it. With
    `reading` it is looked at beside its writer, or without one, and from any one thread.
    """

    def __init__(self, folder: Path, *, reading: bool = False) -> None:
        private = folder if reading else config.private_dir(folder)
        self._path = private / "journal.sqlite"
        self._db = database.reading(self._path) if reading else database.opened(self._path)
        self.runs = Runs(self._db)
        self.messages = Messages(self._db, private)
        self.displays = Displays(self._db)
        self.kernels = Kernels(self._db)
        self.batch = Batch(self._db)

    def close(self) -> None:
        """Let go of the file."""
        self.batch.commit()
        self._db.close()

    def drop(self, run: int) -> bool:
        """Drop a part of a run; whether there is more of it."""
        if self.messages.drop(run):
            return True
        self.displays.drop(run)
        self.runs.drop(run)
        return False

    def checkpoint(self) -> None:
        """Bring what was written into the file itself; waits for the disk, so in a thread."""
        database.checkpoint(self._path)

    def total(self) -> int:
        """Bytes that are kept; reads everything, so in a thread."""
        return database.total(self._path)
