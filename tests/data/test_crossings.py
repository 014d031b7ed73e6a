"""Values that home passes on from one kernel to another, without kernels."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from ropeway.data import crossings
from ropeway.data.crossings import Crossings
from ropeway.errors import BadInput, HomeUnreachable, NotFound
from ropeway.wire import Crossing, LedgerEntry

CROSSING = Crossing(
    *("c1", "get", "scores", "companion", "gpu", "asker", "here", "here"),
    notebook="a.ipynb",
    cell="cell1",
)


class Home:
    """Crossings with a ledger that is a list."""

    def __init__(self) -> None:
        self.written: list[LedgerEntry] = []
        self.crossings = Crossings(self.written.append)
        self.asked = 0

    async def stream(self, *pieces: bytes, error: Exception | None = None) -> AsyncIterator[bytes]:
        for piece in pieces:
            self.asked += 1
            yield piece
        if error is not None:
            raise error

    async def take(self) -> bytes:
        return b"".join([piece async for piece in self.crossings.receive("c1", "asker")])


async def test_bytes_pass_in_order_and_are_written_down() -> None:
    """What the one sends the other gets; the ledger has it before the first byte and after the
    last."""
    home = Home()
    home.crossings.begin(CROSSING)
    taking = asyncio.create_task(home.take())
    pieces = home.stream(*[bytes([i]) * 1000 for i in range(50)], b"")
    assert await home.crossings.send("c1", "companion", "pandas.DataFrame", pieces) == 50_000
    assert await taking == b"".join(bytes([i]) * 1000 for i in range(50))
    began, done = home.written
    assert (began.state, began.what, began.value, began.type) == (
        *("began", "get", "scores", "pandas.DataFrame"),
    )
    assert (began.source, began.runtime, began.runtime_class) == ("gpu", "here", "here")
    assert (began.notebook, began.cell) == ("a.ipynb", "cell1")
    assert (done.state, done.bytes_crossed, done.id) == ("done", 50_000, began.id)


@pytest.mark.parametrize(("count", "size", "held"), [(300, 1, 150), (30, 1 << 20, 12)])
async def test_a_slow_receiver_slows_the_sender(count: int, size: int, held: int) -> None:
    """Neither many pieces nor many bytes are held for a receiver that takes nothing."""
    home = Home()
    home.crossings.begin(CROSSING)
    pieces = home.crossings.receive("c1", "asker")
    sending = asyncio.create_task(
        home.crossings.send("c1", "companion", "x", home.stream(*[size * b"a"] * count))
    )
    first = await anext(pieces)
    await asyncio.sleep(0.1)
    assert home.asked < held
    assert len(first) + sum([len(piece) async for piece in pieces]) == count * size
    assert await sending == count * size


@pytest.mark.parametrize(
    ("number", "kernel"), [("c1", "asker"), ("c1", "another"), ("c1", ""), ("c2", "companion")]
)
async def test_only_its_sender_sends(number: str, kernel: str) -> None:
    """Nobody but the kernel that home named can send, and it can once."""
    home = Home()
    home.crossings.begin(CROSSING)
    with pytest.raises(NotFound):
        await home.crossings.send(number, kernel, "x", home.stream(b"a"))
    assert home.written == []


async def test_only_its_receiver_receives_and_once() -> None:
    """Nobody but the kernel that home named gets the value, and nobody gets it twice."""
    home = Home()
    home.crossings.begin(CROSSING)
    for kernel in ("companion", "another", ""):
        with pytest.raises(NotFound):
            home.crossings.receive("c1", kernel)
    home.crossings.receive("c1", "asker")
    with pytest.raises(NotFound):
        home.crossings.receive("c1", "asker")


async def test_a_sender_that_breaks_off_ends_it() -> None:
    """A value that stops in its middle is an error at the other end, never a short value."""
    home = Home()
    home.crossings.begin(CROSSING)
    taking = asyncio.create_task(home.take())
    broken = home.stream(b"a" * 10, error=BadInput("The request ended before its body."))
    with pytest.raises(BadInput):
        await home.crossings.send("c1", "companion", "x", broken)
    with pytest.raises(HomeUnreachable, match="did not come whole"):
        await taking
    assert (home.written[-1].state, home.written[-1].bytes_crossed) == ("failed", 10)
    assert home.written[-1].reason


async def test_a_receiver_that_goes_away_ends_it() -> None:
    """Who stops receiving stops the sender."""
    home = Home()
    home.crossings.begin(CROSSING)
    pieces = home.crossings.receive("c1", "asker")
    sending = asyncio.create_task(
        home.crossings.send("c1", "companion", "x", home.stream(*[b"a"] * 100))
    )
    await anext(pieces)
    await pieces.aclose()
    with pytest.raises(HomeUnreachable, match="receiver went away"):
        await sending
    assert home.written[-1].state == "failed"


async def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender whose receiver never comes, or takes nothing more, is told."""
    monkeypatch.setattr(crossings, "PATIENCE", 0.05)
    home = Home()
    home.crossings.begin(CROSSING)
    with pytest.raises(HomeUnreachable, match="Nobody received"):
        await home.crossings.send("c1", "companion", "x", home.stream(b"a"))
    home.crossings.forget("c1")
    home.crossings.begin(CROSSING)
    pieces = home.crossings.receive("c1", "asker")
    with pytest.raises(HomeUnreachable, match="took nothing"):
        await home.crossings.send("c1", "companion", "x", home.stream(*[b"a"] * 100))
    await pieces.aclose()


async def test_one_that_is_forgotten_ends() -> None:
    """When the cell that asked is gone, whoever still sends or waits is told."""
    home = Home()
    home.crossings.begin(CROSSING)
    taking = asyncio.create_task(home.take())
    await asyncio.sleep(0)
    home.crossings.forget("c1")
    home.crossings.forget("c1")
    with pytest.raises(HomeUnreachable):
        await taking
    with pytest.raises(NotFound):
        await home.take()


async def test_a_sender_that_is_cancelled_is_written_down() -> None:
    """A kernel that ended while it sent leaves `cancelled` in the ledger."""
    home = Home()
    home.crossings.begin(CROSSING)
    home.crossings.receive("c1", "asker")
    sending = asyncio.create_task(
        home.crossings.send("c1", "companion", "x", home.stream(*[b"a"] * 100))
    )
    await asyncio.sleep(0.1)
    sending.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await sending
    assert [each.state for each in home.written] == ["began", "cancelled"]


async def test_so_many_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A crossing has one id, and there is a bound on those under way."""
    monkeypatch.setattr(crossings, "MOST", 2)
    home = Home()
    home.crossings.begin(CROSSING)
    with pytest.raises(BadInput):
        home.crossings.begin(CROSSING)
    for number in ("c2", "c3"):
        with contextlib.suppress(BadInput):
            home.crossings.begin(Crossing(number, *["x"] * 7))
    with pytest.raises(NotFound):
        home.crossings.receive("c3", "x")
