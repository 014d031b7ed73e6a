"""The in-band road, home's end, without a kernel: what it says and when it stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ropeway import wire
from ropeway.errors import Refused
from ropeway.workspace import inband, talk
from ropeway.workspace.data_service import Answered
from ropeway.workspace.inband import InBand


class Home:
    """A data service whose answers are `chunks`; it notes what was asked and what was stopped."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = chunks
        self.asked: list[wire.Query] = []
        self.open = 0
        self.endless = False
        self.puts: list[wire.Put] = []
        self.pieces: list[bytes] = []
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def datasets(self, runtime_class: str) -> tuple[wire.Dataset, ...]:
        return (wire.Dataset("sales", (wire.Column("a", "BIGINT"),)),)

    @asynccontextmanager
    async def query(self, query: wire.Query) -> AsyncIterator[Answered]:
        self.asked.append(query)
        if query.sql == "refuse":
            raise Refused("No.")
        self.open += 1
        try:
            yield Answered("q1", self._stream(), "e1", unchanged=query.etag == "e1")
        finally:
            self.open -= 1

    async def _stream(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk
        while self.endless:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def put(self, put: wire.Put, stream: AsyncIterator[bytes]) -> wire.Receipt:
        self.puts.append(put)
        async for piece in stream:
            self.pieces.append(piece)
            await self.may_go_on.wait()
        return wire.Receipt(put.name, 1, 3, 42)

    async def artefacts(self, asker: wire.Asker, question: bytes) -> bytes:
        if question == b"refuse":
            raise Refused("No.")
        return f"{asker.runtime} {asker.kernel} ".encode() + question

    async def summary(self, number: str) -> wire.Summary:
        return wire.Summary(number, "done", rows=7)


class Kernel:
    """Collects what a kernel would receive."""

    def __init__(self, home: Home) -> None:
        self.got: list[tuple[wire.Reply, list[bytes]]] = []
        self.in_band = InBand(home, "gpu", "k1", self.reply)

    async def reply(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        self.got.append((wire.from_json(wire.Reply, content["value"]["ropeway"]), buffers))

    def ask(self, *buffers: bytes, **fields: Any) -> None:
        self.in_band.handle({"v": wire.PROTOCOL, "id": "r1", "op": "query", **fields}, buffers)

    def granted(self) -> int:
        return sum(reply.body["credit"] for reply, _ in self.got if reply.kind == "more")

    def kinds(self) -> list[str]:
        return [reply.kind for reply, _ in self.got]


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_a_query_is_answered_in_order() -> None:
    """`wait`, `head`, `data` and `end` come numbered from 0, and `end` holds the summary."""
    home = Home(b"abc", b"def")
    kernel = Kernel(home)
    kernel.ask(sql="select 1", params={"a": 1})
    await until(lambda: "end" in kernel.kinds())
    assert kernel.kinds() == ["wait", "head", "data", "end"]
    assert [reply.seq for reply, _ in kernel.got] == [0, 1, 2, 3]
    assert kernel.got[1][0].body == {"etag": "e1"}
    assert kernel.got[2][1] == [b"abcdef"]
    assert kernel.got[3][0].body["rows"] == 7
    asked = wire.Query("select 1", {"a": 1}, "gpu", "k1", "public", road="in-band")
    assert home.asked == [asked]


async def test_the_asker_is_homes_own_knowledge() -> None:
    """A kernel cannot say that it is another one or runs elsewhere."""
    home = Home()
    kernel = Kernel(home)
    kernel.ask(sql="x", runtime="here", kernel="other")
    await until(lambda: "end" in kernel.kinds())
    assert (home.asked[0].runtime, home.asked[0].kernel) == ("gpu", "k1")


async def test_no_buffer_is_larger_than_a_message_may_be() -> None:
    """A large answer is cut into buffers of at most 4 MB that are the same bytes."""
    whole = bytes(range(256)) * 40_000
    kernel = Kernel(Home(whole, whole[:7]))
    kernel.ask()
    await until(lambda: "end" in kernel.kinds())
    buffers = [buffers[0] for reply, buffers in kernel.got if reply.kind == "data"]
    assert all(len(buffer) <= wire.CHUNK_BYTES for buffer in buffers)
    assert b"".join(buffers) == whole + whole[:7]


async def test_data_waits_for_credit() -> None:
    """Home sends as many data replies as it has credit for, then waits for more."""
    kernel = Kernel(Home(*[b"x" * wire.CHUNK_BYTES] * 5))
    kernel.ask(credit=2)
    await asyncio.sleep(0.1)
    assert kernel.kinds() == ["wait", "head", "data", "data"]
    kernel.ask(op="more", credit=1)
    await asyncio.sleep(0.1)
    assert kernel.kinds().count("data") == 3
    kernel.ask(op="more", credit=9)
    await until(lambda: "end" in kernel.kinds())
    assert kernel.kinds().count("data") == 5


async def test_cancel_stops_the_query_at_home() -> None:
    """`cancel` leaves the query's block at the data service and nothing more is said."""
    home = Home(b"x")
    home.endless = True
    kernel = Kernel(home)
    kernel.ask()
    await until(lambda: home.open == 1)
    kernel.ask(op="cancel")
    await until(lambda: home.open == 0)
    assert "end" not in kernel.kinds()


async def test_close_stops_everything() -> None:
    """After `close` no query runs and no request is taken."""
    home = Home()
    home.endless = True
    kernel = Kernel(home)
    for number in range(3):
        kernel.ask(id=f"r{number}")
    await until(lambda: home.open == 3)
    kernel.in_band.close()
    await until(lambda: home.open == 0)
    kernel.ask(id="late")
    await asyncio.sleep(0.05)
    assert len(home.asked) == 3


async def test_a_flood_is_bounded() -> None:
    """More requests at a time than a kernel may have are refused, and so are their answers."""
    home = Home()
    home.endless = True
    kernel = Kernel(home)
    for number in range(1000):
        kernel.ask(id=f"r{number}")
    await until(lambda: home.open == inband.MAX_REQUESTS)
    errors = [reply for reply, _ in kernel.got if reply.kind == "error"]
    assert 0 < len(errors) <= inband.MAX_REQUESTS
    assert errors[0].body["code"] == "refused"
    kernel.in_band.close()


async def test_a_refusal_is_an_error_reply() -> None:
    """What the data service refuses reaches the kernel as that error."""
    kernel = Kernel(Home())
    kernel.ask(sql="refuse")
    await until(lambda: "error" in kernel.kinds())
    assert kernel.got[-1][0].body["code"] == "refused"


async def test_datasets_are_listed() -> None:
    """`datasets` is answered by `end` with their names and columns."""
    kernel = Kernel(Home())
    kernel.ask(op="datasets")
    await until(lambda: "end" in kernel.kinds())
    listed = kernel.got[0][0].body["datasets"]
    assert [wire.from_json(wire.Dataset, each).name for each in listed] == ["sales"]


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"v": 1},
        {"v": 1, "id": "", "op": "query"},
        {"v": 1, "id": 3, "op": "query"},
        {"v": 1, "id": "r", "op": "dance"},
        {"v": 1, "id": "r", "op": "query", "sql": 1},
        {"v": 1, "id": "r", "op": "query", "params": []},
        {"v": 1, "id": "r", "op": "query", "credit": 0},
        {"v": 1, "id": "r", "op": "query", "credit": 10**9},
        {"v": 1, "id": "r", "op": "query", "credit": True},
        {"v": 1, "id": "r", "op": "pick", "memory": -1},
        {"v": 1, "id": "r", "op": "pick", "memory": "16GB"},
    ],
)
async def test_malformed_requests_get_an_error(content: dict[str, Any]) -> None:
    """A request that is none is answered with an error and disturbs nothing."""
    kernel = Kernel(Home())
    kernel.in_band.handle(content)
    await until(lambda: bool(kernel.got))
    assert kernel.kinds() == ["error"]


async def test_another_version_is_told_so() -> None:
    """A kernel of another version learns both versions and what to do."""
    kernel = Kernel(Home())
    kernel.in_band.handle({"v": 99, "id": "r", "op": "query"})
    await until(lambda: bool(kernel.got))
    body = kernel.got[0][0].body
    assert (body["code"], "99" in body["message"]) == ("protocol", True)
    assert "Restart" in body["hint"]


async def test_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a query takes long, home says `wait` now and then."""
    monkeypatch.setattr(talk, "HEARTBEAT", 0.02)
    home = Home()
    home.endless = True
    kernel = Kernel(home)
    kernel.ask()
    await until(lambda: kernel.kinds().count("wait") >= 2)
    assert [reply.seq for reply, _ in kernel.got] == list(range(len(kernel.got)))
    kernel.in_band.close()


async def test_a_kernel_that_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A query does not wait for ever for a kernel that grants no credit."""
    monkeypatch.setattr(talk, "PATIENCE", 0.05)
    home = Home(*[b"x" * wire.CHUNK_BYTES] * 3)
    kernel = Kernel(home)
    kernel.ask(credit=1)
    await until(lambda: "error" in kernel.kinds())
    assert home.open == 0


async def test_an_answer_that_is_unchanged_is_its_end() -> None:
    """A query that names the answer which the kernel has is answered without data."""
    kernel = Kernel(Home(b"abc"))
    kernel.ask(etag="e1")
    await until(lambda: "end" in kernel.kinds())
    assert kernel.kinds() == ["wait", "end"]
    assert kernel.got[1][0].body == {"cached": True}


async def test_a_put_is_taken_piece_by_piece() -> None:
    """The pieces reach the data service in order, as home's own kernel's; `end` is the receipt."""
    home = Home()
    kernel = Kernel(home)
    kernel.ask(op="put", name="scores", if_exists="error", kernel="other")
    await until(lambda: kernel.granted() == inband.PUT_CREDIT)
    for number in range(20):
        await until(lambda number=number: kernel.granted() > number)
        kernel.ask(bytes([number]), op="piece")
    kernel.ask(op="whole")
    await until(lambda: "end" in kernel.kinds())
    assert home.puts == [wire.Put("scores", "error", "gpu", "k1", "public", road="in-band")]
    assert b"".join(home.pieces) == bytes(range(20))
    assert kernel.got[-1][0].body == {"name": "scores", "version": 1, "rows": 3, "bytes": 42}


async def test_a_put_waits_for_home() -> None:
    """While home takes nothing no more pieces are granted than may be on their way."""
    home = Home()
    home.may_go_on.clear()
    kernel = Kernel(home)
    kernel.ask(op="put", name="scores", if_exists="error")
    await until(lambda: kernel.granted() == inband.PUT_CREDIT)
    for _ in range(inband.PUT_CREDIT):
        kernel.ask(b"x", op="piece")
    await asyncio.sleep(0.1)
    assert kernel.granted() == inband.PUT_CREDIT
    home.may_go_on.set()
    await until(lambda: kernel.granted() > inband.PUT_CREDIT)
    kernel.in_band.close()


@pytest.mark.parametrize(("size", "count"), [(1, 5), (wire.CHUNK_BYTES + 1, 1)])
async def test_a_put_beyond_its_credit_is_ended(size: int, count: int) -> None:
    """More pieces than were granted, or one that is too large, end the put."""
    home = Home()
    home.may_go_on.clear()
    kernel = Kernel(home)
    kernel.ask(op="put", name="scores", if_exists="error")
    await until(lambda: kernel.granted() == inband.PUT_CREDIT)
    for _ in range(count):
        kernel.ask(b"x" * size, op="piece")
    home.may_go_on.set()
    await until(lambda: "error" in kernel.kinds())
    assert kernel.got[-1][0].body["code"] == "protocol"
    kernel.ask(b"x", op="piece")  # of no request any more


async def test_a_put_that_pauses_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that sends no more of its table does not hold home for ever."""
    monkeypatch.setattr(inband, "PATIENCE", 0.05)
    kernel = Kernel(Home())
    kernel.ask(op="put", name="scores", if_exists="error")
    await until(lambda: "error" in kernel.kinds())
    assert kernel.got[-1][0].body["code"] == "home_unreachable"


@pytest.mark.parametrize("question", [b"open", b"refuse"])
async def test_a_thread_is_answered_beside_the_cell(question: bytes) -> None:
    """What a thread asks about artefacts is answered where no cell waits, by an error too."""
    beside: list[tuple[wire.Reply, list[bytes]]] = []

    async def answer(content: dict[str, Any], buffers: list[bytes]) -> None:
        beside.append((wire.from_json(wire.Reply, content["value"]["ropeway"]), buffers))

    kernel = Kernel(Home())
    kernel.in_band = InBand(Home(), "gpu", "k1", kernel.reply, beside=answer)
    kernel.ask(question, op="artefacts", runtime="here")
    await until(lambda: len(beside) == 2)
    assert kernel.got == []
    assert beside[0][0].kind == "wait"
    last, buffers = beside[1]
    if question == b"open":
        assert (last.kind, buffers) == ("end", [b"gpu k1 open"])
    else:
        assert (last.kind, last.body["code"]) == ("error", "refused")


class Placed:
    """What runs elsewhere; it notes what it is asked and told."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def answer(self, request: wire.Request, talk: Any, cell: tuple[str, str]) -> None:
        self.heard.append(f"answers {request.op}")
        await asyncio.sleep(60)

    def told(self, request: wire.Request) -> None:
        self.heard.append(f"told {request.op}")

    def has_ended(self, number: str) -> bool:
        return number == "done"

    def given_up(self, number: str) -> None:
        self.heard.append("given up")

    async def over(self, request: wire.Request) -> None:
        self.heard.append("over")


async def test_an_end_that_was_not_heard_is_said_again() -> None:
    """Who knocks for a placement that has ended has not heard so."""
    kernel, placed = Kernel(Home()), Placed()
    kernel.in_band = InBand(Home(), "gpu", "k1", kernel.reply, placements=placed)  # type: ignore[arg-type]
    kernel.ask(op="there", id="done")
    await until(lambda: placed.heard == ["answers there"])
    kernel.in_band.close()


async def test_a_placement_of_an_earlier_home_is_taken_up() -> None:
    """What belongs to a placement that this home does not know begins it; what comes late for one
    that has ended is left."""
    kernel, placed = Kernel(Home()), Placed()
    kernel.in_band = InBand(Home(), "gpu", "k1", kernel.reply, placements=placed)  # type: ignore[arg-type]
    kernel.ask(op="interrupt", id="done")
    kernel.ask(op="there")
    await asyncio.sleep(0)
    kernel.ask(op="interrupt")
    kernel.ask(op="over")
    await until(lambda: placed.heard[-1] == "over")
    assert placed.heard == ["answers there", "told interrupt", "given up", "over"]
    kernel.ask(op="shown", after=-1)
    await until(lambda: kernel.kinds() == ["error"])
    kernel.in_band.close()
