"""Auto-stop of machines that home asked for and that know nothing of it: a Colab VM.

A runtime of Ropeway's own ends by itself (`runtime/idle.py`). Here home has to look: a kernel is in
use while a cell runs. It counts from when this workspace began to look, or last saw something run.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Hashable, Iterator
from typing import Any
from weakref import WeakKeyDictionary

from ropeway.duration import words
from ropeway.errors import RopewayError
from ropeway.workspace.registry import Registry, Runtime
from ropeway.workspace.sessions import on_runtime

log = logging.getLogger(__name__)

BUSY = "busy"


class Quiet:
    """Since when nothing has run on one runtime; `now` is of a clock that only goes forward."""

    def __init__(self) -> None:
        self._marks: frozenset[Hashable] | None = None
        self._since = 0.0

    def seconds(self, marks: frozenset[Hashable], now: float) -> float:
        """How long it is quiet; `marks` are other ones whenever something has run, and hold `BUSY`
        while something runs."""
        if marks != self._marks or BUSY in marks:
            self._marks, self._since = marks, now
        return now - self._since


async def stop_idle(registry: Registry, every: float) -> None:
    """Stop what was idle for as long as its provider's `stop_idle` says, until cancelled."""
    quiet: WeakKeyDictionary[Runtime, Quiet] = WeakKeyDictionary()
    while True:
        await asyncio.sleep(every)
        for runtime in list(registry.runtimes.values()):
            longest = runtime.provider.stop_idle
            if not longest:
                continue
            known = quiet.setdefault(runtime, Quiet())
            if known.seconds(frozenset(_marks(runtime)), time.monotonic()) >= longest:
                await _stop(runtime, longest)


def _marks(runtime: Runtime) -> Iterator[Hashable]:
    """Of this workspace's notebooks what home itself saw: to measure them is no use of them."""
    if runtime.running is None:
        yield BUSY  # nobody knows
    ours = {each.remote_id: each for each in on_runtime(runtime.name).values()}
    for remote_id, model in (runtime.running or {}).items():
        kernel = ours.get(remote_id)
        watched: Any = kernel.parent if kernel else None
        if kernel and not kernel.linked:
            yield BUSY
        if getattr(watched, "_activity_stream", None) is not None:
            yield remote_id, watched.last_activity
            yield watched.execution_state
        else:  # a stranger's, or one that runs cells of other runtimes
            yield remote_id, model.get("last_activity")
            yield model.get("execution_state")


async def _stop(runtime: Runtime, longest: float) -> None:
    log.warning("nothing ran on %s for %s: it is stopped", runtime.name, words(longest))
    runtime.provider.why_stopped = f"was stopped after {words(longest)} without a running cell"
    try:
        async with runtime.turn:
            await runtime.provider.stop()
    except RopewayError as error:
        log.warning("%s cannot be stopped: %s", runtime.name, error)
    runtime.wake.set()
