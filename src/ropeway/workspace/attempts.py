"""Runtimes that are being connected: what goes on, what came of it, and the way to give up.

The first connection to a machine may take minutes, longer than a page or a proxy waits for one
answer. So an attempt runs by itself, and the page asks how far it is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Protocol
from uuid import uuid4

from ropeway import wire
from ropeway.errors import NotFound, RopewayError
from ropeway.workspace.registry import Runtime

KEPT_SECONDS = 600.0
"""How long the end of an attempt is told to who asks."""

MOST_STEPS = 200

log = logging.getLogger(__name__)


class Connect(Protocol):
    """`Registry.connect`."""

    def __call__(
        self,
        text: str,
        token: str = "",
        name: str | None = None,
        options: dict[str, Any] | None = None,
        runtime_class: str = "",
        *,
        tell: Callable[[str], None],
    ) -> Coroutine[Any, Any, Runtime]:
        """Connect what was pasted."""


class Attempt:
    """One attempt, running or over."""

    def __init__(self) -> None:
        self.id = uuid4().hex
        self.steps: list[str] = []
        self.task: asyncio.Task[Runtime] | None = None

    def tell(self, sentence: str) -> None:
        """The next step begins."""
        if len(self.steps) < MOST_STEPS and self.steps[-1:] != [sentence]:
            self.steps.append(sentence)

    def model(self) -> wire.Attempt:
        """How far it is."""
        steps = tuple(self.steps)
        if self.task is None or not self.task.done():
            return wire.Attempt(self.id, "running", steps)
        if self.task.cancelled():
            return wire.Attempt(self.id, "cancelled", steps)
        error = self.task.exception()
        if error is None:
            return wire.Attempt(self.id, "connected", steps, self.task.result().model())
        if not isinstance(error, RopewayError):
            error = RopewayError("It could not be connected; the workspace's log says why.")
        return wire.Attempt(self.id, "failed", steps, error=error.to_json())


class Attempts:
    """The attempts of one workspace. `begin` them, `aclose` them all."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._attempts: dict[str, Attempt] = {}

    def begin(
        self,
        text: str,
        token: str,
        name: str | None,
        options: dict[str, Any],
        runtime_class: str = "",
    ) -> wire.Attempt:
        """Connect what was pasted, in the background."""
        attempt = Attempt()
        connecting = self._connect(text, token, name, options, runtime_class, tell=attempt.tell)
        attempt.task = asyncio.create_task(connecting)
        attempt.task.add_done_callback(lambda task: self._over(attempt, task))
        self._attempts[attempt.id] = attempt
        return attempt.model()

    def get(self, attempt_id: str) -> wire.Attempt:
        """How far an attempt is. Raises `NotFound`."""
        return self._get(attempt_id).model()

    async def cancel(self, attempt_id: str) -> None:
        """Give an attempt up, and forget it; a runtime that is connected already stays so.

        Raises `NotFound`.
        """
        await _ended(self._get(attempt_id))
        self._attempts.pop(attempt_id, None)

    async def aclose(self) -> None:
        """Give all of them up."""
        await asyncio.gather(*map(_ended, self._attempts.values()))

    def _get(self, attempt_id: str) -> Attempt:
        try:
            return self._attempts[attempt_id]
        except KeyError:
            raise NotFound(
                "This workspace knows of no such attempt to connect a runtime.",
                hint="It may have been restarted meanwhile: connect the runtime again.",
            ) from None

    def _over(self, attempt: Attempt, task: asyncio.Task[Runtime]) -> None:
        if not task.cancelled() and not isinstance(task.exception(), RopewayError | None):
            log.error("could not connect a runtime", exc_info=task.exception())
        loop = asyncio.get_running_loop()
        loop.call_later(KEPT_SECONDS, self._attempts.pop, attempt.id, None)


async def _ended(attempt: Attempt) -> None:
    if attempt.task is not None:
        attempt.task.cancel()
        await asyncio.gather(attempt.task, return_exceptions=True)
