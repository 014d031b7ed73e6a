"""The workspace's side of the data service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from ropeway import config
from ropeway.errors import HomeUnreachable, QueryFailed, Refused
from ropeway.wire import Query
from ropeway.workspace.data_service import DataService


@pytest.fixture
async def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DataService]:
    monkeypatch.setenv("ROPEWAY_HOME", str(tmp_path / "state"))
    root = tmp_path / "home"
    root.mkdir()
    (root / "sales.csv").write_text("a,b\n1,x\n2,y\n")
    (root / "ropeway.toml").write_text('[datasets.sales]\nsource = "sales.csv"\n')
    found = DataService(root)
    yield found
    await found.stop()


async def ask(service: DataService, sql: str) -> list[dict[str, object]]:
    async with service.query(Query(sql)) as answer:
        body = b"".join([chunk async for chunk in answer.chunks])
    return list(pa.ipc.open_stream(body).read_all().to_pylist())


def kill(service: DataService) -> None:
    """End its process without a word."""
    running = service._process.running()
    assert running is not None
    process = psutil.Process(running.pid)
    process.kill()
    process.wait(5)


async def test_it_starts_at_the_first_question(service: DataService, tmp_path: Path) -> None:
    """No process runs before one is needed; many questions at once start one."""
    state = config.workspace_state_dir(tmp_path / "home") / "data.json"
    assert not state.exists()
    answers = await asyncio.gather(*(ask(service, f"select {i} i") for i in range(5)))
    assert answers == [[{"i": i}] for i in range(5)]
    assert [each.name for each in await service.datasets()] == ["sales"]
    assert state.stat().st_mode & 0o777 == 0o600


async def test_a_second_one_adopts_the_first(service: DataService, tmp_path: Path) -> None:
    """Two workspaces of one folder share the process, and it outlives the one that adopted it."""
    await service.datasets()
    second = DataService(tmp_path / "home")
    assert await ask(second, "select count(*) n from sales") == [{"n": 2}]
    assert not second._process.ours
    await second.stop()
    assert await ask(service, "select 1 a") == [{"a": 1}]


async def test_a_dead_one_is_started_again(service: DataService) -> None:
    """When the process was killed the next question starts another."""
    await service.datasets()
    kill(service)
    assert await ask(service, "select 1 a") == [{"a": 1}]


async def test_a_process_that_dies_midway_is_an_error(service: DataService) -> None:
    """A query whose process dies is not put to the next one; the query after it is answered."""
    sql = "select sum(a.range * b.range) from range(9999999) a, range(99999) b"
    await service.datasets()
    asked = asyncio.create_task(ask(service, sql))
    await asyncio.sleep(0.3)
    kill(service)
    with pytest.raises(HomeUnreachable):
        await asked
    assert await ask(service, "select 1 a") == [{"a": 1}]


async def test_errors_are_themselves(service: DataService) -> None:
    """What the service refuses or fails at is raised here as the same error."""
    with pytest.raises(Refused):
        await ask(service, "select * from 'sales.csv'")
    with pytest.raises(QueryFailed, match="converted"):
        await ask(
            service,
            "select (case when range = 9000000 then 'x' else '1' end)::int v from range(10000000)",
        )


async def test_leaving_stops_the_query(service: DataService) -> None:
    """A query whose reader leaves is cancelled at the engine."""
    sql = "select hash(a.range) from range(100000000) a, range(1000) b"
    async with service.query(Query(sql)) as answer:
        await anext(answer.chunks)
        assert (await service.summary(answer.id)).state == "running"
    for _ in range(100):
        if (await service.summary(answer.id)).state != "running":
            break
        await asyncio.sleep(0.05)
    assert (await service.summary(answer.id)).state == "cancelled"


async def test_cancel_ends_the_stream(service: DataService) -> None:
    """`cancel` makes the reader's iterator raise."""
    sql = "select hash(a.range) from range(100000000) a, range(1000) b"
    async with service.query(Query(sql)) as answer:
        await anext(answer.chunks)
        await service.cancel(answer.id)
        with pytest.raises(QueryFailed, match="cancelled"):
            async for _ in answer.chunks:
                pass


async def test_stop_ends_the_process(service: DataService, tmp_path: Path) -> None:
    """After `stop` neither the process nor its state file is left."""
    await service.datasets()
    running = service._process.running()
    assert running is not None
    await service.stop()
    assert not psutil.pid_exists(running.pid)
    assert not (config.workspace_state_dir(tmp_path / "home") / "data.json").exists()
