"""Looking after a journal: it stays small, and its log short."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Iterator

from ropeway.workspace.journal import Journal

log = logging.getLogger(__name__)

CHECKPOINT_SECONDS = 2.0
PRUNE_SECONDS = 600.0


def stale(journal: Journal, days: float, most_bytes: int, total: int) -> Iterator[int]:
    """The runs to be dropped: what is settled and older than so many `days`, and, where `total`
    is beyond `most_bytes`, the oldest. What no notebook holds yet goes last, what runs never.
    """
    aged = journal.runs.aged(time.time() - days * 86400)
    for run in aged:
        total -= journal.messages.size(run)
        yield run
    for run in journal.runs.ended():
        if total <= most_bytes:
            return
        if run not in aged:
            total -= journal.messages.size(run)
            yield run


async def prune(journal: Journal, days: float, most_bytes: int) -> None:
    """Drop what is stale, in small portions."""
    total = await asyncio.to_thread(journal.total)
    for run in list(stale(journal, days, most_bytes, total)):
        more = True
        while more:
            more = journal.drop(run)
            await asyncio.sleep(0)


async def tend(journal: Journal, days: float, most_bytes: int) -> None:
    """Keep a journal small and its log short, until cancelled."""
    due = 0.0
    while True:
        try:
            await asyncio.to_thread(journal.checkpoint)
            if time.monotonic() >= due:
                await prune(journal, days, most_bytes)
                due = time.monotonic() + PRUNE_SECONDS
        except (sqlite3.Error, OSError) as error:
            log.error("the journal cannot be tended: %s", error)
        await asyncio.sleep(CHECKPOINT_SECONDS)
