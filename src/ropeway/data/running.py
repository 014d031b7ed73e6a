"""The queries and puts under way, by id: each in its turn and stoppable, with a summary after."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar
from weakref import WeakValueDictionary

from ropeway.data.answer import Answer, Chunk
from ropeway.data.copying import Copying
from ropeway.data.putting import Putting
from ropeway.data.query import LANES, Home
from ropeway.errors import NotFound
from ropeway.wire import Dataset, Put, Query, Receipt, Seen, Summary, Transfer

_REMEMBERED = 256
"""Summaries that are kept after their queries ended."""

LATE = 5.0
"""Seconds beyond its time after which a query ends, even if its reader takes nothing."""

LANES_OF_ONE = LANES // 2
"""Queries that one kernel may run at a time: no kernel takes data from all others."""

Owner = tuple[str, str]
"""The runtime and the kernel that a query is answered for."""

T = TypeVar("T")


class Ended:
    """What is told of a query that ended."""

    def __init__(self, summary: Summary, transfer: Transfer) -> None:
        self._summary = summary
        self._transfer = transfer

    def summary(self) -> Summary:
        """What became of it."""
        return self._summary

    def transfer(self) -> Transfer:
        """The same for people at home."""
        return self._transfer

    def cancel(self) -> None:
        """It stays as it is."""


class Running:
    """Runs queries of one `Home` in threads; the event loop never waits for the engine."""

    def __init__(self, home: Home, *, seconds: float = 600.0) -> None:
        self._home = home
        self._seconds = seconds
        self._own_slots: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._slots = asyncio.Semaphore(LANES)
        self._threads = ThreadPoolExecutor(LANES + 2, thread_name_prefix="query")
        self._answers: dict[str, tuple[Owner, Answer | Putting | Copying | Ended]] = {}

    async def datasets(self, runtime_class: str = "here") -> tuple[Dataset, ...]:
        """What was added at home, as that class of runtime may see it."""
        return await self._call(lambda: self._home.datasets(runtime_class))

    @asynccontextmanager
    async def open(self, query: Query) -> AsyncIterator[tuple[Answer, AsyncIterator[Chunk]]]:
        """The query's answer and its chunks, in its turn; leaving the block stops the query.

        Raises `RopewayError` when it may not run; errors of the run come from the iterator.
        """
        own = self._own_slots.setdefault(query.kernel, asyncio.Semaphore(LANES_OF_ONE))
        theirs = self._own_slots.setdefault(f"{query.runtime}/", asyncio.Semaphore(LANES - 1))
        async with own, theirs, self._slots:
            answer = await self._prepared(query)
            self._remember((query.runtime, query.kernel), answer)
            feed = _Feed(answer, self._threads)
            seconds = min(self._seconds, answer.seconds or self._seconds)
            late = f"The query took longer than {seconds:.0f} s."
            loop = asyncio.get_running_loop()
            limit = loop.call_later(seconds, loop.run_in_executor, None, answer.cancel, late)
            try:
                async with asyncio.timeout(seconds + LATE):
                    yield answer, feed
            finally:
                limit.cancel()
                await asyncio.shield(feed.stop())
                self._ended(answer)

    async def put(self, put: Put, stream: AsyncIterator[bytes]) -> Receipt:
        """Keep a table at home. Raises `RopewayError`; then nothing is kept."""
        putting = await asyncio.to_thread(self._home.putting, put)
        self._remember((put.runtime, put.kernel), putting)
        try:
            return await putting.keep(self._home.intake, stream)
        finally:
            self._ended(putting)
            # It counts once it is written down; that goes on where nobody waits for it any more.
            await asyncio.shield(asyncio.to_thread(self._home.write, putting.entry()))

    async def seen(self, name: str) -> tuple[Seen, ...]:
        """What each class of runtimes sees of a dataset. Raises `UnknownDataset`."""
        return await self._call(lambda: self._home.seen(name))

    def transfers(self) -> list[Transfer]:
        """The queries and puts under way and those that ended last, the newest first."""
        return [answer.transfer() for _, answer in reversed(list(self._answers.values()))]

    def summary(self, number: str, owner: Owner | None = None) -> Summary:
        """What became of a query so far. Raises `NotFound`, also when it is not that owner's."""
        return self._find(number, owner).summary()

    async def cancel(self, number: str, owner: Owner | None = None) -> Summary:
        """Stop one of them; returns at once. What ended stays as it is. Raises as `summary`."""
        answer = self._find(number, owner)
        await asyncio.to_thread(answer.cancel)
        return answer.summary()

    def close(self) -> None:
        """Stop every query."""
        for _, answer in list(self._answers.values()):
            answer.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _call(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _prepared(self, query: Query) -> Answer:
        """An answer, not begun; while files are copied for it, that is shown in its place."""
        copying = Copying(query, partial(self._remember, (query.runtime, query.kernel)))
        try:
            return await self._call(lambda: self._home.prepare(query, copying))
        finally:
            copying.cancel()
            self._answers.pop(copying.id, None)

    def _find(self, number: str, owner: Owner | None) -> Answer | Putting | Copying | Ended:
        whose, answer = self._answers.get(number, (None, None))
        if answer is None or owner not in (None, whose):
            raise NotFound(f"There is no query {number} at home.")
        return answer

    def _remember(self, owner: Owner, answer: Answer | Putting | Copying) -> None:
        self._answers[answer.id] = owner, answer

    def _ended(self, answer: Answer | Putting) -> None:
        """Keep what is told of it, and no more of those that ended than some."""
        owner, _ = self._answers[answer.id]
        self._answers[answer.id] = owner, Ended(answer.summary(), answer.transfer())
        over = [number for number, (_, each) in self._answers.items() if isinstance(each, Ended)]
        for number in over[: max(0, len(over) - _REMEMBERED)]:
            del self._answers[number]


class _Feed(AsyncIterator[Chunk]):
    """The chunks of an answer, one ahead of the reader and no more: a slow reader holds two."""

    def __init__(self, answer: Answer, threads: ThreadPoolExecutor) -> None:
        self._answer = answer
        self._threads = threads
        self._ahead: Future[Chunk | None] | None = None
        self._ended = False

    async def __anext__(self) -> Chunk:
        if self._ended:
            raise StopAsyncIteration
        ahead = self._ahead or self._threads.submit(next, self._answer, None)
        self._ahead = ahead
        chunk = await asyncio.wrap_future(ahead)
        if chunk is None:
            self._ended = True
            raise StopAsyncIteration
        self._ahead = self._threads.submit(next, self._answer, None)
        return chunk

    async def stop(self) -> None:
        """Stop the query, and wait until its worker let go of it."""
        if self._ahead is not None and not self._ended:
            self._answer.cancel()
            await asyncio.gather(asyncio.wrap_future(self._ahead), return_exceptions=True)
        await asyncio.get_running_loop().run_in_executor(self._threads, self._answer.close)
