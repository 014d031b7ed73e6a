"""Puts under way: told of, stopped, and held within the policy's bounds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from ropeway.data import ledger
from ropeway.data.query import Home
from ropeway.data.running import Running
from ropeway.errors import NotSaved, Refused
from ropeway.wire import LedgerEntry, Put

POLICY = """
[policy.own]
allow = "rows"
put = true
max_put = "20 kB"
put_per_day = "50 kB"
"""


def table(size: int) -> bytes:
    """An Arrow stream of about as many bytes."""
    sink = pa.BufferOutputStream()
    found = pa.table({"v": range(size // 8)})
    with pa.ipc.new_stream(sink, found.schema) as writer:
        writer.write_table(found)
    return bytes(sink.getvalue())


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 4096):
        yield data[start : start + 4096]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "ropeway.toml").write_text(POLICY)
    return tmp_path


@pytest.fixture
def home(project: Path) -> Iterator[Home]:
    with Home(project) as made:
        yield made


def last(project: Path) -> LedgerEntry:
    """What the ledger says at its end."""
    return list(ledger.read(ledger.folder_of(project)))[-1].entry


async def test_a_put_is_told_of_and_can_be_stopped(home: Home, project: Path) -> None:
    """While a table comes, people at home see its bytes and may stop it; then nothing is kept."""
    running, data, come = Running(home), table(400_000), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield data[:100_000]
        come.set()
        await asyncio.Event().wait()

    taking = asyncio.create_task(running.put(Put("scores", runtime="here", kernel="k1"), slow()))
    await come.wait()
    (told,) = running.transfers()
    assert (told.what, told.state, told.datasets) == ("put", "running", ("scores",))
    assert told.bytes_sent == 100_000
    await running.cancel(told.id)
    with pytest.raises(NotSaved, match="cancelled at home"):
        await taking
    assert running.summary(told.id, ("here", "k1")).state == "cancelled"
    assert not home.intake.shelf.versions("scores")
    assert (last(project).state, last(project).bytes_crossed) == ("cancelled", 100_000)
    running.close()


async def test_a_put_has_its_bound(home: Home, project: Path) -> None:
    """A table with more bytes than the policy lets come is refused while it comes."""
    running = Running(home)
    with pytest.raises(Refused, match=r"at most 20 kB come home in one put"):
        await running.put(Put("scores", runtime_class="own"), pieces(table(40_000)))
    assert not home.intake.shelf.versions("scores")
    assert (last(project).what, last(project).state) == ("put", "refused")
    assert 20_000 < last(project).bytes_crossed < 30_000
    await running.put(Put("scores"), pieces(table(40_000)))  # the class `here` has no bound
    assert (last(project).state, last(project).reason) == ("done", "version 1")
    running.close()


async def test_a_day_has_its_bound(home: Home, project: Path) -> None:
    """What a runtime puts in a day counts under whatever name, and beyond a restart of home."""
    running, gpu = Running(home), {"runtime": "gpu", "runtime_class": "own"}
    for name in ("a", "b"):
        await running.put(Put(name, **gpu), pieces(table(19_000)))
    running.close()
    with Home(project) as again:
        running = Running(again)
        with pytest.raises(Refused, match="at most 50 kB come home from gpu in a day"):
            await running.put(Put("c", **gpu), pieces(table(19_000)))
        with pytest.raises(Refused, match="in a day"):
            await asyncio.to_thread(again.putting, Put("d", **gpu))
        await running.put(Put("c", runtime="box", runtime_class="own"), pieces(table(19_000)))
        running.close()
