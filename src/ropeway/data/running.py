"""The queries that run, by id: each in its turn, each stoppable, each with a summary after."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from ropeway.data.query import LANES, Answer, Home
from ropeway.errors import NotFound
from ropeway.wire import Dataset, Query, Summary

_REMEMBERED = 256
"""Summaries that are kept after their queries ended."""

_AGAIN = 0.05
"""Seconds between two attempts to stop a query."""

T = TypeVar("T")


class Running:
    """Runs queries of one `Home` in threads; the event loop never waits for the engine."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._slots = asyncio.Semaphore(LANES)
        self._threads = ThreadPoolExecutor(LANES + 2, thread_name_prefix="query")
        self._answers: OrderedDict[str, Answer] = OrderedDict()

    async def datasets(self) -> tuple[Dataset, ...]:
        """What was added at home."""
        return await self._call(self._home.datasets)

    @asynccontextmanager
    async def open(self, query: Query) -> AsyncIterator[tuple[str, AsyncIterator[bytes]]]:
        """The query's id and its chunks, in its turn; leaving the block stops the query.

        Raises `RopewayError` when it may not run; errors of the run come from the iterator.
        """
        async with self._slots:
            answer = await self._call(lambda: self._home.prepare(query))
            self._remember(answer)
            feed = _Feed(answer, self._threads)
            try:
                yield answer.id, feed
            finally:
                await asyncio.shield(feed.stop())

    def summary(self, number: str) -> Summary:
        """What became of a query so far. Raises `NotFound`."""
        return self._find(number).summary()

    async def cancel(self, number: str) -> Summary:
        """Stop a query; returns at once. One that ended stays as it is. Raises `NotFound`."""
        answer = self._find(number)
        if answer.summary().state == "running":
            answer.cancel()
        return answer.summary()

    def close(self) -> None:
        """Stop every query."""
        for answer in self._answers.values():
            if answer.summary().state == "running":
                answer.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _call(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _find(self, number: str) -> Answer:
        if number not in self._answers:
            raise NotFound(f"There is no query {number} at home.")
        return self._answers[number]

    def _remember(self, answer: Answer) -> None:
        self._answers[answer.id] = answer
        while len(self._answers) > _REMEMBERED:
            self._answers.popitem(last=False)


class _Feed(AsyncIterator[bytes]):
    """The chunks of an answer, one ahead of the reader and no more: a slow reader holds two."""

    def __init__(self, answer: Answer, threads: ThreadPoolExecutor) -> None:
        self._answer = answer
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
            while not self._ahead.done():
                if not self._ended:
                    self._answer.cancel()
                await asyncio.wait([ahead], timeout=_AGAIN)
        await asyncio.get_running_loop().run_in_executor(self._threads, self._answer.close)
