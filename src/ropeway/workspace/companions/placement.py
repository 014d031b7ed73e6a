"""Home's end of `%%on`: what one kernel asks of its companions, answered in-band.

See `ropeway.wire` for what is said, and `ropeway.kernel.elsewhere` for the kernel's end.
"""

from __future__ import annotations

import ast
import asyncio
import json
import time
import uuid
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from ropeway import wire
from ropeway.errors import CellFailed, HomeUnreachable, Refused, RopewayError
from ropeway.frames import Frame
from ropeway.kernel.said import Said, joined, pack
from ropeway.notebooks.needs import Need
from ropeway.notebooks.window import FULL
from ropeway.workspace.companions.asker import Asker
from ropeway.workspace.companions.companion import Companion, died
from ropeway.workspace.companions.record import SHOWN
from ropeway.workspace.companions.run import Heard, Run
from ropeway.workspace.talk import HEARTBEAT, PATIENCE, SOON, Talk, still_here

_THERE = "__import__('sys').modules['ropeway.kernel.crossing']"
"""The SDK in a companion, by no name of the user's."""


class Service(Protocol):
    """What is asked of the data service, through which values pass."""

    async def cross(self, crossing: wire.Crossing) -> None:
        """Let a value pass between two kernels."""

    async def crossed(self, number: str) -> None:
        """A crossing has ended."""


if TYPE_CHECKING:
    from ropeway.workspace.companions import Companions

_ENDS = 2.0
"""Seconds that a companion may take to see that its crossing is no more."""

BATCH_MESSAGES = 500
"""Messages that go to the asking kernel together, where they are there already."""

_ENDED_KEPT = 64

AGAIN = 1.0
"""Seconds between two questions how far an asking kernel is: what it said in an outage comes at
once."""

_UNNUMBERED = -1
"""The number of a question that the journal could not keep."""

_BEYOND = (
    "\nRopeway: home keeps 2 GB of what a cell prints elsewhere. What it printed beyond that, "
    "before the workspace was started anew, is lost.\n"
)


class Placements:
    """What the kernel `asker` runs on its companions. Its requests are told apart by their ids."""

    def __init__(self, companions: Companions, asker: Asker, service: Service) -> None:
        self._companions = companions
        self._asker = asker
        self._service = service
        self._under_way: dict[str, _Placement] = {}
        self._ended: deque[str] = deque(maxlen=_ENDED_KEPT)

    async def answer(self, request: wire.Request, talk: Talk, cell: tuple[str, str]) -> None:
        """Do what a request that begins something wants, for a notebook and its `cell`.

        Raises `RopewayError`.
        """
        if request.op == "pick":
            async with still_here(talk):
                found = await self._companions.choices(self._asker, Need(request.memory))
            await talk.say("end", {"choices": [wire.to_json(each) for each in found]})
            return
        if request.runtime == self._asker.runtime:
            await talk.say("end", {"own": True})
            return
        if request.op not in ("send", "get"):
            await self._place(request, talk)
            return
        async with still_here(talk):
            companion, _ = await self._companions.of(self._asker, request.runtime)
        crossing = self._crossing(request, companion, cell)
        await self._cross(crossing, request.runtime, companion, talk)

    def told(self, request: wire.Request) -> None:
        """Take what belongs to a placement under way."""
        placement = self._under_way.get(request.id)
        if placement is not None:
            placement.told(request)

    def has_ended(self, number: str) -> bool:
        """Whether that request was answered to its end just now, whatever still comes for it."""
        return number in self._ended

    def given_up(self, number: str) -> None:
        """The asking kernel hears no more of that request."""
        placement = self._under_way.get(number)
        if placement is not None:
            placement.given_up(number)

    async def over(self, request: wire.Request) -> None:
        """The asking kernel has heard everything of a placement that it wants to hear."""
        await self._companions.over(self._asker, request.runtime, request.id)

    async def _place(self, request: wire.Request, talk: Talk) -> None:
        placement = self._under_way[request.id] = _Placement(self._companions, self._asker, talk)
        if request.op == "place":
            await talk.say("wait", {})
        elif request.op != "there":
            placement.told(request)
        try:
            if await placement.run(request):
                self._ended.append(request.id)
        except RopewayError:
            self._ended.append(request.id)
            raise
        finally:
            del self._under_way[request.id]

    def _crossing(
        self, request: wire.Request, companion: Companion, cell: tuple[str, str]
    ) -> wire.Crossing:
        asker, there = self._asker, request.runtime
        to = there if request.op == "send" else asker.runtime
        return wire.Crossing(
            uuid.uuid4().hex,
            request.op,
            request.name,
            sender=asker.kernel if request.op == "send" else companion.number,
            source=asker.runtime if request.op == "send" else there,
            receiver=companion.number if request.op == "send" else asker.kernel,
            runtime=to,
            runtime_class=self._companions.class_of(to),
            notebook=cell[0],
            cell=cell[1],
        )

    async def _cross(
        self, crossing: wire.Crossing, there: str, companion: Companion, talk: Talk
    ) -> None:
        """Have the companion receive or give a value, while the asking kernel does the other."""
        code = self._companions.may_send_code(crossing.source, crossing.runtime)
        doing = f"receive({crossing.id!r}, {crossing.name!r})"
        if crossing.what == "get":
            doing = f"give({crossing.id!r}, {crossing.name!r}, {code})"
        await self._service.cross(crossing)
        asking = asyncio.create_task(companion.ask(f"{_THERE}.{doing}"))
        try:
            await talk.say("cross", {"id": crossing.id, "pickles": code})
            async with still_here(talk):
                _check(await asking, there)
            await talk.say("end", {})
        finally:
            await self._service.crossed(crossing.id)  # which ends what still sends or waits
            await asyncio.wait({asking}, timeout=_ENDS)
            if not asking.done():
                await companion.interrupt()
                asking.cancel()


def _check(told: Any, runtime: str) -> None:
    """Raises what went wrong at the companion, with the runtime's name before it."""
    if not isinstance(told, str):
        name, value = told.get("ename", "Aborted"), told.get("evalue", "")
        if name == "KeyboardInterrupt":  # meant for a crossing before this one
            raise HomeUnreachable(f"On {runtime}: the crossing was interrupted.")
        raise CellFailed(
            f"On {runtime}: the value could not cross: {name}: {value}",
            hint="Values cross between Python kernels (3.10 or newer) that Ropeway started.",
        )
    if text := ast.literal_eval(told):
        error = json.loads(text)
        raise RopewayError.from_json({**error, "message": f"On {runtime}: {error['message']}"})


class _Placement:
    """A cell that runs on a companion, and what of it is on its way to the asking kernel."""

    def __init__(self, companions: Companions, asker: Asker, talk: Talk) -> None:
        self._companions = companions
        self._asker = asker
        self._talk = talk
        self._companion: Companion | None = None
        self._agreed: asyncio.Future[wire.Request] | None = None
        self._asked_at = 0.0
        self._answers: asyncio.Queue[tuple[int, str | None]] = asyncio.Queue()
        self._asks = 0
        self._interrupted = False
        self._asides: set[asyncio.Task[None]] = set()

    def told(self, request: wire.Request) -> None:
        """What the asking kernel says meanwhile."""
        if request.op == "answer":
            self._answers.put_nowait((request.after or self._asks, request.text))
        elif request.op == "interrupt":
            self._interrupt()
        if self._agreed is not None:
            if request.op != "shown":
                self._ask_how_far()
            elif request.text == self._companions.life and not self._agreed.done():
                self._talk.grant(request.credit)
                self._agreed.set_result(request)
        elif request.op == "there" and not self._asks:  # who asks for input reads only the answer
            self._aside(self._talk.say("wait", {}))

    def given_up(self, placement: str) -> None:
        """The asking kernel hears no more."""
        if self._companion is not None:
            self._aside(self._companion.forget(placement))

    async def run(self, request: wire.Request) -> bool:
        """Run the code to its end, or go on with what was begun. Raises `RopewayError`.

        False when a home before this one was asked, and nobody waits for it any more.
        """
        if request.op != "place" or await self._begun(request):
            agreed = await self._how_far()
            if agreed is None:
                return False
            request = agreed
            if request.runtime == self._asker.runtime:  # only now it is known which one it wants
                await self._talk.say("end", {"own": True})
                return True
        run = await self._run(request)
        assert self._companion is not None
        if self._interrupted:  # before it was known what is
            self._companion.answer(run, None)
            await self._companion.interrupt()
        await self._forward(self._companion, run)
        if run.reply is None:
            raise died(self._companion.runtime)
        told = run.reply | ((run.error or {}) if run.reply.get("status") == "error" else {})
        keys = ("status", "ename", "evalue", "traceback")
        await self._talk.say("end", {key: told[key] for key in keys if key in told})
        return True

    async def _begun(self, request: wire.Request) -> Companion | None:
        return await self._companions.begun(self._asker, request.runtime, request.id)

    async def _run(self, request: wire.Request) -> Run:
        """The run of the code: one that was begun, or a new one."""
        companion = await self._begun(request)
        if companion is not None:
            self._companion = companion
            return companion.go_on(
                request.id, request.code, stdin=request.stdin, after=request.after
            )
        async with still_here(self._talk):
            companion, news = await self._companions.of(self._asker, request.runtime)
        if news:
            await self._say([Said("stream", {"name": "stderr", "text": news})], 0)
        self._companion = companion
        return companion.begin(request.id, request.code, stdin=request.stdin)

    async def _how_far(self) -> wire.Request | None:
        """What the asking kernel wants, and how far it is: it is waiting for a home before this
        one. None when it does not say."""
        self._agreed = asyncio.get_running_loop().create_future()
        self._ask_how_far()
        try:
            return await asyncio.wait_for(self._agreed, PATIENCE)
        except TimeoutError:
            return None
        finally:
            self._agreed = None

    def _ask_how_far(self) -> None:
        if time.monotonic() - self._asked_at > AGAIN:
            self._asked_at = time.monotonic()
            self._aside(self._talk.say("again", {"home": self._companions.life}))

    async def _forward(self, companion: Companion, run: Run) -> None:
        patience = SOON
        while True:
            if found := run.take(BATCH_MESSAGES):
                await self._tell(companion, run, found)
            elif run.ended:
                return
            elif not await companion.wait(run, patience):
                await self._talk.say("wait", {})
            patience = HEARTBEAT

    async def _tell(self, companion: Companion, run: Run, found: list[Heard]) -> None:
        batch: list[Said] = []
        for each in found:
            if each.kind in SHOWN and each.frame is not None:
                batch.append(_said(each.kind, each.frame))
            elif each.kind == FULL:
                batch.append(Said("stream", {"name": "stderr", "text": _BEYOND}))
            elif each.kind == "input_request" and each.frame is not None:
                await self._say(batch, max(each.number - 1, 0))
                batch = []
                # An answer may be in the journal already, or the cell beyond waiting for one.
                if each.number > run.answered and not run.ended:
                    await self._ask(companion, run, each.number, each.frame.decoded(3))
        await self._say(batch, run.after)

    async def _say(self, batch: list[Said], number: int) -> None:
        """Have the asking kernel say these; then it has shown everything up to that message."""
        if not batch:
            return
        data = pack(joined(batch))
        for start in range(0, len(data), wire.CHUNK_BYTES):
            await self._talk.granted()
            last = start + wire.CHUNK_BYTES >= len(data)
            body = {"last": last, "number": number}
            await self._talk.say("said", body, data[start : start + wire.CHUNK_BYTES])

    async def _ask(
        self, companion: Companion, run: Run, number: int, content: dict[str, Any]
    ) -> None:
        """Have the asking kernel ask, and hold everything until there is an answer."""
        self._asks = number or _UNNUMBERED
        body = {"prompt": content.get("prompt", ""), "password": bool(content.get("password"))}
        answer = self._answer_in_hand()
        if answer is None:
            await self._talk.say("ask", {**body, "number": number})
        while answer is None:
            answered, text = await self._answers.get()
            answer = (text,) if answered == self._asks else None
        self._asks = 0
        companion.answer(run, answer[0])

    def _answer_in_hand(self) -> tuple[str | None] | None:
        """The answer to what was asked by a home before this one."""
        while not self._answers.empty():
            answered, text = self._answers.get_nowait()
            if answered == self._asks:
                return (text,)
        return None

    def _interrupt(self) -> None:
        self._interrupted = True
        if self._asks:
            self._answers.put_nowait((self._asks, None))
        if self._companion is not None:
            self._aside(self._companion.interrupt())

    def _aside(self, doing: Any) -> None:
        task = asyncio.ensure_future(doing)
        self._asides.add(task)
        task.add_done_callback(self._asides.discard)


def _said(kind: str, frame: Frame) -> Said:
    return Said(kind, frame.decoded(3), frame.decoded(2), tuple(frame.parts[4:]))


def nested() -> Refused:
    """A companion has no companions."""
    return Refused(
        "This cell runs by %%on already, and such a cell cannot run another one elsewhere.",
        hint="Put the %%on into a cell of the notebook of its own.",
    )
