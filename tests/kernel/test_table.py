"""Datasets as Ibis expressions, and what a kernel learns of a dataset."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOTALS = (
    "import ibis; from ibis import _\nt = rw.table('sales')\n"
    "e = t.filter(_.amount > 10).group_by('region').agg(total=_.amount.sum()).order_by('region')\n"
)


async def test_an_expression_runs_at_home(by: Any) -> None:
    """An Ibis expression over a dataset gives a frame, an Arrow table, a Polars frame, a value."""
    told = await by.run(
        TOTALS + "print(e.execute().to_dict('list')); print(e.to_pandas().equals(e.execute()))\n"
        "print(e.to_pyarrow().to_pydict(), e.to_polars().to_dict(as_series=False))\n"
        "print(t.amount.max().execute(), t.count().to_pyarrow().as_py())\n"
        "print(sorted(set(t.region.execute())))"
    )
    lines = told.splitlines()
    expected = {
        "region": ["east", "north", "south"],
        "total": [
            sum(i % 100 for i in range(start, 100_000, 3) if i % 100 > 10) for start in (2, 0, 1)
        ],
    }
    assert eval(lines[0]) == expected
    assert lines[1] == "True"
    assert lines[2] == f"{expected} {expected}"
    assert lines[3] == "99 100000"
    assert lines[4] == "['east', 'north', 'south']"


async def test_an_expression_streams_and_compiles(by: Any) -> None:
    """`rw.sql(expression)` is a result like any; batches come as they do; the SQL can be seen."""
    told = await by.run(
        TOTALS + "print(len(rw.sql(e)), sum(b.num_rows for b in e.to_pyarrow_batches()))\n"
        "print('\"sales\"' in e.compile(), sum(len(b) for b in e.to_pandas_batches()))\n"
        "print(len(e.execute(limit=2)))"
    )
    assert told == "3 3\nTrue 3\n2\n"


async def test_what_is_not_at_home_cannot_be_joined(by: Any) -> None:
    """An expression with a local table says to put it home first; an unknown dataset is named."""
    told = await by.run(
        TOTALS + "m = ibis.memtable({'region': ['north']})\n"
        "for each in (lambda: t.join(m, 'region').execute(), lambda: rw.table('nowhere')):\n"
        "    try: each()\n"
        "    except rw.RopewayError as e: print(type(e).__name__, e.hint)"
    )
    lines = told.splitlines()
    assert lines[0].startswith("BadInput Put it there first: rw.put")
    assert lines[1].startswith("UnknownDataset ")


async def test_without_ibis_the_error_says_what_to_install(by: Any) -> None:
    """Where Ibis is missing `rw.table` names the packages."""
    told = await by.run(
        "import sys; held = {k: sys.modules.pop(k) for k in list(sys.modules)\n"
        "        if k.split('.')[0] == 'ibis'}\n"
        "sys.modules['ibis'] = None\n"
        "try: rw.table('sales')\n"
        "except rw.RopewayError as e: print(type(e).__name__, e.hint)\n"
        "finally: del sys.modules['ibis']; sys.modules.update(held)"
    )
    assert told == "MissingPackage Run in a cell: %pip install ibis-framework packaging\n"


async def test_a_dataset_tells_its_schema_and_statistics(by: Any) -> None:
    """`rw.datasets()[name]` has the columns' types and, on demand, rows, NULLs and extremes."""
    told = await by.run(
        "d = rw.datasets()['sales']; print(d.schema); s = d.statistics(); print(s)\n"
        "try: rw.datasets()['nope']\n"
        "except rw.RopewayError as e: print(type(e).__name__, e.message)"
    )
    lines = told.splitlines()
    assert lines[0] == "{'region': 'VARCHAR', 'amount': 'BIGINT', 'day': 'DATE'}"
    assert lines[1].startswith("sales: 100,000 rows, ")
    assert lines[2:5] == [
        "  region  VARCHAR  0  east  south",
        "  amount  BIGINT  0  0  99",
        "  day  DATE  0  2024-01-01  2024-01-28",
    ]
    assert lines[5].startswith("UnknownDataset There is no dataset 'nope' at home. Added are: sale")


async def test_statistics_are_what_the_policy_tells(
    by: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where extremes are refused, the counts come alone."""
    told = await by.run(
        "import ropeway.kernel.data as d; from ropeway.errors import Refused; real = d.sql\n"
        "def sql(q, **p):\n"
        "    if 'min(' in q: raise Refused('The policy of sales shows groups of 10.')\n"
        "    return real(q, **p)\n"
        "d.sql = sql\n"
        "try: print(rw.datasets()['sales'].statistics())\n"
        "finally: d.sql = real"
    )
    assert told.splitlines()[1:] == [
        "  region  VARCHAR  0    ",
        "  amount  BIGINT  0    ",
        "  day  DATE  0    ",
    ]


async def test_numbers_for_numpy(by: Any) -> None:
    """`.to_numpy()` is a table of numbers or a dict of columns; NULL is nan, a text is refused."""
    told = await by.run(
        "q = 'select 1 a, 2.5::decimal(9,2) b, true c, null::int d, 3::utinyint e'\n"
        "r = rw.sql(q); print(r.to_numpy().tolist(), r.to_numpy().shape)\n"
        "print({n: str(v.dtype) for n, v in r.to_numpy(by_column=True).items()})\n"
        "try: rw.sql(\"select 1 a, 'x' b\").to_numpy()\n"
        "except rw.RopewayError as e: print(type(e).__name__, e.message)"
    )
    lines = told.splitlines()
    assert lines[0] == "[[1.0, 2.5, 1.0, nan, 3.0]] (1, 5)"
    assert lines[1] == ("{'a': 'int32', 'b': 'float64', 'c': 'bool', 'd': 'float64', 'e': 'uint8'}")
    assert lines[2] == "BadInput The column b is a string, which is no number."


async def test_a_frame_is_ones_own(by: Any) -> None:
    """A DataFrame can be written into, and another one of the same result has the rows as they
    were, whether they are kept in a file or not."""
    told = await by.run(
        "import ropeway.kernel.cache as c; most = c.MOST_OF_ONE\n"
        "for c.MOST_OF_ONE in (0, most):\n"
        "    r = rw.sql('select range a, range / 2 b, range / 4 c from range(3)')\n"
        "    df = r.df(); df.iloc[0, 0] = 7; df['b'] += 1\n"
        "    print(df.values.tolist(), r.df().values.tolist(), r.arrow().num_rows, len(r))"
    )
    one = "[[7.0, 1.0, 0.0], [1.0, 1.5, 0.25], [2.0, 2.0, 0.5]]"
    other = "[[0.0, 0.0, 0.0], [1.0, 0.5, 0.25], [2.0, 1.0, 0.5]]"
    assert told == f"{one} {other} 3 3\n" * 2


async def test_tensors_need_torch(by: Any) -> None:
    """Without it `.to_torch()` says how to get it (`test_frameworks` has it)."""
    told = await by.run(
        "import sys; torch = sys.modules.get('torch'); sys.modules['torch'] = None\n"
        "try: rw.sql('select 1 a').to_torch()\n"
        "except rw.RopewayError as e: print(type(e).__name__, e.hint)\n"
        "finally: sys.modules.pop('torch') if torch is None else sys.modules.update(torch=torch)"
    )
    assert told == "MissingPackage Run in a cell: %pip install torch\n"
