"""Attacks on home's memory, processor and patience: each ends in time and takes nobody along."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ropeway.data.query import Home
from ropeway.errors import RopewayError
from ropeway.wire import Query
from support.clinic import build

SECONDS = 3.0
"""What a query gets here; the service sets the same kind of timer."""

SLACK = 15.0

BOMBS = {
    "a text of two thousand million letters": "select length(lpad('x', 2000000000, 'y'))",
    "such a text by a format": "select length(printf('%2000000000d', 1))",
    "a long text for each of many rows": "select sum(length(rpad(range::text, 1000000))) from range(1000000)",
    "a list of a thousand million numbers": "select len(range(1000000000))",
    "a lambda over a long list": "select list_sum(list_transform(range(100000000), lambda x: x + 1))",
    "a list of long lists": "select sum(len(range(1000000 + r::int))) from range(10000) t(r)",
    "a join of everything with everything": "select count(*) from range(1000000000) a, range(1000000000) b where a.range + b.range = 7",
    "a recursion without end": "with recursive t as (select 1 x union all select x + 1 from t) select count(*) from t",
    "a recursion that doubles": "with recursive t as (select 1 x union all select x + 1 from t, range(2)) select count(*) from t",
    "a sort that does not fit": "select * from range(1000000000) order by hash(range) limit 1 offset 900000000",
    "groups that do not fit": "select count(*) from (select hash(range) from range(1000000000) group by 1)",
    "a distance of two long texts": "select levenshtein(rpad('', 200000, 'a'), rpad('', 200000, 'b'))",
    "a text joined a million times": "select length(string_agg(rpad('', 100000, 'x'), '')) from range(1000000)",
    "a result without end": "select range, rpad('', 10000, 'x') from range(1000000000)",
}  # fmt: skip
# ruff: noqa: E501


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    root: Path = tmp_path_factory.mktemp("clinic")
    build(root)
    with Home(root) as found:
        yield found


@pytest.fixture(autouse=True)
def house() -> None:
    """No other house is needed here."""


@pytest.fixture(autouse=True)
def nothing_was_written() -> None:
    """Nothing here writes."""


@pytest.mark.parametrize("sentence", BOMBS)
def test_a_bomb_harms_nobody_else(home: Home, sentence: str) -> None:
    """A query that takes all it can get ends in time, costs this process nothing, and the next
    query is answered."""
    before = psutil.Process().memory_info().rss
    began = time.monotonic()
    with pytest.raises(RopewayError) as caught:
        _exhaust(home, BOMBS[sentence])
    assert time.monotonic() - began < SECONDS + SLACK
    assert len(caught.value.message) > 10
    assert psutil.Process().memory_info().rss - before < 300_000_000
    _exhaust(home, "select 1")


def test_a_text_that_is_hard_to_read_is_given_up(home: Home) -> None:
    """A query that the parser chokes on is refused in time, and the next is answered."""
    for sql in (
        "select " + "(" * 40_000 + "1" + ")" * 40_000,
        "select " + "case when true then " * 4000 + "1" + " end" * 4000,
        "select " + "[" * 20_000 + "]" * 20_000,
        "select * from " + "(select * from " * 3000 + "wards" + ")" * 3000,
        "with " + ", ".join(f"a{i} as (select * from a{i - 1}, a{i - 1} b)" for i in range(1, 500))
        + " select 1",
    ):  # fmt: skip
        began = time.monotonic()
        with pytest.raises(RopewayError):
            _exhaust(home, sql)
        assert time.monotonic() - began < SECONDS + SLACK
    _exhaust(home, "select 1")


def _exhaust(home: Home, sql: str) -> None:
    """Ask, and take rows until the end or until the timer of the service would ring."""
    answer = home.prepare(Query(sql, runtime="colab", kernel="k", runtime_class="public"))
    timer = threading.Timer(SECONDS, answer.cancel, ["The query took too long."])
    timer.start()
    try:
        for _ in answer:
            pass
    finally:
        timer.cancel()
        answer.close()
