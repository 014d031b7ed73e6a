"""Companions without kernels: who may run code where, and what home says of a run."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ropeway import wire
from ropeway.errors import CellFailed, KernelGone, NotFound, Refused
from ropeway.frames import Frame
from ropeway.frames import message as made
from ropeway.kernel.said import unpack
from ropeway.wire import CLASSES
from ropeway.workspace.companions import Asker, Placements, companion_id, is_companion, trust
from ropeway.workspace.companions.companion import Companion, request_id
from ropeway.workspace.companions.record import Record
from ropeway.workspace.journal import Journal
from ropeway.workspace.talk import Talk


@pytest.mark.parametrize("trusted", CLASSES)
@pytest.mark.parametrize("asker", CLASSES)
@pytest.mark.parametrize("target", CLASSES)
def test_code_goes_away_from_home_and_back_only_for_the_trusted(
    asker: str, target: str, trusted: str
) -> None:
    """Code may go to one's own class and farther ones; closer to home only from the class that
    `placement.trusted` names, and from closer ones."""
    outwards = CLASSES.index(target) >= CLASSES.index(asker)
    allowed = outwards or CLASSES.index(asker) <= CLASSES.index(trusted)
    assert trust.may_place(asker, target, trusted) == allowed
    if allowed:
        trust.check(asker, "box", target, trusted)
    else:
        with pytest.raises(Refused) as caught:
            trust.check(asker, "box", target, trusted)
        assert f'placement.trusted = "{asker}"' in str(caught.value.hint)


def test_a_class_that_nobody_knows_is_anybodys() -> None:
    """What home does not know is trusted no more than a public runtime."""
    assert not trust.may_place("strange", "own", "shared")
    assert trust.may_place("own", "strange", "here")
    assert trust.less_trusted("own", "strange") == "strange"
    assert trust.less_trusted("shared", "here") == "shared"


def test_a_companions_id_tells_whose_it_is() -> None:
    """The id is the same for a kernel and a runtime at any time, and no kernel of Jupyter's own
    looks like one."""
    kernel = str(uuid.uuid4())
    number = companion_id(kernel, "gpu")
    assert number == companion_id(kernel, "gpu")
    assert number not in (companion_id(kernel, "vm"), companion_id(str(uuid.uuid4()), "gpu"))
    assert is_companion(number)
    assert not is_companion(kernel)
    assert not is_companion("x")


def message(kind: str, *, buffers: tuple[bytes, ...] = (), **content: Any) -> tuple[Any, ...]:
    return kind, content, buffers


OK = [message("execute_reply", status="ok"), message("status", execution_state="idle")]


class Kernel(Companion):
    """A companion that says what it was given; `None` waits for an answer or an interrupt."""

    def __init__(self, journal: Journal, *says: tuple[Any, ...] | None) -> None:
        self.runtime, self.number = "gpu", companion_id("asker", "gpu")
        self.record = Record(journal, self.number)
        self.says = list(says)
        self.asked: dict[str, Any] = {}
        self.answered: list[str] = []
        self.interrupts = 0
        self.alive = True
        self.told: Any = "''"
        self.expression = ""
        self.uplink = SimpleNamespace(send=self._sent, session_id="link", lossless=True)
        self._settling = set()
        self._go_on = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.idle = asyncio.Event()

    @property
    def _bridge(self) -> Any:
        return self

    def place(self, kind: str, content: dict[str, Any], number: str) -> None:
        self.asked = content
        self._tasks.append(asyncio.ensure_future(self._say(number)))

    def reroute(self, request: str, client: str) -> None:
        pass

    async def _say(self, request: str) -> None:
        for each in self.says:
            if each is None:
                await self._go_on.wait()
            else:
                self.says_to(request, *each)

    def says_to(self, request: str, kind: str, content: Any, buffers: Any) -> None:
        parent = {"msg_id": request}
        frame = made("iopub", kind, content, session="", parent=parent, buffers=buffers)
        self.record.said(frame)

    def _sent(self, frame: Frame) -> None:
        self.answered.append(frame.decoded(3)["value"])
        self._go_on.set()

    async def lives(self) -> bool:
        return self.alive

    async def interrupt(self) -> None:
        self.interrupts += 1
        self._go_on.set()

    async def ask(self, expression: str, *_: Any) -> Any:
        if expression == "shell":  # as the bridge: what comes behind the cell
            await self.idle.wait()
        self.expression = expression
        return self.told


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Home's journal."""
    made = Journal(tmp_path / "journal")
    yield made
    made.close()


class Place:
    """The placements of the kernel `asker` on `here`, one companion, and what the asker hears."""

    life = "life"

    def __init__(self, companion: Kernel, news: str = "", code: bool = True) -> None:
        self.companion = companion
        self.journal = companion.record._journal
        self.news = news
        self.code = code
        self.open: list[wire.Crossing] = []
        self.closed: list[str] = []
        self.heard: list[tuple[wire.Reply, list[bytes]]] = []
        self.talk = Talk("r1", self._reply)
        self.talk.grant(32)
        self.placements = Placements(self, Asker("asker", "here", "here"), self)  # type: ignore[arg-type]

    async def _reply(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        self.heard.append((wire.from_json(wire.Reply, content["value"]["ropeway"]), buffers))

    async def of(self, asker: Asker, runtime: str) -> tuple[Companion, str]:
        assert asker.kernel == "asker"
        return self.companion, self.news

    async def begun(self, asker: Asker, runtime: str, placement: str) -> Companion | None:
        known = self.journal.runs.find(request_id(self.companion.number, placement))
        return self.companion if known else None

    def class_of(self, runtime: str) -> str:
        return {"here": "here", "gpu": "public"}[runtime]

    def may_send_code(self, source: str, to: str) -> bool:
        return self.code

    async def cross(self, crossing: wire.Crossing) -> None:
        self.open.append(crossing)

    async def crossed(self, number: str) -> None:
        self.closed.append(number)

    async def ask(self, op: str = "place", **fields: Any) -> None:
        request = wire.Request("r1", op, **{"runtime": "gpu", **fields})
        await self.placements.answer(request, self.talk, ("a.ipynb", "cell1"))

    def tell(self, op: str, **fields: Any) -> None:
        self.placements.told(wire.Request("r1", op, **fields))

    def kinds(self) -> list[str]:
        return [reply.kind for reply, _ in self.heard if reply.kind != "wait"]

    def said(self) -> list[tuple[str, Any]]:
        found: list[tuple[str, Any]] = []
        batch = b""
        for reply, buffers in self.heard:
            if reply.kind == "said":
                batch += buffers[0]
                if reply.body["last"]:
                    found += [(each.kind, each.content) for each in unpack(batch)]
                    batch = b""
        return found

    @property
    def end(self) -> dict[str, Any]:
        assert self.heard[-1][0].kind == "end"
        return self.heard[-1][0].body


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_its_own_runtime_needs_no_companion(journal: Journal) -> None:
    """A cell for the asker's own runtime is its own business."""
    place = Place(Kernel(journal))
    await place.ask(runtime="here", code="1")
    assert place.end == {"own": True}
    assert place.companion.asked == {}


async def test_what_a_cell_says_comes_in_batches(journal: Journal) -> None:
    """Outputs that are there together go together; what is none of the page's stays at home."""
    companion = Kernel(
        journal,
        message("status", execution_state="busy"),
        message("execute_input", code="x"),
        message("stream", name="stdout", text="a"),
        message("stream", name="stdout", text="b"),
        message("display_data", data={"text/plain": "1"}),
        *OK,
    )
    place = Place(companion, news="It is another one.\n")
    await place.ask(code="x", stdin=True)
    assert (companion.asked["code"], companion.asked["allow_stdin"]) == ("x", True)
    assert place.kinds() == ["said", "said", "end"]
    news, batch = (bytes(buffers[0]) for reply, buffers in place.heard if buffers)
    assert b"It is another one." in news
    (first, *rest) = unpack(batch)
    assert first.content == {"name": "stdout", "text": "ab"}
    assert [each.kind for each in rest] == ["display_data"]
    assert place.end == {"status": "ok"}


async def test_a_large_output_goes_in_pieces(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch of more bytes than a message may have is cut, and its last piece says so; home waits
    for the asker's credit."""
    monkeypatch.setattr(wire, "CHUNK_BYTES", 1000)
    place = Place(Kernel(journal, message("stream", name="stdout", text="x" * 2500), *OK))
    place.talk._credit = 2
    running = asyncio.create_task(place.ask(code="x"))
    await until(lambda: place.kinds() == ["said"] * 2)
    await asyncio.sleep(0.05)
    assert place.kinds() == ["said"] * 2
    place.talk.grant(5)
    await running
    lasts = [reply.body["last"] for reply, _ in place.heard if reply.kind == "said"]
    assert lasts == [False, False, True]
    assert place.said() == [("stream", {"name": "stdout", "text": "x" * 2500})]


async def test_an_error_ends_with_its_traceback(journal: Journal) -> None:
    """The error is no output of its own: the asker raises it, from the end."""
    error = {"ename": "ValueError", "evalue": "x", "traceback": ["line"]}
    reply = message("execute_reply", status="error", ename="ValueError", evalue="x")
    place = Place(Kernel(journal, message("error", **error), reply, OK[1]))
    await place.ask(code="x")
    assert place.kinds() == ["end"]
    assert place.end == {"status": "error", **error}


async def test_a_question_waits_for_its_answer(journal: Journal) -> None:
    """What the companion asks for is asked of the asker, and nothing is said until the answer."""
    place = Place(
        Kernel(journal, message("input_request", prompt="who? ", password=True), None, *OK)
    )
    running = asyncio.create_task(place.ask(code="x"))
    await until(lambda: "ask" in place.kinds())
    question = place.heard[-1][0].body
    assert (question["prompt"], question["password"]) == ("who? ", True)
    before = len(place.heard)
    place.tell("there")
    await asyncio.sleep(0.02)
    assert len(place.heard) == before
    place.tell("answer", text="late", after=question["number"] - 1)
    place.tell("answer", text="ann", after=question["number"])
    await running
    assert place.companion.answered == ["ann"]


async def test_an_interrupt_reaches_the_companion_and_ends_a_question(journal: Journal) -> None:
    """An interrupt is passed on, also while the cell waits for an answer."""
    place = Place(Kernel(journal, message("input_request", prompt="who? "), None, *OK))
    running = asyncio.create_task(place.ask(code="x"))
    await until(lambda: "ask" in place.kinds())
    place.tell("interrupt")
    await running
    assert (place.companion.interrupts, place.companion.answered) == (1, [])


async def test_an_asker_that_gives_up_interrupts_its_cell(journal: Journal) -> None:
    """A run that its asker does not want to hear any more is interrupted at the companion."""
    place = Place(Kernel(journal, None, *OK))
    running = asyncio.create_task(place.ask(code="x"))
    await until(lambda: bool(place.companion.asked))
    place.placements.given_up("r1")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await until(lambda: place.companion.interrupts == 1)


async def taken_up(
    place: Place, before: Place, op: str = "there", *, wants: str = "gpu", **fields: Any
) -> Any:
    """Another process of home, which the asker speaks to once it has shown what came `before`."""
    running = asyncio.create_task(place.ask(op, runtime="", **fields))
    await until(lambda: place.kinds() == ["again"])
    told = [reply.body["number"] for reply, _ in before.heard if reply.kind == "said"]
    shown = {"runtime": wants, "code": "x", "after": max(told, default=0)}
    place.tell("shown", text="the home before that one", **shown)
    place.tell("shown", text=place.heard[-1][0].body["home"], **shown)
    return running


async def begun(place: Place) -> None:
    """The code runs at the companion, and this process of home ends."""
    running = asyncio.create_task(place.ask(code="x", stdin=True))
    await until(lambda: place.companion.asked != {})
    await asyncio.sleep(0.02)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_cell_goes_on_with_another_home(journal: Journal) -> None:
    """Home is killed: its next process says what lies behind what was shown, and the end."""
    first = Place(Kernel(journal, message("stream", name="stdout", text="a")))
    await begun(first)
    assert (first.kinds(), first.companion.interrupts) == (["said"], 0)
    request = request_id(first.companion.number, "r1")
    first.companion.says_to(request, *message("stream", name="stdout", text="b"))
    second = Place(Kernel(journal))
    running = await taken_up(second, first)
    await until(lambda: second.kinds() == ["again", "said"])
    for each in (message("stream", name="stdout", text="c"), *OK):
        second.companion.says_to(request, *each)
    await running
    assert [text["text"] for _, text in second.said()] == ["b", "c"]
    assert second.end == {"status": "ok"}
    assert second.companion.asked == {}


async def test_what_had_ended_meanwhile_ends_with_its_error(journal: Journal) -> None:
    """The cell failed while no home heard the asker: it fails here, with its traceback."""
    first = Place(Kernel(journal))
    await begun(first)
    error = {"ename": "ValueError", "evalue": "x", "traceback": ["line"]}
    reply = message("execute_reply", status="error", ename="ValueError", evalue="x")
    for each in (message("error", **error), reply, OK[1]):
        first.companion.says_to(request_id(first.companion.number, "r1"), *each)
    second = Place(Kernel(journal))
    await (await taken_up(second, first, "interrupt"))
    assert second.end == {"status": "error", **error}


@pytest.mark.parametrize("op", ["there", "answer"])
async def test_a_question_is_asked_again_or_answered(journal: Journal, op: str) -> None:
    """What was asked before home was killed is asked again; the answer to it is one, whichever
    home it reaches."""
    first = Place(Kernel(journal, message("input_request", prompt="who? ")))
    await begun(first)
    number = first.heard[-1][0].body["number"]
    second = Place(Kernel(journal))
    answer = {"text": "ann", "after": number}
    running = await taken_up(second, first, op, **(answer if op == "answer" else {}))
    if op == "there":
        await until(lambda: second.kinds() == ["again", "ask"])
        assert second.heard[-1][0].body["number"] == number
        second.tell("answer", **answer)
    await until(lambda: second.companion.answered == ["ann"])
    for each in OK:
        second.companion.says_to(request_id(first.companion.number, "r1"), *each)
    await running
    assert second.kinds() == (["again", "ask", "end"] if op == "there" else ["again", "end"])


async def test_what_was_never_begun_is_begun(journal: Journal) -> None:
    """Home was killed before it had asked the companion: the next one does, and no one twice."""
    second = Place(Kernel(journal, *OK))
    await (await taken_up(second, second))
    assert (second.companion.asked["code"], second.end) == ("x", {"status": "ok"})


async def test_what_was_lost_on_its_way_is_sent_again(journal: Journal) -> None:
    """Home was killed with the code on its way: when the companion has answered what came behind
    it and said nothing of it, it is sent once more; on a plain server nobody knows."""
    first = Place(Kernel(journal))
    await begun(first)
    second = Place(Kernel(journal, *OK))
    running = await taken_up(second, first)
    await asyncio.sleep(0.02)
    assert second.companion.asked == {}
    second.companion.idle.set()
    await running
    assert (second.companion.asked["code"], second.end) == ("x", {"status": "ok"})


async def test_its_own_runtime_is_known_late(journal: Journal) -> None:
    """What was lost on its way was a cell for the asker's own runtime: it is its own business."""
    place = Place(Kernel(journal))
    await (await taken_up(place, place, wants="here"))
    assert (place.end, place.companion.asked) == ({"own": True}, {})


async def test_a_companion_that_is_gone_is_told(journal: Journal) -> None:
    """It died while no home was there: the cell ends with that."""
    first = Place(Kernel(journal))
    await begun(first)
    first.companion.record.ended()
    second = Place(Kernel(journal))
    with pytest.raises(KernelGone, match="died while the cell ran"):
        await (await taken_up(second, first))


async def test_a_sign_of_life_on_request(journal: Journal) -> None:
    """While a cell runs, `there` is answered with `wait`."""
    place = Place(Kernel(journal, None, *OK))
    running = asyncio.create_task(place.ask(code="x"))
    await until(lambda: bool(place.companion.asked))
    before = len(place.heard)
    place.tell("there")
    await until(lambda: len(place.heard) == before + 1)
    assert place.heard[-1][0].kind == "wait"
    place.tell("interrupt")
    await running


async def test_a_companion_that_dies_ends_its_cell(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dead companion is an error that says what became of its variables."""
    monkeypatch.setattr("ropeway.workspace.companions.companion.LOOK_SECONDS", 0.02)
    place = Place(Kernel(journal, message("stream", name="stdout", text="a"), None))
    place.companion.alive = False
    with pytest.raises(KernelGone, match="died while the cell ran") as caught:
        await place.ask(code="x")
    assert "its variables are gone" in str(caught.value.hint)


@pytest.mark.parametrize("op", ["send", "get"])
async def test_a_value_crosses_between_the_two(journal: Journal, op: str) -> None:
    """Home names both ends itself, tells each of the crossing, and ends it."""
    place = Place(Kernel(journal), code=False)
    await place.ask(op, name="df")
    (crossing,) = place.open
    ends = [("asker", "here", "here"), (companion_id("asker", "gpu"), "gpu", "public")]
    sender, receiver = ends if op == "send" else reversed(ends)
    assert (crossing.sender, crossing.source) == sender[:2]
    assert (crossing.receiver, crossing.runtime, crossing.runtime_class) == receiver
    assert (crossing.what, crossing.name) == (op, "df")
    assert (crossing.notebook, crossing.cell) == ("a.ipynb", "cell1")
    there = {
        "send": f"receive('{crossing.id}', 'df')",
        "get": f"give('{crossing.id}', 'df', False)",
    }
    assert place.companion.expression.endswith(there[op])
    assert place.kinds() == ["cross", "end"]
    assert place.heard[0][0].body == {"id": crossing.id, "pickles": False}
    assert place.closed == [crossing.id]


async def test_what_the_companion_lacks_is_told_with_its_name(journal: Journal) -> None:
    """An error of the companion comes with its runtime's name, and the crossing ends."""
    place = Place(Kernel(journal))
    told = NotFound("There is no variable df.", hint="Set it.").to_json()
    place.companion.told = repr(json.dumps(told))
    with pytest.raises(NotFound, match="On gpu: There is no variable df"):
        await place.ask("get", name="df")
    place.companion.told = {"ename": "KeyError", "evalue": "'ropeway.kernel.crossing'"}
    with pytest.raises(CellFailed, match="On gpu: the value could not cross: KeyError"):
        await place.ask("get", name="df")
    assert len(place.closed) == 2


async def test_a_name_is_never_code(journal: Journal) -> None:
    """Whatever a kernel says that its variable is called, at the companion it is a text."""
    place = Place(Kernel(journal))
    await place.ask("send", name="x'); import os; ('")
    assert place.companion.expression.endswith(", \"x'); import os; ('\")")
