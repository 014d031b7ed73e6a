"""A table on its way home: counted as it comes, within the policy's bounds, until it is kept."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date

from ropeway.data.budget import Today, today
from ropeway.data.ledger import entry_of
from ropeway.data.put import Intake
from ropeway.errors import NotSaved, Refused, RopewayError
from ropeway.kernel.words import bytes_text
from ropeway.wire import LedgerEntry, Put, Receipt, Summary, Transfer


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bytes of one put, and of all puts of one runtime in a day of UTC; None for no bound."""

    each: int | None = None
    day: int | None = None


class Quota:
    """What each runtime put today, whatever became of it; `before` is asked once a runtime."""

    def __init__(
        self, before: Callable[[str, date], int], *, day: Callable[[], date] = today
    ) -> None:
        self._came = Today(before, day)
        self._turn = threading.Lock()

    def take(self, put: Put, bounds: Bounds, size: int, more: int) -> None:
        """Count `more` bytes, which make it `size` of a put. Raises `Refused`."""
        with self._turn:
            came = self._came[put.runtime] + more
            self._came.update({put.runtime: came})
        for most, found, span in (
            (bounds.each, size, "in one put"),
            (bounds.day, came, f"from {put.runtime} in a day"),
        ):
            if most is not None and found > most:
                raise Refused(
                    f"The policy of {put.name} lets at most {bytes_text(most)} come home {span}; "
                    f"this would make it {bytes_text(found)} or more.",
                    hint=_HINT,
                    dataset=put.name,
                )


_HINT = (
    "It is decided at home, in ropeway.toml: max_put and put_per_day in the policy of the class. "
    "A day ends at midnight UTC."
)


class Putting:
    """One put, told of and stopped as a query is."""

    def __init__(self, put: Put, bounds: Bounds, quota: Quota) -> None:
        self._put = put
        self._bounds = bounds
        self._quota = quota
        self._entry = replace(entry_of(put, "put", "running"), datasets=(put.name,))
        self.id = self._entry.id
        self._began = time.time()
        self._start = time.monotonic()
        self._size = 0
        self._whole = False
        self._task: asyncio.Task[Receipt] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._why = ""
        self._error: RopewayError | None = None

    async def keep(self, intake: Intake, stream: AsyncIterator[bytes]) -> Receipt:
        """Keep the table that comes. Raises `RopewayError`; then nothing is kept."""
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(intake.take(self._put, self._counted(stream)))
        if self._why:
            self._task.cancel()
        try:
            receipt = await self._task
        except asyncio.CancelledError:
            self._end("cancelled", NotSaved(self._why or "The put was stopped on its way."))
            if not self._why:
                raise
            assert self._error is not None
            raise self._error from None
        except RopewayError as error:
            self._end("refused" if isinstance(error, Refused) else "failed", error)
            raise
        self._end("done", rows=receipt.rows, reason=f"version {receipt.version}")
        return receipt

    def cancel(self, why: str = "The put was cancelled at home.") -> None:
        """Stop it, unless all of it is here. From any thread."""
        if self._whole or self._entry.state != "running":
            return
        self._why = self._why or why
        if self._loop is not None and self._task is not None:
            with suppress(RuntimeError):  # the service ends
                self._loop.call_soon_threadsafe(self._task.cancel)

    def transfer(self) -> Transfer:
        """It and what became of it so far, for people at home."""
        told, put = self.summary(), self._put
        return Transfer(
            self.id,
            self._entry.state,
            self._began,
            "",
            (put.name,),
            put.runtime,
            put.runtime_class,
            put.notebook,
            put.cell,
            put.road,
            told.rows,
            bytes_sent=told.bytes_sent,
            seconds=told.seconds,
            error=told.error,
            what="put",
        )

    def summary(self) -> Summary:
        """What became of it so far, for who puts."""
        entry = self.entry()
        state = "failed" if entry.state == "refused" else entry.state
        error = self._error.to_json() if self._error else None
        return Summary(
            self.id, state, entry.rows, 0, entry.bytes_crossed, entry.seconds, error=error
        )

    def entry(self) -> LedgerEntry:
        """It for the ledger."""
        if self._entry.state != "running":
            return self._entry
        took = round(time.monotonic() - self._start, 6)
        return replace(self._entry, bytes_crossed=self._size, seconds=took)

    async def _counted(self, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for piece in stream:
            self._size += len(piece)
            self._quota.take(self._put, self._bounds, self._size, len(piece))
            yield piece
        self._whole = True

    def _end(self, state: str, error: RopewayError | None = None, **told: object) -> None:
        self._error = error
        if error is not None:
            told["reason"] = error.message
        self._entry = replace(self.entry(), state=state, **told)  # type: ignore[arg-type]
