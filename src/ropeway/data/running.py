"""The queries that run, by id: each in its turn, each stoppable, each with a summary after."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar
from weakref import WeakValueDictionary

from ropeway.data.query import LANES, Answer, Home
from ropeway.errors import NotFound, QueryFailed
from ropeway.wire import Dataset, Query, Summary

_REMEMBERED = 256
"""Summaries that are kept after their queries ended."""

_AGAIN = 0.05
"""Seconds between two attempts to stop a query."""

STUCK = 5.0
"""Seconds after which a query that hears no interrupt counts as stuck."""

READING = 10.0
"""Seconds that the guard may take to read a query."""

LANES_OF_ONE = LANES // 2
"""Queries that one kernel may run at a time: no kernel takes data from all others."""

GiveUp = Callable[[str], None]
"""What to do about work that cannot be stopped from inside: end the process."""

Owner = tuple[str, str]
"""The runtime and the kernel that a query is answered for."""

T = TypeVar("T")


class Running:
    """Runs queries of one `Home` in threads; the event loop never waits for the engine."""

    def __init__(
        self,
        home: Home,
        *,
        seconds: float = 600.0,
        give_up: GiveUp = lambda why: None,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._home = home
        self._seconds = seconds
        self._give_up = give_up
        self._ended = ended
        self._own_slots: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._slots = asyncio.Semaphore(LANES)
        self._threads = ThreadPoolExecutor(LANES + 2, thread_name_prefix="query")
        self._answers: OrderedDict[str, tuple[Owner, Answer]] = OrderedDict()

    async def datasets(self) -> tuple[Dataset, ...]:
        """What was added at home."""
        return await self._call(self._home.datasets)

    @asynccontextmanager
    async def open(self, query: Query) -> AsyncIterator[tuple[str, AsyncIterator[bytes]]]:
        """The query's id and its chunks, in its turn; leaving the block stops the query.

        Raises `RopewayError` when it may not run; errors of the run come from the iterator.
        """
        own = self._own_slots.setdefault(query.kernel, asyncio.Semaphore(LANES_OF_ONE))
        async with own, self._slots:
            try:
                answer = await self._prepare(query)
            except BaseException:
                self._ended()
                raise
            self._remember((query.runtime, query.kernel), answer)
            feed = _Feed(answer, self._threads, self._give_up)
            late = f"The query took longer than {self._seconds:.0f} s."
            limit = asyncio.get_running_loop().call_later(self._seconds, answer.cancel, late)
            try:
                yield answer.id, feed
            finally:
                limit.cancel()
                await asyncio.shield(feed.stop())
                self._ended()

    def summary(self, number: str, owner: Owner | None = None) -> Summary:
        """What became of a query so far. Raises `NotFound`, also when it is not that owner's."""
        return self._find(number, owner).summary()

    async def cancel(self, number: str, owner: Owner | None = None) -> Summary:
        """Stop a query; returns at once. One that ended stays as it is. Raises as `summary`."""
        answer = self._find(number, owner)
        if answer.summary().state == "running":
            answer.cancel()
        return answer.summary()

    def close(self) -> None:
        """Stop every query."""
        for _, answer in self._answers.values():
            if answer.summary().state == "running":
                answer.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _prepare(self, query: Query) -> Answer:
        """The answer, not begun. The guard's parser cannot be interrupted: it gets its time."""
        try:
            async with asyncio.timeout(READING):
                return await self._call(lambda: self._home.prepare(query))
        except TimeoutError:
            self._give_up("a query could not be read in time")
            raise QueryFailed("The query is too complex to be read in time.") from None

    async def _call(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _find(self, number: str, owner: Owner | None) -> Answer:
        whose, answer = self._answers.get(number, (None, None))
        if answer is None or owner not in (None, whose):
            raise NotFound(f"There is no query {number} at home.")
        return answer

    def _remember(self, owner: Owner, answer: Answer) -> None:
        self._answers[answer.id] = owner, answer
        while len(self._answers) > _REMEMBERED:
            self._answers.popitem(last=False)


class _Feed(AsyncIterator[bytes]):
    """The chunks of an answer, one ahead of the reader and no more: a slow reader holds two."""

    def __init__(self, answer: Answer, threads: ThreadPoolExecutor, give_up: GiveUp) -> None:
        self._answer = answer
        self._give_up = give_up
        self._threads = threads
        self._ahead: Future[bytes | None] | None = None
        self._ended = False

    async def __anext__(self) -> bytes:
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
        """Stop the query and let go of the engine, once the engine let go of the query."""
        if self._ahead is not None:
            # Again and again: a query between two steps does not notice an interrupt.
            ahead = asyncio.gather(asyncio.wrap_future(self._ahead), return_exceptions=True)
            begun = time.monotonic()
            while not self._ahead.done():
                if time.monotonic() - begun > STUCK:
                    self._give_up("a query heard no interrupt")
                if not self._ended:
                    self._answer.cancel()
                await asyncio.wait([ahead], timeout=_AGAIN)
        await asyncio.get_running_loop().run_in_executor(self._threads, self._answer.close)
