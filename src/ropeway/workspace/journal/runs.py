"""The runs: one execution of one cell each, and whether its notebook's file holds what it said."""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of one cell: `request` is the id of its message, times are seconds since 1970.

    It is *settled* once the notebook's file holds its outputs, or once its user wants other ones
    there. `followed`: whether a page heard its end. `late`: when something was said after that.
    `cleared`: the number of the last message whose output its user has cleared.
    """

    id: int
    kernel: str
    request: str
    path: str
    cell: str
    began: float
    ended: float | None
    count: int | None
    settled: bool
    followed: bool
    late: float | None
    cleared: int


_RUN = "id, kernel, request, path, cell, began, ended, count, settled, followed, late, cleared"


class Runs:
    """The runs in a journal."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._cleared: dict[int, int] = {}

    def begin(self, kernel: str, request: str, path: str, cell: str) -> int | None:
        """A cell is to be run; returns the run's id, or None when it is known already.

        What the cell showed before is of no interest any more. Without a path it is no notebook's.
        """
        made = self._db.execute(
            "INSERT OR IGNORE INTO runs (kernel, request, path, cell, began) VALUES (?,?,?,?,?)",
            (kernel, request, path, cell, time.time()),
        )
        if not made.rowcount:
            return None
        self._db.execute(
            "UPDATE runs SET settled = 1 WHERE path = ? AND cell = ? AND id < ? AND NOT settled",
            (path, cell, made.lastrowid),
        )
        return made.lastrowid

    def end(self, run: int, *, followed: bool = False) -> None:
        """The run is over; `followed`: a page heard so."""
        self._db.execute(
            "UPDATE runs SET ended = ?, followed = ? WHERE id = ? AND ended IS NULL",
            (time.time(), followed, run),
        )

    def end_all(self, kernel: str, *, followed: bool = False) -> None:
        """The kernel ended: so did its runs."""
        for run in self.running(kernel):
            self.end(run.id, followed=followed)

    def heard(self, requests: Sequence[str]) -> None:
        """A page showed these runs to their end."""
        self._db.executemany(
            "UPDATE runs SET followed = 1 WHERE request = ? AND ended IS NOT NULL",
            [(request,) for request in requests],
        )

    def count(self, run: int, count: int | None) -> None:
        """The number in the cell's brackets."""
        self._db.execute("UPDATE runs SET count = ? WHERE id = ?", (count, run))

    def settle(self, run: int) -> None:
        """The notebook's file holds what the run said, or what its user wants there."""
        self._db.execute("UPDATE runs SET settled = 1 WHERE id = ?", (run,))

    def unsettle(self, run: int) -> None:
        """The run goes on to speak after its end, or what it shows has changed."""
        self._db.execute("UPDATE runs SET settled = 0, late = ? WHERE id = ?", (time.time(), run))

    def clear(self, run: int, number: int) -> None:
        """What the run said up to that message was cleared by its user."""
        self._cleared[run] = number
        self._db.execute("UPDATE runs SET cleared = ? WHERE id = ?", (number, run))

    def cleared(self, run: int) -> int:
        """Up to which message the run was cleared in this process's time; 0: it was not."""
        return self._cleared.get(run, 0)

    def find(self, request: str) -> Run | None:
        """The run of a request."""
        return next(self._select("request = ?", request), None)

    def latest(self, kernel: str, request: str) -> Run | None:
        """The run of a kernel's request, if it is the last one of its cell."""
        later = "SELECT 1 FROM runs AS later WHERE later.path = runs.path"
        later += " AND later.cell = runs.cell AND later.id > runs.id"
        where = f"request = ? AND kernel = ? AND NOT EXISTS ({later})"
        return next(self._select(where, request, kernel), None)

    def running(self, kernel: str) -> list[Run]:
        """The runs of a kernel that have not ended, in order."""
        return list(self._select("kernel = ? AND ended IS NULL", kernel))

    def by(self, kernel: str) -> list[Run]:
        """Every run of a kernel that is kept, in order."""
        return list(self._select("kernel = ?", kernel))

    def unsettled(self, path: str, since: float = math.inf) -> list[Run]:
        """What a notebook's file may lack: the last run of each cell, unless that is settled.

        What has ended after `since` is among them even so: a page may lack it.
        """
        return [run for run in self.last(path) if not run.settled or (run.ended or 0) > since]

    def last(self, path: str) -> list[Run]:
        """The last run of each cell of a notebook."""
        last = "SELECT max(id) FROM runs WHERE path = ? GROUP BY cell"
        return list(self._select(f"id IN ({last})", path))

    def of(self, path: str) -> list[Run]:
        """Every run of a notebook's cells that is kept, in order."""
        return list(self._select("path = ?", path))

    def unsettled_paths(self) -> list[str]:
        """The notebooks whose files may lack something."""
        rows = self._db.execute("SELECT DISTINCT path FROM runs WHERE NOT settled AND path != ''")
        return [path for (path,) in rows]

    def kernels(self) -> set[str]:
        """The kernels with runs that have not ended."""
        rows = self._db.execute("SELECT DISTINCT kernel FROM runs WHERE ended IS NULL")
        return {kernel for (kernel,) in rows}

    def settle_all(self, path: str) -> None:
        """A notebook, or a folder of notebooks, is no more."""
        self._db.execute(
            "UPDATE runs SET settled = 1 WHERE path = ? OR substr(path, 1, ?) = ?",
            (path, len(path) + 1, f"{path}/"),
        )

    def rename(self, old: str, new: str) -> None:
        """A notebook, or a folder of notebooks, has another name now."""
        self._db.execute("UPDATE runs SET path = ? WHERE path = ?", (new, old))
        self._db.execute(
            "UPDATE runs SET path = ? || substr(path, ?) WHERE substr(path, 1, ?) = ?",
            (new, len(old) + 1, len(old) + 1, f"{old}/"),
        )

    def aged(self, before: float) -> list[int]:
        """The settled runs that ended before that time, in order."""
        return [run.id for run in self._select("settled AND ended < ?", before)]

    def ended(self) -> list[int]:
        """The runs that have ended: the settled ones first, the oldest first."""
        found = self._select("ended IS NOT NULL", order="settled DESC, id")
        return [run.id for run in found]

    def drop(self, run: int) -> None:
        """Forget a run."""
        self._cleared.pop(run, None)
        self._db.execute("DELETE FROM runs WHERE id = ?", (run,))

    def _select(self, where: str, *values: object, order: str = "id") -> Iterator[Run]:
        statement = f"SELECT {_RUN} FROM runs WHERE {where} ORDER BY {order}"  # noqa: S608 (ours)
        rows = self._db.execute(statement, values)
        for row in rows.fetchall():
            found: dict[str, Any] = dict(zip(_RUN.split(", "), row, strict=True))
            yield Run(**found | {key: bool(found[key]) for key in ("settled", "followed")})
