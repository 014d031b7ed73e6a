"""What a kernel's grant opens at the data service, and what it does not."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import pytest_asyncio

from ropeway.data import body, http
from ropeway.data.grants import Given
from ropeway.data.putting import Putting
from ropeway.data.query import Home
from ropeway.errors import Refused
from ropeway.wire import Crossing, Put, Query, to_json
from ropeway.workspace.data_service import DataService
from ropeway.workspace.door import Door

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG = "select a.range x, hash(b.range) y from range(100000000) a, range(1000) b"


@dataclass
class Place:
    """A home with its door, and two kernels that may ask."""

    data: DataService
    door: Door
    ann: Given
    bob: Given

    def client(self, word: str) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {word}"} if word else {}
        return httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.door.port}",
            headers=headers,
            trust_env=False,
            timeout=20,
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    root = tmp_path_factory.mktemp("home")
    (root / "sales.csv").write_text("region,amount\n" + "n,1\ns,2\n" * 1000)
    (root / "ropeway.toml").write_text('[datasets.sales]\nsource = "sales.csv"\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROPEWAY_HOME", str(tmp_path_factory.mktemp("state")))
        data = DataService(root)
    door = Door(data)
    await door.open()
    ann, bob = (data.grants.give("gpu", name, "own") for name in ("ann", "bob"))
    yield Place(data, door, ann, bob)
    await door.aclose()
    await data.stop()


@asynccontextmanager
async def running(place: Place, held: Given) -> AsyncIterator[str]:
    """A long query of a kernel, for as long as the block; its id."""
    async with (
        place.client(held.text) as client,
        client.stream("POST", "/v1/query", json={"sql": LONG}) as response,
    ):
        assert response.status_code == 200
        yield response.headers["x-ropeway-query"]


async def test_a_grant_opens_what_a_kernel_needs(place: Place) -> None:
    """With a grant a kernel asks, sees its own query and stops it, and lists the datasets."""
    async with place.client(place.ann.text) as client:
        assert (await client.get("/v1/health")).json() == {"v": 1}
        assert (await client.get("/v1/datasets")).json()["datasets"][0]["name"] == "sales"
        answer = await client.post("/v1/query", json={"sql": "select count(*) n from sales"})
        assert answer.status_code == 200
        path = "/v1/queries/" + answer.headers["x-ropeway-query"]
        assert (await client.get(path)).json()["state"] == "done"
    async with running(place, place.ann) as number, place.client(place.ann.text) as client:
        stopped = await client.delete(f"/v1/queries/{number}")
        assert stopped.status_code == 200


async def test_a_kernel_at_home_alone_hears_the_port_of_the_service(place: Place) -> None:
    """The greeting names the port to a kernel of `here`, which gets its answers there as well; a
    kernel elsewhere has no use for it and does not hear it."""
    held = place.data.grants.give("here", "cyd", "here")
    async with place.client(held.text) as client:
        told = (await client.get("/v1/health")).json()
    assert told == {"v": 1, "port": await place.data.port()}
    assert told["port"] != place.door.port
    headers = {"Authorization": f"Bearer {held.text}"}
    async with httpx.AsyncClient(headers=headers, trust_env=False) as client:
        answer = await client.get(f"http://127.0.0.1:{told['port']}/v1/datasets")
    assert answer.json()["datasets"][0]["name"] == "sales"
    held.take_back()


@pytest.mark.parametrize(("method", "path"), http.ROUTES)
async def test_without_a_grant_every_door_is_shut(place: Place, method: str, path: str) -> None:
    """No word, a wrong one, an odd or a huge one: 401 and nothing else."""
    forged = place.ann.text[:-4] + "AAAA"
    for word in ("", "x", ".", forged, place.ann.text + "x", "é", "x" * 12_000):
        async with place.client("") as client:
            headers = {"Authorization": f"Bearer {word}".encode()} if word else {}
            answer = await client.request(method, path, headers=headers)  # type: ignore[arg-type]
        assert answer.status_code == 401, word
        assert answer.json()["error"]["code"] == "token_refused"
        assert "sales" not in answer.text


async def test_queries_of_another_kernel_are_not_there(place: Place) -> None:
    """Another kernel's query can neither be looked at nor stopped: it does not exist for it."""
    async with running(place, place.ann) as number, place.client(place.bob.text) as client:
        for method in ("GET", "DELETE"):
            answer = await client.request(method, f"/v1/queries/{number}")
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
            missing = await client.request(method, "/v1/queries/nope")
            assert missing.json()["error"]["message"] == (
                answer.json()["error"]["message"].replace(number, "nope")
            )
        assert (await place.data.summary(number)).state == "running"


async def test_a_kernel_cannot_claim_to_be_another(place: Place) -> None:
    """Runtime and kernel of a query are the grant's, whatever the body says."""
    body = {"sql": "select 1 a", "runtime": "here", "kernel": "bob"}
    async with place.client(place.ann.text) as ann, place.client(place.bob.text) as bob:
        answer = await ann.post("/v1/query", json=body)
        path = "/v1/queries/" + answer.headers["x-ropeway-query"]
        assert (await bob.get(path)).status_code == 404
        assert (await ann.get(path)).status_code == 200


async def test_the_engine_hears_the_grants_kernel(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What reaches the only road to an engine names the grant's runtime and kernel."""
    asked: list[Query] = []

    def prepare(self: Home, query: Query, watch: Any) -> Any:
        asked.append(query)
        raise Refused("No.")

    monkeypatch.setattr(Home, "prepare", prepare)
    app = http.App(Home(tmp_path), "token", place.data.grants)
    body = {"sql": "select 1", "runtime": "here", "kernel": "bob"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://home"
    ) as client:
        for word in (place.ann.text, "token"):
            headers = {"Authorization": f"Bearer {word}"}
            answer = await client.post("/v1/query", json=body, headers=headers)
            assert answer.status_code == 403
    assert [(q.runtime, q.kernel) for q in asked] == [("gpu", "ann"), ("here", "bob")]
    app.close()


async def test_a_door_that_is_added_later_opens_to_no_grant(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An endpoint that nobody thought about for grants is none for a kernel."""
    monkeypatch.setattr(http, "GRANTED", http.GRANTED[1:])
    app = http.App(Home(tmp_path), "token", place.data.grants)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://home"
    ) as client:
        headers = {"Authorization": f"Bearer {place.ann.text}"}
        answer = await client.post("/v1/query", json={"sql": "select 1"}, headers=headers)
    assert answer.status_code == 404
    app.close()


async def test_after_the_kernel_ended_its_grant_opens_nothing(place: Place) -> None:
    """A grant that was taken back is refused everywhere, and what ran with it is stopped."""
    held = place.data.grants.give("gpu", "gone", "own")
    async with running(place, held) as number:
        held.take_back()
        async with asyncio.timeout(10):
            while (await place.data.summary(number)).state == "running":  # noqa: ASYNC110
                await asyncio.sleep(0.1)
    assert (await place.data.summary(number)).state == "cancelled"
    async with place.client(held.text) as client:
        for method, path in http.ROUTES:
            answer = await client.request(method, path.replace("ID", number))
            assert answer.status_code == 401


async def test_a_query_that_still_thinks_ends_with_its_grant(place: Place) -> None:
    """Taken back before the first row, a grant's query is answered with 401."""
    held = place.data.grants.give("gpu", "thinks", "own")
    sql = "select sum(a.range * b.range) from range(9999999) a, range(99999) b"
    async with place.client(held.text) as client:
        asked = asyncio.create_task(client.post("/v1/query", json={"sql": sql}))
        await asyncio.sleep(0.5)
        held.take_back()
        answer = await asyncio.wait_for(asked, 10)
    assert answer.status_code == 401


async def test_a_grant_outlives_the_service(place: Place) -> None:
    """The process is killed and started anew: kernels go on with the grants that they have."""
    before = place.data._process.running()
    assert before is not None
    psutil.Process(before.pid).kill()
    psutil.Process(before.pid).wait(5) if psutil.pid_exists(before.pid) else None
    async with place.client(place.ann.text) as client:
        answer = await client.post("/v1/query", json={"sql": "select 1 a"})
    assert answer.status_code == 200
    after = place.data._process.running()
    assert after is not None
    assert after.pid != before.pid


async def test_one_kernel_has_so_many_queries_under_way(place: Place) -> None:
    """The ninth query of one kernel is refused as in-band, and another kernel's is answered."""
    sql = "select hash(range) h, random() r from range(100000000)"
    async with place.client(place.ann.text) as ann, place.client(place.bob.text) as bob:
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(_hold(place, sql)) for _ in range(http.MAX_OF_ONE)]
            await asyncio.sleep(1)
            answer = await ann.post("/v1/query", json={"sql": "select 1 a"})
            assert answer.status_code == 403
            assert "under way already" in answer.json()["error"]["message"]
            async with asyncio.timeout(10):
                assert (await bob.post("/v1/query", json={"sql": "select 1 a"})).is_success
            for task in asked:
                task.cancel()
        async with asyncio.timeout(10):
            one = {"sql": "select 1 a"}
            while not (await ann.post("/v1/query", json=one)).is_success:  # noqa: ASYNC110
                await asyncio.sleep(0.1)


async def _hold(place: Place, sql: str) -> None:
    async with (
        place.client(place.ann.text) as client,
        client.stream("POST", "/v1/query", json={"sql": sql}, timeout=60) as response,
    ):
        chunks = response.aiter_raw()  # its end would be the connection's
        await anext(chunks)
        await asyncio.sleep(60)


@pytest.mark.parametrize("size", [20_000, 60_000, 10_000_000])
async def test_huge_headers_are_cut_off(place: Place, size: int) -> None:
    """A head that is far too large is no request, with or without a grant in it."""
    head = "GET /v1/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
    head += f"authorization: Bearer {place.ann.text}\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", place.door.port)
    try:
        writer.write(head.encode() + b"x: " + b"y" * size)
        await asyncio.wait_for(writer.drain(), 10)
        writer.write(b"\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(-1), 10)
    except ConnectionError:
        answer = b"HTTP/1.1 4"
    finally:
        writer.close()
    assert answer.startswith(b"HTTP/1.1 200" if size < 30_000 else b"HTTP/1.1 4") or not answer
    async with place.client(place.ann.text) as client:
        assert (await client.get("/v1/health")).is_success


async def test_a_body_that_dribbles_in_has_its_time(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A request whose body does not arrive in time is given up."""
    monkeypatch.setattr(body, "SECONDS", 0.3)
    app = http.App(Home(tmp_path), "token", place.data.grants)
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.1)
        return {"type": "http.request", "body": b" ", "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    words = [(b"authorization", f"Bearer {place.ann.text}".encode())]
    scope = {"type": "http", "method": "POST", "path": "/v1/query", "headers": words}
    began = time.monotonic()
    await app(scope, receive, send)
    assert time.monotonic() - began < 3
    assert sent[0]["status"] == 400
    app.close()


def put_scope(place: Place, name: str) -> dict[str, Any]:
    words = [(b"authorization", f"Bearer {place.ann.text}".encode())]
    told = b"if_exists=error&runtime=here&kernel=bob&name=other"
    return {
        "type": "http", "method": "POST", "path": f"/v1/put/{name}", "headers": words,
        "query_string": told,
    }  # fmt: skip


async def test_a_put_is_the_grants_whatever_it_says(place: Place, tmp_path: Path) -> None:
    """Runtime and kernel of a put are the grant's; what decides sees no others."""
    seen: list[Put] = []
    sent: list[Any] = []

    class Strict(Home):
        def putting(self, put: Put) -> Putting:
            seen.append(put)
            raise Refused("The policy shows nothing of it.")

    app = http.App(Strict(tmp_path), "token", place.data.grants)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(put_scope(place, "scores"), receive, send)
    assert seen == [Put("scores", "error", "gpu", "ann", "own", road="direct")]
    assert sent[0]["status"] == 403
    assert not (tmp_path / ".ropeway").exists()
    app.close()


async def test_a_put_ends_with_its_grant(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table that is on its way when its kernel ends is dropped."""
    monkeypatch.setattr(http, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(body, "DRAIN", 0.1)
    cut = place.data.grants.give("gpu", "ann", "own")
    app = http.App(Home(tmp_path), "token", place.data.grants)
    scope = put_scope(place, "scores")
    scope["headers"] = [(b"authorization", f"Bearer {cut.text}".encode())]
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.2)
        cut.take_back()
        return {"type": "http.request", "body": b"", "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    async with asyncio.timeout(20):
        await app(scope, receive, send)
    assert sent[0]["status"] == 401
    assert list((tmp_path / ".ropeway/put/scores").iterdir()) == []
    app.close()


async def test_no_secret_is_on_a_command_line_or_in_a_log(place: Place) -> None:
    """Neither grant, key nor token is an argument of any process or a line of the log."""
    await place.data.datasets()
    async with place.client(place.ann.text) as client:
        await client.post("/v1/query", json={"sql": "select nonsense"})
        await client.get("/v1/queries/nope")
    running_now = place.data._process.running()
    assert running_now is not None
    secrets = (place.ann.text, place.data.grants._key.hex(), running_now.token)
    words = ""
    for each in psutil.process_iter():
        try:
            words += " ".join(each.cmdline()) + json.dumps(each.environ())
        except psutil.Error:
            continue
    words += place.data._process.log.read_text()
    assert not [secret for secret in secrets if secret in words]


async def test_slow_callers_do_not_shut_others_out(place: Place) -> None:
    """Forty callers that never finish a head leave room for one that asks."""
    slow = [socket.create_connection(("127.0.0.1", place.door.port)) for _ in range(40)]
    try:
        for each in slow:
            each.sendall(b"POST /v1/query HTTP/1.1\r\n")
        async with place.client(place.ann.text) as client:
            assert (await client.post("/v1/query", json={"sql": "select 1 a"})).is_success
    finally:
        for each in slow:
            each.close()


async def test_a_value_is_its_receivers_alone(place: Place) -> None:
    """A kernel cannot open a crossing, nor send or receive in another one's; in its own it can."""
    crossing = Crossing("c1", "send", "df", "ann", "gpu", "bob", "gpu", "own")
    async with place.client(place.ann.text) as ann, place.client(place.bob.text) as bob:
        opened = await ann.post("/v1/crossings", json=to_json(crossing))
        assert opened.status_code == 404
        await place.data.cross(crossing)
        for client, method in ((bob, "POST"), (ann, "GET")):
            answer = await client.request(method, "/v1/crossings/c1?kernel=ann", content=b"x")
            assert answer.status_code == 404
        assert (await ann.delete("/v1/crossings/c1")).status_code == 404
        came = asyncio.create_task(bob.get("/v1/crossings/c1"))
        assert (await ann.post("/v1/crossings/c1?type=int", content=b"value")).json() == {
            "bytes": 5
        }
        assert (await came).content == b"value"
    await place.data.crossed("c1")
