"""What leaves home beside the rows, and what a flood of it costs: by the whole road."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from ropeway.data import ledger
from ropeway.data.query import Home
from ropeway.data.running import Running
from ropeway.errors import BadInput, Refused, RopewayError, UnknownDataset
from ropeway.wire import Query, Summary

TOML = """
[datasets.staff]
source = "staff.sqlite"
table = "staff"
[datasets.staff.policy.public]
allow = "rows"
rows = "country = 'DE'"

[datasets.groups]
source = "staff.sqlite"
table = "staff"
[datasets.groups.policy.public]
allow = "aggregates"
min_group = 10

[datasets.numbers]
source = "numbers.parquet"
[datasets.numbers.policy.public]
allow = "rows"
rows_per_day = 500000

[datasets.closed]
source = "not-there.csv"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [(1, 1000, "DE"), (2, 2000, "FR"), (3, 3000, "DE")]
    with closing(sqlite3.connect(tmp_path / "staff.sqlite")) as staff, staff:
        staff.execute("create table staff (id integer, salary integer, country text)")
        staff.executemany("insert into staff values (?, ?, ?)", rows)
    pa.parquet.write_table(pa.table({"n": range(400_000)}), tmp_path / "numbers.parquet")
    (tmp_path / "ropeway.toml").write_text(TOML)
    return tmp_path


@pytest.fixture
def home(folder: Path) -> Iterator[Home]:
    with Home(folder) as made:
        yield made


def public(sql: str, **params: Any) -> Query:
    return Query(sql, params, "colab", "k1", "public")


def summed(home: Home, sql: str) -> Summary:
    """What the asker learns of its query beside the rows."""
    with closing(home.prepare(public(sql))) as answer:
        b"".join(answer)
        return answer.summary()


@pytest.mark.parametrize("dataset", ["staff", "groups"])
def test_what_was_read_tells_nothing_of_hidden_rows(home: Home, dataset: str) -> None:
    """Bytes scanned are the same whatever a hidden row holds: they are home's to know."""
    for salary in (2000, 2001):
        asked = f"select count(*) from {dataset} where id = 2 and salary = {salary}"
        assert summed(home, asked).bytes_scanned == 0
    entries = [record.entry for record in ledger.read(home._folder)]
    assert {entry.bytes_scanned for entry in entries if entry.state == "done"} != {0}


def test_a_hidden_value_of_the_wrong_type_fails_no_query_selectively(
    home: Home, folder: Path
) -> None:
    """Whether a query fails does not depend on which hidden row it aims at."""
    with closing(sqlite3.connect(folder / "staff.sqlite")) as staff, staff:
        staff.execute("insert into staff values (9, 'abc', 'FR')")
    told = set()
    for number in (2, 9):
        try:
            summed(home, f"select salary from staff where id = {number}")
            told.add("answered")
        except RopewayError as error:
            told.add(error.message)
    assert len(told) == 1


def test_a_budget_of_the_day_outlives_the_service(folder: Path) -> None:
    """What crossed before a crash counts: each piece is written down before it crosses."""
    with Home(folder) as first:
        answer = first.prepare(public("select * from numbers"))
        crossed = 0
        while crossed < 200_000:  # and then the process dies: nothing says how it ended
            next(answer)
            crossed = first._budgets.today(("numbers", "public")).rows
        with Home(folder) as second:
            assert second._budgets.today(("numbers", "public")).rows >= crossed
            with pytest.raises(Refused, match="in a day"):
                summed(second, "select * from numbers")
        answer.close()


def test_what_is_closed_is_neither_opened_nor_listed(home: Home) -> None:
    """Where a class may read nothing, it learns nothing: no error of the source, no name."""
    with pytest.raises(Refused, match="may read nothing of closed"):
        home.prepare(public("select * from closed"))
    assert "closed" not in {each.name for each in home.datasets("public")}
    with pytest.raises(UnknownDataset) as caught:
        home.prepare(public("select * from nothing"))
    assert "closed" not in str(caught.value.to_json())
    assert "staff" in str(caught.value.to_json())


@pytest.mark.parametrize(
    ("sql", "params"),
    [
        ("select len($x)", {"x": [1] * 300_000}),
        ("select len($x)", {"x": ["y" * 1_000_000] * 9}),
        ("x" * 9_000_000, {}),
        ("select $x", {"x": {"$decimal": "1e999999999"}}),
    ],
    ids=["values", "texts", "sql", "decimal"],
)
def test_a_huge_question_is_refused_and_costs_the_ledger_little(
    home: Home, sql: str, params: dict[str, Any]
) -> None:
    """What a kernel sends along is bounded, and so is what is written down of it."""
    with pytest.raises(BadInput):
        home.prepare(public(sql, **params))
    written = sum(path.stat().st_size for path in home._folder.glob("*.jsonl"))
    assert written < 20_000


@pytest.mark.parametrize(
    "params",
    [
        {"x": {"$decimal": "sNaN"}},
        {"x": int("9" * 38)},
        {"x": "\ud800"},
    ],
    ids=["no number", "many digits", "half a character"],
)
def test_an_odd_value_is_an_error_of_ours_or_an_answer(home: Home, params: dict[str, Any]) -> None:
    """No parameter makes the service stumble, and each question is written down."""
    query = Query("select * from staff where salary > $x", params, "mine", "k", "own")
    try:
        with closing(home.prepare(query)) as answer:
            b"".join(answer)
    except RopewayError:
        pass
    assert list(ledger.read(home._folder))


async def test_a_query_that_runs_is_not_forgotten(home: Home) -> None:
    """However many others come and go, it can be seen and stopped; of those that ended little is
    kept."""
    running = Running(home)
    async with running.open(public("select n from numbers")) as (answer, _):
        for _ in range(260):
            with closing(home.prepare(public("select 1"))) as other:
                running._remember(("colab", "k1"), other)
                other.cancel()
                running._ended(other)
        assert running.summary(answer.id).state == "running"
        assert len(running.transfers()) == 257
        await running.cancel(answer.id)
    await asyncio.to_thread(home.close)
