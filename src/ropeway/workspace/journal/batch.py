"""What arrives in one go is one transaction, and nobody sees it before it is on disk."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

MOST_WRITES = 64
MOST_SECONDS = 0.005
"""So long may the first message of a batch wait for the others."""


class Batch:
    """The transaction that is open now, if any: it ends by itself once nothing more arrives."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._waiting: list[Callable[[], None]] = []
        self._writes = 0
        self._looked = 0
        self._began = 0.0
        self._handle: asyncio.Handle | None = None

    def open(self) -> None:
        """What is written next belongs to a batch. Needs a running event loop."""
        if self._writes >= MOST_WRITES:
            self.commit()
        if not self._db.in_transaction:
            self._db.execute("BEGIN IMMEDIATE")
        if self._handle is None:
            self._began = time.monotonic()
            self._handle = asyncio.get_running_loop().call_soon(self._look)
        self._writes += 1

    def then(self, show: Callable[[], None]) -> None:
        """Call `show` once what was written before is on disk, in the order of these calls."""
        if self._handle is None:
            show()
        else:
            self._waiting.append(show)

    def commit(self) -> None:
        """Bring the batch to an end now. What cannot be written is logged, and shown."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._writes = self._looked = 0
        waiting, self._waiting = self._waiting, []
        try:
            if self._db.in_transaction:
                self._db.commit()
        except sqlite3.Error as error:
            log.error("the journal cannot keep what kernels said: %s", error)
            self._db.rollback()
        for show in waiting:
            try:
                show()
            except Exception as error:  # noqa: BLE001 (one odd message must not keep the others)
                log.warning("a message cannot be shown: %r", error)

    def _look(self) -> None:
        more = self._writes > self._looked
        if more and time.monotonic() - self._began < MOST_SECONDS:
            self._looked = self._writes
            self._handle = asyncio.get_running_loop().call_soon(self._look)
        else:
            self.commit()
