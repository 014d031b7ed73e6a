"""`rw.sql` in a real kernel, answered by a real data service."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_query_gives_a_data_frame(notebook: Any) -> None:
    """A parametrised query over a dataset at home becomes a pandas DataFrame in the cell."""
    ran = await notebook.run(
        "import ropeway as rw\n"
        "df = rw.sql('select region, sum(amount) as total from sales where amount > $low'\n"
        "            ' group by region order by region', low=10).df()\n"
        "print(df.to_csv(index=False)); print(df.total.dtype)"
    )
    lines = ran.ok().text.split()
    assert lines[0] == "region,total"
    assert [line.split(",")[0] for line in lines[1:4]] == ["east", "north", "south"]
    expected = sum(i % 100 for i in range(2, 100_000, 3) if i % 100 > 10)
    assert int(lines[1].split(",")[1]) == expected
    assert lines[4] == "int64"


async def test_rows_are_tuples(notebook: Any) -> None:
    """Iterating gives tuples in the order of `columns`, and `len` counts the rows."""
    ran = await notebook.run(
        "import ropeway as rw\n"
        "r = rw.sql('select region, count(*) n from sales group by region order by region')\n"
        "print(len(r), r.columns, list(r), type(r.arrow()).__name__)"
    )
    assert ran.ok().text.startswith(
        "3 ('region', 'n') [('east', 33333), ('north', 33334), ('south', 33333)] Table"
    )


async def test_text_columns_come_back_as_text(notebook: Any) -> None:
    """A column that was dictionary-encoded on the way has the query's own type again."""
    ran = await notebook.run(
        "import ropeway as rw; t = rw.sql('select region from sales').arrow()\n"
        "print(t.schema.field('region').type, t.num_rows)"
    )
    assert ran.ok().text.split() == ["string", "100000"]


async def test_the_cell_shows_what_was_read_and_what_crossed(notebook: Any) -> None:
    """A result shows a table and a line with rows, bytes scanned, bytes crossed and seconds."""
    ran = await notebook.run("import ropeway as rw; rw.sql('select * from sales')")
    shown = ran.ok().shown[-1]
    assert "<td>north</td>" in shown["text/html"]
    assert "100,000 rows · " in shown["text/html"]
    assert " scanned · " in shown["text/plain"]
    assert " crossed · " in shown["text/plain"]


async def test_polars_gets_the_same_table(notebook: Any) -> None:
    """`.pl()` gives the same values with and without pyarrow in the kernel."""
    ran = await notebook.run(
        "import ropeway as rw, sys\n"
        "ask = lambda: rw.sql('select region, sum(amount) s from sales group by 1 order by 1')\n"
        "try:\n    import polars\nexcept ImportError: polars = None\n"
        "if polars:\n"
        "    first = ask().pl()\n"
        "    held = {k: sys.modules.pop(k) for k in list(sys.modules)"
        " if k.split('.')[0] == 'pyarrow'}\n"
        "    sys.modules['pyarrow'] = None\n"
        "    try:\n        second = ask().pl()\n"
        "    finally:\n        del sys.modules['pyarrow']; sys.modules.update(held)\n"
        "    print(first.equals(second), first.schema == second.schema)"
    )
    assert ran.ok().text in ("", "True True\n")


async def test_parameters_of_many_types(notebook: Any) -> None:
    """Dates, decimals, bytes, None, lists and NumPy's numbers are bound as what they are."""
    ran = await notebook.run(
        "import ropeway as rw, datetime as dt, decimal, numpy as np, pandas as pd\n"
        "r = rw.sql('select typeof($a), typeof($b), typeof($c), $d is null, $e[2], typeof($f), '\n"
        "  '$g = $h, typeof($i), isnan($j)', a=dt.date(2024, 1, 2), b=dt.datetime(2024, 1, 2),\n"
        "  c=decimal.Decimal('1.50'), d=None, e=[1, 2], f=b'x', g=np.int64(3), h=3,\n"
        "  i=pd.Timestamp('2024-01-02'), j=float('nan'))\n"
        "print(list(r)[0])"
    )
    assert ran.ok().text.strip() == (
        "('DATE', 'TIMESTAMP', 'DECIMAL(3,2)', True, 2, 'BLOB', True, 'TIMESTAMP', True)"
    )


async def test_a_value_that_cannot_be_bound(notebook: Any) -> None:
    """A parameter of a type that has no place in SQL is refused in the kernel, by its name."""
    ran = await notebook.run("import ropeway as rw; rw.sql('select $x', x=object())")
    assert "BadInput: The parameter x is a object" in ran.errors[0]
    assert "hint: " in ran.errors[0]


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("select * from nope", "UnknownDataset: There is no dataset 'nope' at home. Added are: "),
        ("select * from '/etc/passwd'", "Refused: "),
        ("select * from read_csv('x.csv')", "Refused: The function read_csv is not allowed"),
        ("select nope from sales", "QueryFailed: The query does not fit: Referenced column"),
        ("selec 1", "QueryFailed: The query cannot be read: "),
        ("select region::int from sales", "QueryFailed: A value could not be converted"),
    ],
)
async def test_errors_reach_the_cell_as_themselves(notebook: Any, query: str, error: str) -> None:
    """What home refuses or cannot do is raised in the cell, of the same class as at home."""
    ran = await notebook.run(f"import ropeway as rw; rw.sql({query!r})")
    assert error in ran.errors[0]


async def test_datasets_are_listed_with_their_columns(notebook: Any) -> None:
    """`rw.datasets()` names what was added and its columns, and not where it lies."""
    ran = await notebook.run("import ropeway as rw; rw.datasets()")
    plain = ran.ok().shown[0]["text/plain"]
    assert plain == "sales: region VARCHAR, amount BIGINT, day DATE"
    assert ".csv" not in str(ran.shown[0])


async def test_a_large_result_comes_in_parts(notebook: Any) -> None:
    """A result larger than one message crosses whole, in messages of at most 4 MB."""
    ran = await notebook.run(
        "import ropeway as rw\n"
        "t = rw.sql('select range i, hash(range) h from range(3000000)').arrow()\n"
        "import pyarrow.compute as pc; print(t.num_rows, pc.sum(t['i']).as_py())"
    )
    assert ran.ok().text.split() == ["3000000", str(3_000_000 * 2_999_999 // 2)]
    assert sum(answer["kind"] == "data" for answer in notebook.answers) >= 6


async def test_an_interrupt_stops_the_query_at_home(notebook: Any) -> None:
    """Interrupting the cell ends it at once and cancels the query; the next one works."""
    query = "select sum(a.range * b.range) from range(10000000) a, range(100000) b"
    ran, done = await notebook.begin(f"import ropeway as rw; rw.sql({query!r})")
    while notebook.requests[-1]["sql"] != query:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.5)
    began = time.monotonic()
    await notebook.manager.interrupt_kernel()
    await asyncio.wait_for(done.wait(), 10)
    assert time.monotonic() - began < 5
    assert "KeyboardInterrupt" in ran.errors[0]
    assert notebook.requests[-1]["op"] == "cancel"
    again = await notebook.run("import ropeway as rw; print(len(rw.sql('select 1')))")
    assert again.ok().text == "1\n"


async def test_threads_take_turns(notebook: Any) -> None:
    """Queries from several threads of one cell all get their own answers."""
    ran = await notebook.run(
        "import ropeway as rw; from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(4) as pool:\n"
        "    print(list(pool.map(lambda i: list(rw.sql('select $i', i=i))[0][0], range(8))))"
    )
    assert ran.ok().text.strip() == "[0, 1, 2, 3, 4, 5, 6, 7]"


async def test_a_slow_transfer_shows_progress(notebook: Any) -> None:
    """A query that takes longer than a second shows one line, which is updated in place."""
    ran = await notebook.run(
        "import ropeway as rw, ropeway.kernel.progress as p; p._SHOW_AFTER = p._REFRESH = 0.1\n"
        "r = rw.sql('select count(*) from range(15000) a, range(15000) b where a.range<b.range')\n"
        "p._SHOW_AFTER, p._REFRESH = 1.0, 0.5"
    )
    shown = [each["text/plain"] for each in ran.ok().progress]
    assert "waiting for home" in shown[0]
    assert shown[-1].startswith("received · ")


async def test_without_pyarrow_the_table_still_shows(notebook: Any) -> None:
    """Where pyarrow is missing the result displays, and `.df()` says how to get it."""
    ran = await notebook.run(
        "import ropeway as rw, sys\n"
        "held = {k: sys.modules.pop(k) for k in list(sys.modules) if k.split('.')[0]=='pyarrow'}\n"
        "sys.modules['pyarrow'] = None\n"
        "r = rw.sql('select 42 as answer')\n"
        "try:\n    r.df()\nexcept rw.RopewayError as e: print(type(e).__name__, e.hint)\n"
        "finally:\n    del sys.modules['pyarrow']; sys.modules.update(held)\n"
        "r"
    )
    assert ran.ok().text.strip() == "MissingPackage Run in a cell: %pip install pyarrow"
    assert "<td>42</td>" in ran.shown[-1]["text/html"]


async def test_silence_is_an_error(notebook: Any) -> None:
    """When nobody answers, the cell fails in time with what to check."""
    notebook.deaf = True
    try:
        ran = await notebook.run(
            "import ropeway as rw, ropeway.kernel.inband as i; i.FIRST = 0.5\n"
            "try:\n    rw.sql('select 1')\nfinally:\n    i.FIRST = 10.0"
        )
    finally:
        notebook.deaf = False
    assert "HomeUnreachable: Home did not answer within" in ran.errors[0]


async def test_stale_answers_are_dropped(notebook: Any) -> None:
    """An answer to an earlier request does not disturb the next one."""
    stale = {"id": "old", "kind": "end", "seq": 0, "v": 1, "body": {}}
    await notebook.reply({"value": {"ropeway": stale}}, [b"x"])
    await notebook.reply({"value": "typed by a person"}, [])
    ran = await notebook.run("import ropeway as rw; print(len(rw.sql('select 1')))")
    assert ran.ok().text == "1\n"
