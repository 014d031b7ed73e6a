"""Results that are larger than what is read ahead: taken bit by bit, by both roads."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENDLESS = "select a.range x, hash(b.range) y from range(100000000) a, range(1000) b"
LARGE = "select range i, hash(range) h from range(12000000)"
"""About 120 MB on the wire."""


async def test_the_first_batch_is_there_within_a_second(by: Any) -> None:
    """`.batches()` gives the first rows of an endless query while it runs."""
    await by.run("next(rw.sql('select 1 a').batches())")  # wakes the service, loads pyarrow
    seconds = await by.run(
        f"import time; t = time.monotonic(); it = rw.sql({ENDLESS!r}).batches()\n"
        "b = next(it); print(time.monotonic() - t); assert b.num_rows and b.schema.names == "
        "['x', 'y']; it.close()"
    )
    assert float(seconds) < 3  # a machine that is busy with other tests
    assert await by.run("print(list(rw.sql('select 7 a')))") == "[(7,)]\n"


async def test_a_stream_takes_little_memory(by: Any) -> None:
    """Ten times as much as is read ahead passes through a kernel that keeps nothing of it."""
    told = await by.run(
        "import ropeway.kernel.incoming as m, resource\n"
        "m.AHEAD = 8 * 1024 * 1024; import pyarrow\n"
        "list(rw.sql('select range i, hash(range) h from range(200000)').batches())\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"rows = sum(b.num_rows for b in rw.sql({LARGE!r}).batches())\n"
        "grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before\n"
        "m.AHEAD = 64 * 1024 * 1024; print(rows, grown // 1024)"
    )
    rows, grown = told.split()
    assert int(rows) == 12_000_000
    assert int(grown) < 60  # MB; the answer has 120, the table 190


async def test_what_is_not_taken_waits_at_home(by: Any) -> None:
    """No more than the bound comes here by itself; `len` and `.arrow()` bring the rest."""
    told = await by.run(
        "import ropeway.kernel.incoming as m; m.AHEAD, m.SOON = 4 * 1024 * 1024, 30\n"
        f"r = rw.sql({LARGE!r}); m.AHEAD, m.SOON = 64 * 1024 * 1024, 0.5\n"
        "print(r._incoming.is_whole, r._incoming.size < 10_000_000)\n"
        "print(len(r), r.arrow().num_rows, r.summary.bytes_sent == r._incoming.size)"
    )
    assert told.split() == ["False", "True", "12000000", "12000000", "True"]


async def test_a_large_result_shows_its_beginning(by: Any) -> None:
    """Showing a result that is not whole shows its first rows and says that there are more."""
    ran = await by.notebook.run(
        "import ropeway as rw, ropeway.kernel.incoming as m; m.AHEAD = 4 * 1024 * 1024\n"
        f"r = rw.sql({ENDLESS!r})\nr"
    )
    shown = ran.ok().shown[-1]
    assert "<th" in shown["text/html"]
    assert "<td colspan" in shown["text/html"]
    assert "the rest stays at home until you take it" in shown["text/plain"]
    told = await by.run("m.AHEAD = 64 * 1024 * 1024; print(r.columns); r._incoming.close()")
    assert told == "('x', 'y')\n"


async def test_one_pass(by: Any) -> None:
    """What `.batches()` gave is gone: a second pass says so, and `.arrow()` before it keeps all,
    or the file of an answer that is not too large."""
    told = await by.run(
        "import ropeway.kernel.cache as c; most, c.MOST_OF_ONE = c.MOST_OF_ONE, 0\n"
        "r = rw.sql('select range i from range(10)'); print(sum(b.num_rows for b in r.batches()))\n"
        "for again in (r.batches, r.df, r.arrow):\n"
        "    try: again()\n"
        "    except rw.RopewayError as e: print(type(e).__name__, 'rw.sql' in e.hint)\n"
        "print(len(r)); r = rw.sql('select range i from range(10)'); r.arrow()\n"
        "print([sum(b.num_rows for b in r.batches()) for _ in range(2)])\n"
        "c.MOST_OF_ONE = most; r = rw.sql('select range i from range(10)')\n"
        "print([sum(b.num_rows for b in r.batches()) for _ in range(2)], len(r.df()))"
    )
    lines = ["10", *["BadInput True"] * 3, "10", "[10, 10]", "[10, 10] 10"]
    assert told.split("\n")[:-1] == lines


async def test_an_answer_is_kept_once(by: Any) -> None:
    """One that came bit by bit can be read again too, and is not held in memory beside its file."""
    told = await by.run(
        "import mmap; import ropeway.kernel.data as d; soon, d.SOON = d.SOON, 0\n"
        "r = rw.sql('select range i, hash(range) h from range(300000)')\n"
        "print(r._incoming.is_whole, [sum(b.num_rows for b in r.batches()) for _ in range(2)])\n"
        "r = rw.sql('select range i, hash(range) h from range(300001)'); d.SOON = soon\n"
        "print(len(r), [type(each.obj) is mmap.mmap for each in r._incoming.pieces])\n"
        "print(len(r.df()), type(r._incoming.in_file.data.obj) is mmap.mmap)"
    )
    assert told == "False [300000, 300000]\n300001 [True]\n300001 True\n"


async def test_two_answers_side_by_side(by: Any) -> None:
    """A query is answered while another one's rows are still being taken."""
    told = await by.run(
        f"it = rw.sql({ENDLESS!r}).batches(); n = 0\n"
        "for i in range(5):\n"
        "    n += next(it).num_rows; assert list(rw.sql('select $i', i=i)) == [(i,)]\n"
        "it.close(); print(n > 0)"
    )
    assert told == "True\n"


async def test_a_dropped_result_ends_its_query(by: Any) -> None:
    """A result that nobody holds any more runs no longer at home, on either of two lanes."""
    for _ in range(3):
        await by.run(f"r = rw.sql({ENDLESS!r}); del r")
    assert await by.run("print(list(rw.sql('select 7 a')))") == "[(7,)]\n"
    for _ in range(3):
        await by.run(f"for b in rw.sql({ENDLESS!r}).batches(): break\ndel b")
    assert await by.run("print(list(rw.sql('select 7 a')))") == "[(7,)]\n"


async def test_an_interrupt_in_mid_stream(by: Any) -> None:
    """Interrupting a loop over batches stops the query at home; its result says so afterwards."""
    ran, done = await by.notebook.begin(
        f"import ropeway as rw; r = rw.sql({ENDLESS!r})\n"
        "for i, b in enumerate(r.batches()):\n"
        "    if i == 9: print('in mid-stream', flush=True)"
    )
    async with asyncio.timeout(30):
        while not ran.text:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    began = time.monotonic()
    await by.notebook.manager.interrupt_kernel()
    await asyncio.wait_for(done.wait(), 10)
    assert time.monotonic() - began < 5
    # IPython cannot lay out a traceback whose frame stands on no line, and prints it plainly then.
    assert "KeyboardInterrupt" in "".join([ran.text, *ran.errors])
    told = await by.run(
        "try: len(r)\nexcept rw.RopewayError as e: print(type(e).__name__, e.hint)\n"
        "print(list(rw.sql('select 7 a')), list(rw.sql('select 8 a')))"
    )
    assert told == "QueryFailed Ask again with rw.sql.\n[(7,)] [(8,)]\n"


async def test_an_error_in_mid_stream(by: Any) -> None:
    """A query that fails late raises where its rows are taken, each time anew."""
    sql = (
        "select hash(range), (case when range = 9000000 then 'x' else '1' end)::int"
        " from range(10000000)"
    )
    told = await by.run(
        "import ropeway.kernel.incoming as m; m.AHEAD = 1024\n"
        f"r = rw.sql({sql!r}); m.AHEAD = 64 * 1024 * 1024; n = 0\n"
        "try:\n    for b in r.batches(): n += b.num_rows\n"
        "except rw.RopewayError as e: print(type(e).__name__, n > 0)\n"
        "try: r.summary\nexcept rw.RopewayError as e: print(type(e).__name__)"
    )
    assert told == "QueryFailed True\nQueryFailed\n"


async def test_what_a_cell_left_is_here_when_it_ends(by: Any) -> None:
    """A result that fits into what is read ahead is whole at the end of its cell."""
    await by.run(
        "import ropeway.kernel.data as d; d.SOON = 0\n"
        "r = rw.sql('select range i, hash(range) h from range(3000000)'); d.SOON = 0.5\n"
        "assert not r._incoming.is_whole"
    )
    told = await by.run("print(r._incoming.is_whole, len(r))")
    assert told == "True 3000000\n"


async def test_home_does_not_wait_for_ever(by: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Home stops a query whose rows nobody takes; taking them then says what to do."""
    from ropeway.workspace import door, talk

    monkeypatch.setattr(talk, "PATIENCE", 1.0)
    monkeypatch.setattr(door, "STALL_SECONDS", 1.0)
    await by.run(
        "import ropeway.kernel.incoming as m, ropeway.kernel.answer as a\n"
        "m.AHEAD, a.PATIENCE = 1024, 1.0\n"
        f"it = rw.sql({ENDLESS!r}).batches(); next(it)"
    )
    await asyncio.sleep(8)
    told = await by.run(
        "try:\n    for b in it: pass\nexcept rw.RopewayError as e: print(e)\n"
        "a.PATIENCE, m.AHEAD = 60.0, 64 * 1024 * 1024"
    )
    assert "nothing of its answer was taken" in told
    assert ".df()" in told
