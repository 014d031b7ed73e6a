"""Home's end of `google.colab`: what a kernel asks of Colab's page, and who answers.

A kernel publishes a `colab_request`, on stdin it is answered with a `colab_reply`; the package that
Google ships speaks so, and so does ours. What concerns home (secrets, Drive) is answered here and
no page hears of it; the rest is for the page in which the cell runs, and where none is there the
kernel is told at once instead of waiting.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ropeway import wire
from ropeway.data.ledger import entry_of
from ropeway.errors import RopewayError
from ropeway.frames import Frame
from ropeway.workspace.talk import Send

log = logging.getLogger(__name__)

REQUEST_TYPE = "colab_request"

MOST_BYTES = 1_000_000
"""The largest request that a page hears."""

_AT_ONCE = 64
"""Requests of one kernel that are answered at a time; beyond that nobody answers."""

_KEPT = 8
"""Requests that a page has heard and not answered; a kernel that gave up does not say so."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, as home knows it: a kernel, where it runs, and the cell that runs in it."""

    kernel: str
    runtime: str
    runtime_class: str
    notebook: str
    cell: str

    def entry(self, what: str, state: str) -> wire.LedgerEntry:
        """An entry of the ledger about what it asks."""
        asker = wire.Asker(
            self.runtime, self.kernel, self.runtime_class, self.notebook, self.cell, "in-band"
        )
        return entry_of(asker, what, state)


Answer = Callable[[Asker, Any], Awaitable[Any]]
"""From who asks and the request, any JSON, to the answer's `data`. Raises `RopewayError`."""


class ColabRequests:
    """Answers the requests of one kernel.

    `answers` has those of home by their type; `page` tells whether a page is there for the others.
    """

    def __init__(
        self,
        answers: Mapping[str, Answer],
        reply: Send,
        asker: Callable[[], Asker],
        page: Callable[[], bool],
    ) -> None:
        self._answers = answers
        self._reply = reply
        self._asker = asker
        self._page = page
        self._open: OrderedDict[int, Frame] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    def pass_on(self, frame: Frame, client: str) -> Frame | None:
        """A request that pages are to hear, for the one of them that is to answer: that whose
        session is `client`. None, and the kernel is told, where there is none, or it is too large.
        """
        metadata = frame.decoded(2)
        kind, number = str(metadata.get("colab_request_type")), metadata.get("colab_msg_id")
        large = sum(len(part) for part in frame.parts) > MOST_BYTES
        if large or not client or not isinstance(number, int | None):
            if isinstance(number, int):
                why = f"{kind} is too large for a page." if large else _alone(kind)
                self._spawn(self._refuse(number, why))
            return None
        if number is not None:
            self._open[number] = frame
            if len(self._open) > _KEPT:
                self._open.popitem(last=False)
        told = json.dumps({**metadata, "ropeway_client": client}).encode()
        return Frame(frame.channel, [*frame.parts[:2], told, *frame.parts[3:]])

    def answered(self, frame: Frame) -> None:
        """A page says something on stdin: it may be the answer to a request."""
        value = frame.decoded(3).get("value")
        if isinstance(value, dict) and isinstance(number := value.get("colab_msg_id"), int):
            self._open.pop(number, None)

    def unanswered(self, run: str) -> list[Frame]:
        """What a run has asked of a page, as the kernel said it."""
        return [each for each in self._open.values() if each.decoded(1).get("msg_id") == run]

    def handle(self, metadata: dict[str, Any], content: dict[str, Any]) -> bool:
        """Take a request; False where the page is to hear it. Call it in the event loop."""
        kind, number = metadata.get("colab_request_type"), metadata.get("colab_msg_id")
        answer = self._answers.get(str(kind))
        if answer is None and self._page():
            return False
        if len(self._tasks) >= _AT_ONCE:
            log.warning("a kernel asks too much at once: %.50s is not answered", kind)
            return True
        if number is not None and answer is None:
            self._spawn(self._refuse(number, _alone(str(kind))))
        elif number is not None and answer is not None:
            self._spawn(self._say(str(kind), number, answer, content.get("request")))
        return True

    def close(self) -> None:
        """Nothing more is said to the kernel."""
        for task in self._tasks:
            task.cancel()

    def _spawn(self, saying: Any) -> None:
        task = asyncio.create_task(saying)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _say(self, kind: str, number: Any, answer: Answer, request: Any) -> None:
        try:
            data = await answer(self._asker(), request)
        except RopewayError as error:
            await self._refuse(number, str(error))
        except Exception:  # whatever goes wrong at home, the cell must not wait for it
            log.exception("%s could not be answered", kind)
            await self._refuse(number, f"Home could not answer {kind}; its log says why.")
        else:
            await self._tell(number, data=data)

    async def _refuse(self, number: Any, why: str) -> None:
        await self._tell(number, error=why)

    async def _tell(self, number: Any, **said: Any) -> None:
        value = {"type": "colab_reply", "colab_msg_id": number, **said}
        await self._reply({"value": value}, [])


def _alone(kind: str) -> str:
    return f"No page shows this notebook, and {kind} needs one."
