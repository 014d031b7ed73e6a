"""`rw.put` in a real kernel, by both roads."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    "made",
    [
        "import pandas as pd; t = pd.DataFrame({'id': [1, 2], 's': ['a', None]}, index=[7, 9])",
        "import polars as pl; t = pl.DataFrame({'id': [1, 2], 's': ['a', None]})",
        "import pyarrow as pa; t = pa.table({'id': [1, 2], 's': ['a', None]})",
        "import pyarrow as pa; t = pa.table({'id': [1, 2], 's': ['a', None]}).to_batches()[0]",
        "t = {'id': [1, 2], 's': ['a', None]}",
        "import pyarrow as pa; t = iter(pa.table({'id': [1, 2], 's': ['a', None]}).to_batches())",
        "import pyarrow as pa; t = pa.table({'id': [1, 2], 's': ['a', None]}).to_reader()",
        "t = rw.sql(\"select * from (values (1, 'a'), (2, null)) v(id, s)\")",
    ],
)
async def test_tables_of_any_library_come_home(by: Any, made: str) -> None:
    """A table of pandas, Polars or Arrow, a result or batches are the same dataset at home."""
    told = await by.run(
        made + "\nreceipt = rw.put(t, 'scores'); print(receipt.name, receipt.rows)\n"
        "print(list(rw.sql('select id, s from scores order by id')))\n"
        "print(rw.datasets()['scores'].schema)"
    )
    lines = told.splitlines()
    assert lines[0] == "scores 2"
    assert lines[1] == "[(1, 'a'), (2, None)]"
    assert list(eval(lines[2])) == ["id", "s"]


async def test_a_named_index_is_a_column(by: Any) -> None:
    """An index of pandas that has a name comes along; rows' plain numbers do not."""
    told = await by.run(
        "import pandas as pd; t = pd.DataFrame({'v': [1, 2]}, index=pd.Index([5, 6], name='k'))\n"
        "rw.put(t, 'named'); print(list(rw.sql('select k, v from named order by k')))"
    )
    assert told == "[(5, 1), (6, 2)]\n"


async def test_versions_and_errors(by: Any) -> None:
    """A second put is a version; `if_exists="error"`, a source's name and no table are refused."""
    told = await by.run(
        "t = {'v': [1]}; a = rw.put(t, 'again'); b = rw.put(t, 'again')\n"
        "print(b.version - a.version)\n"
        "for what, name, how in ((t, 'again', 'error'), (t, 'sales', 'new version'),\n"
        "        (t, 'no/name', 'new version'), (5, 'x', 'error'), (t, 'again', 'sideways'),\n"
        "        (iter([]), 'x', 'error'), (iter([1]), 'x', 'error')):\n"
        "    try: rw.put(what, name, if_exists=how)\n"
        "    except rw.RopewayError as e: print(type(e).__name__, bool(e.hint))"
    )
    assert told.splitlines() == [
        "1",
        "NameTaken True",
        "NameTaken True",
        *["BadInput True"] * 5,
    ]


async def test_a_table_larger_than_what_is_on_its_way(by: Any) -> None:
    """Many pieces cross in order, while no more than a few are on their way."""
    told = await by.run(
        "import pyarrow as pa, os\n"
        "def batches():\n"
        "    for i in range(60):\n"
        "        yield pa.RecordBatch.from_pydict({'i': list(range(i * 1000, (i + 1) * 1000)),\n"
        "                               'b': [os.urandom(1000) for _ in range(1000)]})\n"
        "r = rw.put(batches(), 'large'); print(r.rows, r.bytes > 55_000_000)\n"
        "print(list(rw.sql('select sum(i), count(b), count(distinct i) from large'))[0])"
    )
    assert told == "60000 True\n(1799970000, 60000, 60000)\n"


async def test_an_interrupt_or_an_error_leaves_nothing(by: Any, project: Path) -> None:
    """A put that is stopped or whose batches fail on the way is not at home, nor is its file."""
    told = await by.run(
        "import pyarrow as pa, os\n"
        "def batches():\n"
        "    for i in range(30):\n"
        "        yield pa.RecordBatch.from_pydict({'b': [os.urandom(1000) for _ in range(1000)]})\n"
        "    raise KeyboardInterrupt if stop else ValueError('mine')\n"
        "for stop in (True, False):\n"
        "    try: rw.put(batches(), 'half')\n"
        "    except BaseException as e: print(type(e).__name__)\n"
        "print([d.name for d in rw.datasets() if d.name == 'half'])"
    )
    assert told == "KeyboardInterrupt\nValueError\n[]\n"
    async with asyncio.timeout(120):  # home sees it once it has read what came before
        while list((project / ".ropeway/put/half").iterdir()):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def test_a_refusal_comes_before_the_table(by: Any) -> None:
    """What may not be put is refused before any of it is sent."""
    told = await by.run(
        "import pyarrow as pa, os; sent = []\n"
        "def batches():\n"
        "    for i in range(200):\n"
        "        sent.append(i)\n"
        "        yield pa.RecordBatch.from_pydict({'b': [os.urandom(1000) for _ in range(1000)]})\n"
        "try: rw.put(batches(), 'sales')\n"
        "except rw.RopewayError as e: print(type(e).__name__, len(sent))"
    )
    kind, sent = told.split()
    assert kind == "NameTaken"
    assert int(sent) <= 2  # the first piece is made before home is asked


async def test_a_refusal_on_the_way_is_heard(by: Any, project: Path) -> None:
    """A table with more bytes than the policy lets come ends with its reason, not with a cut."""
    toml = project / "ropeway.toml"
    before = toml.read_text()
    toml.write_text(before + '[policy.here]\nallow = "rows"\nput = true\nmax_put = "2 MB"\n')
    try:
        told = await by.run(
            "import pyarrow as pa, os\n"
            "rows = [os.urandom(1000) for _ in range(1000)]\n"
            "batch = pa.RecordBatch.from_pydict({'b': rows})\n"
            "try: rw.put((batch for _ in range(40)), 'large')\n"
            "except rw.RopewayError as e: print(type(e).__name__, e.message)"
        )
    finally:
        toml.write_text(before)
    assert told.startswith("Refused The policy of large lets at most 2.0 MB come home in one put;")


async def test_a_line_that_breaks_leaves_nothing(way: Any, project: Path) -> None:
    """The direct road breaks under a table: `HomeUnreachable`, and nothing at home."""

    async def cut() -> None:
        while not way.door.callers:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await asyncio.sleep(1)
        for caller in list(way.door.callers):
            caller.abort()

    await way.offer()
    cutting = asyncio.create_task(cut())
    told = await way.run(
        "import pyarrow as pa, os, time\n"
        "def batches():\n"
        "    for i in range(400):\n"
        "        time.sleep(0.02)\n"
        "        yield pa.RecordBatch.from_pydict({'b': [os.urandom(1000) for _ in range(1000)]})\n"
        "try: rw.put(batches(), 'broken')\n"
        "except rw.RopewayError as e: print(type(e).__name__)"
    )
    await cutting
    assert told == "HomeUnreachable\n"
    async with asyncio.timeout(30):
        with contextlib.suppress(FileNotFoundError):
            while list((project / ".ropeway/put/broken").iterdir()):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
    assert "broken" not in await way.run("print(rw.datasets())")


async def test_progress_counts_rows(by: Any) -> None:
    """A put that takes longer than a second shows a bar of rows and the bytes."""
    ran = await by.notebook.run(
        "import ropeway as rw, ropeway.kernel.progress as p, os\n"
        "p._SHOW_AFTER = p._REFRESH = 0.0\n"
        "import pyarrow as pa; t = pa.table({'b': [os.urandom(100) for _ in range(200_000)]})\n"
        "r = rw.put(t, 'bar'); p._SHOW_AFTER, p._REFRESH = 1.0, 0.5"
    )
    shown = ran.ok().progress
    assert any('<progress value="' in each.get("text/html", "") for each in shown)
    assert shown[-1]["text/plain"].startswith("sent · 200,000 of 200,000 rows · ")
