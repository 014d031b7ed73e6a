"""A query that waits while files from elsewhere are copied home, told of as one that runs is."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence

from ropeway.data.copies import Stopped
from ropeway.wire import Query, Summary, Transfer


class Copying:
    """Is called with datasets, bytes and their number in all (0 where nobody knows) as they come.

    `begun` is called once, with the first bytes.
    """

    def __init__(self, query: Query, begun: Callable[[Copying], None]) -> None:
        self.id = uuid.uuid4().hex
        self._query = query
        self._begun: Callable[[Copying], None] | None = begun
        self._began = time.time()
        self._start = time.monotonic()
        self._datasets: tuple[str, ...] = ()
        self._came = self._size = 0
        self._why = ""

    def __call__(self, datasets: Sequence[str], came: int, size: int) -> None:
        """So much came. Raises `Stopped` once nobody wants it any more."""
        self._datasets, self._came, self._size = tuple(sorted(set(datasets))), came, size
        begun, self._begun = self._begun, None
        if begun is not None:
            begun(self)
        if self._why:
            raise Stopped(self._why)

    def cancel(self, why: str = "The query was cancelled.") -> None:
        """Copy no further. From any thread."""
        self._why = self._why or why

    def transfer(self) -> Transfer:
        """How far it is, for people at home."""
        query = self._query
        return Transfer(
            self.id,
            "running",
            self._began,
            query.sql,
            self._datasets,
            query.runtime,
            query.runtime_class,
            query.notebook,
            query.cell,
            query.road,
            bytes_sent=self._came,
            seconds=round(time.monotonic() - self._start, 6),
            what="copy",
            size=self._size,
        )

    def summary(self) -> Summary:
        """The same for who asks."""
        return Summary(self.id, "running", seconds=round(time.monotonic() - self._start, 6))
