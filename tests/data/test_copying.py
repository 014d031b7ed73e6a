"""Files from elsewhere that a query waits for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from ropeway.data import ledger, remote
from ropeway.data.query import Home
from ropeway.data.running import Running
from ropeway.errors import QueryFailed
from ropeway.wire import Query

TABLE = b"a\n" + b"1\n" * 50_000
ASKED = Query("select count(*) as n from far", runtime="gpu", kernel="k1")


GO_ON = threading.Event()


def slow(file: Any) -> Any:
    """The file, of which the second half comes once it may."""
    read = file.read

    def slowly(size: int = -1) -> Any:
        if file.tell() >= len(TABLE) // 2:
            GO_ON.wait()
        return read(size)

    file.read = slowly
    return file


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A project with the dataset `far`, of which half comes before its store stops."""
    monkeypatch.setattr(remote, "_CHUNK", 1000)
    monkeypatch.setenv("ROPEWAY_HOME", str(tmp_path / "state"))
    MemoryFileSystem().pipe("/far.csv", TABLE)
    opened = MemoryFileSystem.open
    monkeypatch.setattr(MemoryFileSystem, "open", lambda *all, **more: slow(opened(*all, **more)))
    GO_ON.clear()
    (tmp_path / "ropeway.toml").write_text('[datasets.far]\nsource = "memory:///far.csv"\n')
    with Home(tmp_path) as made:
        yield made
    GO_ON.set()
    MemoryFileSystem().rm("/far.csv")


async def half_way(running: Running) -> Any:
    """The one transfer, once half of it came."""
    async with asyncio.timeout(60):
        while True:
            told = running.transfers()
            if told and told[0].bytes_sent >= len(TABLE) // 2:
                return told[0]
            await asyncio.sleep(0.01)


async def test_a_copy_is_shown_while_a_query_waits_for_it(home: Home) -> None:
    """People at home see how much came of how much; then the query itself is there."""
    running = Running(home)

    async def ask() -> None:
        async with running.open(ASKED) as (_, chunks):
            async for _ in chunks:
                pass

    asking = asyncio.create_task(ask())
    told = await half_way(running)
    assert (told.what, told.state, told.datasets) == ("copy", "running", ("far",))
    assert (told.runtime, told.size) == ("gpu", len(TABLE))
    GO_ON.set()
    await asking
    assert [(each.what, each.state) for each in running.transfers()] == [("query", "done")]
    running.close()


async def test_a_copy_can_be_stopped(home: Home, tmp_path: Path) -> None:
    """The query that waits is told that it was cancelled, and the next one copies anew."""
    running = Running(home)
    asking = asyncio.create_task(anext(aiter_of(running)))
    told = await half_way(running)
    await running.cancel(told.id)
    GO_ON.set()
    with pytest.raises(QueryFailed, match="The query was cancelled"):
        await asking
    assert not running.transfers()
    assert list(ledger.read(ledger.folder_of(tmp_path)))[-1].entry.state == "cancelled"
    assert await anext(aiter_of(running))
    running.close()


async def aiter_of(running: Running) -> Any:
    """The chunks of the query."""
    async with running.open(ASKED) as (_, chunks):
        async for chunk in chunks:
            yield chunk
