"""The two roads between a real kernel and a real data service: same answers, chosen by itself."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from support.linked import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG = "select a.range x, hash(b.range) y from range(100000000) a, range(1000) b"


ANSWERED = [
    ("select region, sum(amount) s from sales where amount > $low group by 1 order by 1", "low=3"),
    ("select * from sales", ""),
    ("select * from sales where false", ""),
    (
        "select $t::text t, $d::decimal(9,2) d, $n n, date '2024-02-29' leap",
        "t='ü', d='1.5', n=[1]",
    ),
    ("select range i, hash(range) h, range % 7 = 0 b from range(1500000)", ""),
]

REFUSED = [
    "select * from 'sales.csv'",
    "select * from nowhere",
    "select amout from sales",
    "select",
    "select (case when range = 9000000 then 'x' else '1' end)::int v from range(10000000)",
    "select $low",
]

HASHED = """
import hashlib, ropeway.kernel.cache as c; c.clear()
r = rw.sql({sql!r}{params})
r.summary
raw = b"".join(r._incoming.pieces)
t = r.arrow()
print(hashlib.sha256(raw).hexdigest(), len(raw), t.num_rows, t.schema, r.summary.columns,
      r.summary.preview, r.summary.rows, r.summary.bytes_sent)
print(t.to_pylist()[:3])
"""


@pytest.mark.parametrize(("sql", "params"), ANSWERED)
async def test_both_roads_bring_the_same_bytes(way: Any, sql: str, params: str) -> None:
    """A result is the same to the byte, and so is what is told of it, whichever way it came."""
    code = HASHED.format(sql=sql, params=", " + params if params else "")
    asked = len(way.notebook.requests)
    await way.offer()
    direct = await way.run(code)
    assert len(way.notebook.requests) == asked
    await way.offer("")
    assert await way.run(code) == direct
    assert len(way.notebook.requests) > asked


@pytest.mark.parametrize("sql", REFUSED)
async def test_both_roads_raise_the_same_error(way: Any, sql: str) -> None:
    """What home refuses or fails at is the same error with the same words."""
    code = (
        "import json\n"
        f"try:\n    print(rw.sql({sql!r}))\n"
        "except rw.RopewayError as e: print(type(e).__name__, json.dumps(e.to_json()))"
    )
    await way.offer()
    direct = await way.run(code)
    await way.offer("")
    assert await way.run(code) == direct
    assert "hint" in direct


async def test_datasets_come_by_both(way: Any) -> None:
    """`rw.datasets()` says the same by both roads."""
    await way.offer()
    direct = await way.run("print(rw.datasets())")
    await way.offer("")
    assert (
        await way.run("print(rw.datasets())")
        == direct
        == ("sales: region VARCHAR, amount BIGINT, day DATE\n")
    )


async def test_a_kernel_says_which_road_it_takes(way: Any) -> None:
    """`rw.road()` names the road and its door, and never the grant."""
    await way.offer()
    told = await way.run("print(rw.road(), rw.road().url); print(repr(rw.road()))")
    assert told.splitlines()[0] == f"direct {way.url}"
    shown = await way.run("import ropeway.kernel.road as r; print(rw.road(), repr(r._offered))")
    assert way.given.text not in told + shown
    ran = await way.notebook.run("import ropeway as rw; rw.sql('select 1 a')")
    (result,) = ran.shown
    assert 'title="by the direct road"' in result["text/html"]
    assert "direct" not in result["text/plain"]
    await way.offer("")
    assert await way.run("print(rw.road(), rw.road().url == '')") == "in-band True\n"


async def test_a_kernel_at_home_goes_past_the_door(way: Any, home: Any) -> None:
    """It greets by the door and then speaks to the service itself, with the same result."""
    held = home.grants.give("here", "k1", "here")
    await way.offer(grant=held.text)
    code = "r = rw.sql('select 7 a').batches(); next(r); print(rw.road())"
    assert await way.run(code) == "direct\n"
    await until(lambda: not way.door.callers)  # it hears of the end a moment later
    await way.offer("")
    held.take_back()


async def test_what_it_was_told_leaves_no_trace(way: Any) -> None:
    """The grant is in no name, no history and no counter of the user's session."""
    before = await way.notebook.run("0")
    await way.offer()
    found = await way.run(
        "import sys\n"
        "held = [str(v) for v in list(globals().values()) + In + list(Out.values())]\n"
        "held += [str(row) for row in get_ipython().history_manager.get_range(0)]\n"
        "import os; held += [str(dict(os.environ)), str(sys.argv)]\n"
        f"part = {way.given.text[-20:-10]!r} + {way.given.text[-10:]!r}\n"
        "print(sum(part in each for each in held))"
    )
    assert found == "0\n"
    after = await way.notebook.run("0")
    assert after.execution_count == before.execution_count + 2


async def test_a_dead_door_costs_no_time(way: Any) -> None:
    """Nobody listens: data comes in-band, and the door is not tried again for a while."""
    await way.offer("http://127.0.0.1:9")
    took = await way.run(
        "import time; t = time.monotonic()\n"
        "for i in range(3): list(rw.sql('select 1 a'))\n"
        "print(time.monotonic() - t, rw.road())"
    )
    seconds, kind = took.split()
    assert float(seconds) < 3
    assert kind == "in-band"


@contextlib.asynccontextmanager
async def speaking(talk: Any) -> AsyncIterator[str]:
    """Something at the door's place that is not home."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await talk(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in writers:
            writer.close()


HEALTH = b'HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n{"v": 1}'


async def test_a_road_that_breaks_before_the_first_byte_is_left(way: Any) -> None:
    """The question is put once more, in-band, and the broken road is left alone for a while."""
    asked = 0

    async def breaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEALTH)
        await reader.readuntil(b"\r\n\r\n")
        asked += 1
        writer.close()

    async with speaking(breaks) as url:
        await way.offer(url)
        before = len(way.notebook.requests)
        assert await way.run("print(list(rw.sql('select 7 a')))") == "[(7,)]\n"
        assert await way.run("print(list(rw.sql('select 8 a')))") == "[(8,)]\n"
        assert asked == 1
        assert len([r for r in way.notebook.requests[before:] if r["op"] == "query"]) == 2


async def test_a_tunnel_into_nowhere_is_left(way: Any) -> None:
    """A tunnel that takes everything and answers nothing costs a few seconds, once."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    async with speaking(silent) as url:
        await way.offer(url)
        told = await way.run(
            "import time, ropeway.kernel.talk as d; d.ANSWER = 1.5\nfor i in range(2):\n"
            "    t = time.monotonic(); list(rw.sql('select 1 a')); print(time.monotonic() - t)\n"
            "d.ANSWER = 5.0"
        )
        first, second = (float(word) for word in told.split())
        assert 1.4 < first < 4
        assert second < 1.4


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 5\r\n\r\nhello",
        b'HTTP/1.1 404 No\r\ncontent-length: 13\r\n\r\n{"error": "x"',
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"\x00" * 200_000,
    ],
)
async def test_a_stranger_at_the_door_is_no_home(way: Any, answer: bytes) -> None:
    """Whoever answers there in other words than home's is passed by."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)

    async with speaking(talk) as url:
        await way.offer(url)
        told = await way.run("print(rw.road()); print(list(rw.sql('select 7 a')), rw.road())")
        assert told == "in-band\n[(7,)] in-band\n"


async def test_a_break_in_the_middle_is_an_error(way: Any) -> None:
    """Rows have begun to come when the road breaks: `HomeUnreachable`, not a shorter result."""

    async def cut() -> None:
        async with asyncio.timeout(20):
            while not any(not c.waits and c.other for c in way.door.callers):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.5)
        for caller in list(way.door.callers):
            caller.abort()

    await way.offer()
    cutting = asyncio.create_task(cut())
    told = await way.run(
        f"try:\n    len(rw.sql({LONG!r})); print('?')\n"
        "except rw.RopewayError as e: print(type(e).__name__, e.message)"
    )
    await cutting
    assert told == "HomeUnreachable The data service broke off its answer.\n"
    assert await way.run("print(list(rw.sql('select 7 a')), rw.road())") == "[(7,)] direct\n"


async def test_a_tunnel_that_dies_without_a_word_in_the_middle_is_an_error(way: Any) -> None:
    """Nothing comes any more and home is not heard of: `HomeUnreachable`, in seconds."""
    alive = asyncio.Event()
    alive.set()

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", way.door.port)

        async def pump(one: asyncio.StreamReader, other: asyncio.StreamWriter) -> None:
            while (data := await one.read(65536)) and await alive.wait():
                other.write(data)
                await other.drain()

        try:
            await asyncio.gather(pump(reader, back), pump(there, writer))
        finally:
            back.close()

    async with speaking(tunnel) as url:
        await way.offer(url)
        task, done = await way.notebook.begin(
            "import ropeway as rw, ropeway.kernel.talk as d; d.QUIET = d.ANSWER = 0.5\n"
            f"try: len(rw.sql({LONG!r}))\n"
            "except rw.RopewayError as e: print(type(e).__name__, rw.road())\n"
            "d.QUIET, d.ANSWER = 10.0, 5.0"
        )
        await asyncio.sleep(1.5)
        alive.clear()
        await asyncio.wait_for(done.wait(), 15)
        assert task.ok().text == "HomeUnreachable in-band\n"
        alive.set()


async def test_a_query_that_thinks_for_long_is_waited_for(way: Any) -> None:
    """Silence alone is no fault: as long as home is there the answer is waited for."""
    await way.offer()
    before = len(way.notebook.requests)
    told = await way.run(
        "import time, ropeway.kernel.talk as d; d.QUIET = 0.3; t = time.monotonic()\n"
        "sql = 'select max(hash(a.range + b.range)) h from range(60000) a, range(5000) b'\n"
        "r = rw.sql(sql); d.QUIET = 10.0; print(len(r), time.monotonic() - t)"
    )
    rows, seconds = told.split()
    assert rows == "1"
    assert float(seconds) > 0.6
    assert len(way.notebook.requests) == before


async def test_a_kept_connection_that_died_costs_nothing(way: Any) -> None:
    """Between two cells the connection is lost: the next question opens another."""
    await way.offer()
    await way.run("list(rw.sql('select 1 a'))")
    assert len(way.door.callers) == 1
    for caller in list(way.door.callers):
        caller.abort()
    before = len(way.notebook.requests)
    assert await way.run("print(list(rw.sql('select 7 a')), rw.road())") == "[(7,)] direct\n"
    assert len(way.notebook.requests) == before


async def test_one_connection_serves_many_questions(way: Any) -> None:
    """Questions in a row share a connection; threads have one each, and all are answered."""
    await way.offer()
    code = "for i in range(20): assert list(rw.sql('select $i i', i=i)) == [(i,)]"
    await way.run(code)
    assert len(way.door.callers) == 1
    told = await way.run(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(4) as pool:\n"
        "    print(sorted(pool.map(lambda i: list(rw.sql('select $i i', i=i))[0][0], range(40)))"
        " == list(range(40)), rw.road())"
    )
    assert told == "True direct\n"
    assert len(way.door.callers) <= 2


async def test_an_interrupt_stops_the_query_at_home(way: Any) -> None:
    """Interrupting a cell ends the query at the engine, whether rows flow already or not."""
    await way.offer()
    silent = "select sum(a.range * b.range) from range(9999999) a, range(99999) b"
    for sql in (LONG, silent):
        ran, done = await way.notebook.begin(f"import ropeway as rw\nlen(rw.sql({sql!r}))")
        await asyncio.sleep(1.5)
        assert way.door.callers
        began = time.monotonic()
        await way.notebook.manager.interrupt_kernel()
        await asyncio.wait_for(done.wait(), 10)
        assert time.monotonic() - began < 3
        assert ran.errors[0].startswith("KeyboardInterrupt")
        async with asyncio.timeout(10):
            while way.door.callers:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    # Both lanes of this kernel are free again.
    assert await way.run("print(list(rw.sql('select 7 a')), rw.road())") == "[(7,)] direct\n"


async def test_progress_is_shown(way: Any) -> None:
    """A result that takes longer than a second shows a line that is updated."""
    await way.offer()
    sql = "select hash(range) h, random() r from range(12000000)"
    ran = await way.notebook.run(
        "import ropeway as rw, ropeway.kernel.progress as p; p._SHOW_AFTER = p._REFRESH = 0.05\n"
        f"rw.sql({sql!r}); p._SHOW_AFTER, p._REFRESH = 1.0, 0.5; print(rw.road())"
    )
    assert ran.ok().text == "direct\n"
    shown = [each["text/plain"] for each in ran.progress]
    assert any(text.startswith("receiving · ") for text in shown)
    assert shown[-1].startswith("received · ")


async def test_a_grant_taken_back_ends_what_runs(way: Any, home: Any) -> None:
    """When the grant goes, a query that runs is stopped at home; then home's own road decides."""
    held = home.grants.give("here", "k1", "here")
    await way.offer(grant=held.text)
    source = f"import ropeway as rw\nfor _ in rw.sql({LONG!r}).batches(): pass"
    ran, done = await way.notebook.begin(source)
    await asyncio.sleep(1.5)
    held.take_back()
    await asyncio.wait_for(done.wait(), 15)
    assert ran.errors[0].startswith("HomeUnreachable")
    assert await way.run("print(rw.road())") == "in-band\n"
    await way.offer(grant=held.text)
    before = len(way.notebook.requests)
    assert await way.run("print(list(rw.sql('select 7 a')))") == "[(7,)]\n"
    assert len(way.notebook.requests) > before


async def test_the_service_dies_and_the_road_stays(way: Any, home: Any) -> None:
    """A query that kills the service is put to no successor; the next is answered, with the same
    grant, by the direct road."""
    await way.offer()
    ran, done = await way.notebook.begin(
        "import ropeway as rw\n"
        "rw.sql('select sum(a.range * b.range) from range(9999999) a, range(99999) b')"
    )
    await asyncio.sleep(1.5)
    before = len(way.notebook.requests)
    running = home._process.running()
    import psutil

    psutil.Process(running.pid).kill()
    await asyncio.wait_for(done.wait(), 15)
    assert ran.errors[0].startswith("HomeUnreachable: The data service broke off before")
    assert len(way.notebook.requests) == before
    assert await way.run("print(list(rw.sql('select 7 a')), rw.road())") == "[(7,)] direct\n"


async def test_no_proxy_is_asked(way: Any) -> None:
    """A proxy in the environment does not see the direct road."""
    await way.offer()
    told = await way.run(
        "import os; os.environ['http_proxy'] = os.environ['HTTP_PROXY'] = 'http://127.0.0.1:9'\n"
        "import ropeway.kernel.road as r; r._offered._kept = None\n"
        "print(rw.road(), list(rw.sql('select 7 a')))\n"
        "del os.environ['http_proxy'], os.environ['HTTP_PROXY']"
    )
    assert told == "direct [(7,)]\n"
