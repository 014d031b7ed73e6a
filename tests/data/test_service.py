"""The data service as a process and over HTTP."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pyarrow as pa
import pytest

from ropeway.data.http import ROUTES
from ropeway.errors import QueryFailed, RopewayError
from ropeway.wire import Query
from ropeway.workspace.data_service import DataService

LONG = "select a.range x, hash(b.range) y from range(100000000) a, range(1000) b"


class Service:
    def __init__(self, process: subprocess.Popen[bytes], state: Path) -> None:
        self.process = process
        self.state = state
        deadline = time.monotonic() + 30
        while not state.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        self.told = json.loads(state.read_text())
        self.client = httpx.Client(
            base_url=self.told["url"],
            headers={"Authorization": "Bearer " + self.told["token"]},
            trust_env=False,
            timeout=30,
        )


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    root = tmp_path_factory.mktemp("home")
    (root / "sales.csv").write_text("region,amount\n" + "n,1\ns,2\n" * 1000)
    (root / "ropeway.toml").write_text('[datasets.sales]\nsource = "sales.csv"\n')
    state = tmp_path_factory.mktemp("state") / "data.json"
    command = [sys.executable, "-m", "ropeway.data.service", "--root", root, "--state", state]
    with subprocess.Popen(command) as process:
        found = Service(process, state)
        yield found
        found.client.close()
        process.terminate()
        assert process.wait(10) == 0
        assert not state.exists()


def test_the_state_is_private_and_the_token_not_on_the_command_line(service: Service) -> None:
    """The state file is the owner's alone, and the token is in no argument of the process."""
    assert service.state.stat().st_mode & 0o777 == 0o600
    assert service.told["pid"] == service.process.pid
    words = Path(f"/proc/{service.process.pid}/cmdline").read_bytes()
    assert service.told["token"].encode() not in words


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("token", ["", "Bearer", "Bearer wrong", "Basic eDp4"])
def test_every_door_wants_the_token(service: Service, method: str, path: str, token: str) -> None:
    """Without the token each endpoint answers 401 and says nothing else."""
    headers = {"Authorization": token} if token else {}
    response = httpx.request(method, service.told["url"] + path, headers=headers, trust_env=False)
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "token_refused"
    assert "sales" not in response.text


def test_a_query_streams_arrow(service: Service) -> None:
    """`POST /v1/query` answers an Arrow IPC stream, and its summary is kept under its id."""
    body = {"sql": "select region, count(*) n from sales group by region order by 1", "params": {}}
    response = service.client.post("/v1/query", json=body)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/vnd.apache.arrow.stream"
    table = pa.ipc.open_stream(response.content).read_all()
    assert table.to_pylist() == [{"region": "n", "n": 1000}, {"region": "s", "n": 1000}]
    told = service.client.get("/v1/queries/" + response.headers["x-ropeway-query"]).json()
    assert (told["state"], told["rows"], told["bytes_sent"]) == ("done", 2, len(response.content))


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "bad_input"),
        (b"[]", 400, "bad_input"),
        (b'{"params": {}}', 400, "bad_input"),
        (b'{"sql": 1}', 400, "bad_input"),
        (b'{"sql": "select $a"}', 400, "bad_input"),
        (b'{"sql": "select * from nope"}', 404, "unknown_dataset"),
        (b'{"sql": "copy (select 1) to \'x\'"}', 403, "refused"),
        (b'{"sql": "select nope from sales"}', 400, "query_failed"),
    ],
)
def test_errors_before_the_first_byte(
    service: Service, body: bytes, status: int, code: str
) -> None:
    """What cannot be answered has its status and the error as JSON."""
    response = service.client.post("/v1/query", content=body)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


def test_an_error_midway_is_in_the_summary(service: Service) -> None:
    """A query that fails after its first rows ends the answer short, and the summary says why."""
    sql = "select (case when range = 9000000 then 'x' else '1' end)::int v from range(10000000)"
    with service.client.stream("POST", "/v1/query", json={"sql": sql}) as response:
        assert response.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            response.read()
    told = service.client.get("/v1/queries/" + response.headers["x-ropeway-query"]).json()
    assert told["state"] == "failed"
    assert told["error"]["code"] == "query_failed"


def test_delete_cancels(service: Service) -> None:
    """`DELETE /v1/queries/ID` stops a running query at the engine."""
    with service.client.stream("POST", "/v1/query", json={"sql": LONG}) as response:
        number = response.headers["x-ropeway-query"]
        assert service.client.delete("/v1/queries/" + number).status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            response.read()
    assert service.client.get("/v1/queries/" + number).json()["state"] == "cancelled"
    assert service.client.delete("/v1/queries/nope").status_code == 404


def test_a_client_that_leaves_cancels_its_query(service: Service) -> None:
    """Closing the connection stops the query."""
    with service.client.stream("POST", "/v1/query", json={"sql": LONG}) as response:
        number = response.headers["x-ropeway-query"]
    deadline = time.monotonic() + 5
    while service.client.get("/v1/queries/" + number).json()["state"] == "running":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert service.client.get("/v1/queries/" + number).json()["state"] == "cancelled"


async def test_clients_that_leave_early_cost_no_lane(service: Service) -> None:
    """Queries that were given up before their first row do not use up the lanes."""
    sql = "select sum(a.range * b.range) from range(9999999) a, range(99999) b"
    async with httpx.AsyncClient(
        base_url=service.told["url"], headers=service.client.headers, trust_env=False, timeout=30
    ) as client:
        for pause in (0.0, 0.001, 0.005, 0.02, 0.1) * 3:
            asked = asyncio.create_task(client.post("/v1/query", json={"sql": sql}))
            await asyncio.sleep(pause)
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
        answer = await client.post("/v1/query", json={"sql": "select 1 a"})
    assert answer.status_code == 200


def test_a_stalled_reader_stops_the_stream(service: Service) -> None:
    """While a client does not read, no more of the result is made than a few buffers hold."""
    with service.client.stream("POST", "/v1/query", json={"sql": LONG}) as response:
        path = "/v1/queries/" + response.headers["x-ropeway-query"]
        seen = [-1]
        deadline = time.monotonic() + 20
        while True:
            seen.append(service.client.get(path).json()["bytes_sent"])
            if seen[-1] == seen[-2] > 0:
                break
            assert time.monotonic() < deadline
            time.sleep(0.5)
    assert seen[-1] < 64_000_000


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    """When the process that started it is gone, the service ends by itself."""
    state = tmp_path / "data.json"
    code = (
        "import subprocess, sys, time, pathlib\n"
        "subprocess.Popen([sys.executable, '-m', 'ropeway.data.service', '--root', '.', '--state',"
        f" {str(state)!r}])\n"
        f"while not pathlib.Path({str(state)!r}).exists(): time.sleep(0.02)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, timeout=30)
    deadline = time.monotonic() + 15
    while state.exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)


async def test_many_at_once_wait_their_turn(service: Service) -> None:
    """More queries than lanes are all answered, one after the other."""
    async with httpx.AsyncClient(
        base_url=service.told["url"], headers=service.client.headers, trust_env=False, timeout=30
    ) as client:
        asked = [client.post("/v1/query", json={"sql": f"select {i} i"}) for i in range(20)]
        answers = await asyncio.gather(*asked)
    rows = [pa.ipc.open_stream(each.content).read_all().to_pylist()[0]["i"] for each in answers]
    assert rows == list(range(20))


BOMBS = [
    "with a as (" * 40,
    "select " + "(" * 9000,
    "select count(*) from (select unnest(range(3000000000)))",
    "select len(range(2000000000))",
    "select len(format('{:1900000000}', 1) || format('{:1900000000}', 2))",
]


@pytest.fixture
def small(tmp_path: Path) -> DataService:
    """A home whose engine may use little memory."""
    (tmp_path / "ropeway.toml").write_text('[data]\nmemory = "500MB"\n')
    return DataService(tmp_path)


@pytest.mark.parametrize("bomb", BOMBS)
async def test_a_bomb_stays_within_its_memory_and_home_answers_on(
    small: DataService, bomb: str
) -> None:
    """A query that would take all memory fails, and the next one is answered by the same process,
    which took none of it."""
    assert await _all(small, "select 1 a")
    before = small._process.running()
    with pytest.raises(RopewayError):
        await _all(small, bomb)
    assert await _all(small, "select 1 a")
    running = small._process.running()
    assert before is not None
    assert running is not None
    assert running.pid == before.pid
    assert psutil.Process(running.pid).memory_info().rss < 300_000_000
    await small.stop()


async def test_a_query_that_hears_no_interrupt_is_killed(small: DataService) -> None:
    """A query that cannot be stopped from inside ends when nobody wants it any more, and takes
    nothing else along."""
    assert await _first(small, "select 1 a")
    running = small._process.running()
    assert running is not None
    stuck = "select levenshtein(lpad('a', 3000000, 'a'), lpad('b', 3000000, 'b'))"
    asked = asyncio.create_task(_first(small, stuck, kernel="stuck"))
    at_work = await asyncio.to_thread(_busy, running.pid)
    asked.cancel()
    _, still = await asyncio.to_thread(psutil.wait_procs, at_work, 10)
    assert not still
    assert small._process.running() == running
    assert await _first(small, "select 1 a")
    await small.stop()


def _busy(service: int) -> list[psutil.Process]:
    """The workers that have used more than half a second of a processor, once there is one."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        nest = psutil.Process(service).children()[0]
        found = [each for each in nest.children() if each.cpu_times().user > 0.5]
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("no worker works")


async def test_one_kernel_leaves_lanes_to_the_others(small: DataService) -> None:
    """However many queries one kernel holds open, another's is answered."""
    long = "select hash(range) h, random() r from range(100000000)"

    async def hold() -> None:
        async with small.query(Query(long, kernel="greedy")) as answer:
            await anext(answer.chunks)
            await asyncio.sleep(60)

    greedy = [asyncio.create_task(hold()) for _ in range(8)]
    await asyncio.sleep(1)
    async with asyncio.timeout(10):
        assert await _first(small, "select 1 a", kernel="modest")
    for task in greedy:
        task.cancel()
    await asyncio.gather(*greedy, return_exceptions=True)
    await small.stop()


async def test_a_query_has_its_time(tmp_path: Path) -> None:
    """A query that takes longer than `data.seconds` ends with that reason."""
    (tmp_path / "ropeway.toml").write_text("[data]\nseconds = 1\n")
    home = DataService(tmp_path)
    sql = "select sum(a.range * b.range) from range(99999999) a, range(99999) b"
    with pytest.raises(QueryFailed, match="longer than 1 s"):
        await _first(home, sql)
    await home.stop()


async def _all(home: DataService, sql: str) -> bytes:
    async with home.query(Query(sql)) as answer:
        return b"".join([chunk async for chunk in answer.chunks])


async def _first(home: DataService, sql: str, kernel: str = "k") -> bytes:
    async with home.query(Query(sql, kernel=kernel)) as answer:
        return await anext(answer.chunks)
