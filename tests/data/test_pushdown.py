"""What of a query a database is asked for: never too little."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ropeway.data import catalog, guard, policy, pushdown
from ropeway.data.engines.database import Filter
from ropeway.data.query import Home
from ropeway.wire import Column, Query

BASE = (
    Column("id", "BIGINT"),
    Column("amount", "DOUBLE"),
    Column("price", "DECIMAL(10,2)"),
    Column("name", "VARCHAR"),
    Column("ssn", "VARCHAR"),
    Column("kept", "BOOLEAN"),
)
VIEW = policy.parse(
    {"public": {"allow": "rows", "hide": ["kept"], "mask": {"ssn": "hash"}, "rows": "kept"}}, "p"
).view("public", "sales", BASE, bytes(range(32)))


def columns(sql: str) -> list[str]:
    return pushdown.columns(guard.check(sql, ["sales", "other"]).statement, VIEW, BASE)


def filters(sql: str, **params: Any) -> list[Filter]:
    statement = guard.check(sql, ["sales", "other"]).statement
    return pushdown.filters(statement, VIEW, BASE, params)


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("select * from sales", None),
        ("select name from sales group by name having count(*) > 1", None),
        ("select * from sales s where s.AMOUNT > 3 and (name = 'x' or kept)", "amount kept name s"),
        ("select * from (select * from sales where id = 1)", "id"),
        ("with o as (select * from other where price > 1) select * from sales, o", "price"),
        ("select * from sales where id in (select id from other where name = 'x')", "id name"),
    ],
)
def test_what_decides_which_rows_count(sql: str, named: str | None) -> None:
    """Every name in a WHERE, wherever that stands; without one all rows count."""
    found = pushdown.deciding(guard.check(sql, ["sales", "other"]).statement)
    assert found == (set(named.split()) if named else None)


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("select id from sales", ["id"]),
        ("select s.ID from sales s where S.name = 'x'", ["id", "name"]),
        ("select count(*) from sales", []),
        ("select sum(amount) from sales group by ssn", ["amount", "ssn"]),
        ("select id from sales join other using (name)", ["id", "name"]),
        ("select * from sales", ["id", "amount", "price", "name", "ssn"]),
        ("from sales", ["id", "amount", "price", "name", "ssn"]),
        ("select s from sales s", ["id", "amount", "price", "name", "ssn"]),
        ("select 1 from sales natural join other", ["id", "amount", "price", "name", "ssn"]),
        ("select x from sales as t(x)", ["id", "amount", "price", "name", "ssn"]),
        ("select columns('i.*') from sales", ["id", "amount", "price", "name", "ssn"]),
        ("select #1 from sales", ["id", "amount", "price", "name", "ssn"]),
    ],
)
def test_the_columns_that_a_query_may_look_at(sql: str, named: list[str]) -> None:
    """What is named or may be meant, and what the policy's filter of rows needs."""
    assert columns(sql) == [*named, "kept"]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("id = 5", [Filter("id", "=", 5)]),
        ("5 < id", [Filter("id", ">", 5)]),
        ("s.id >= 5 and name = 'x'", [Filter("id", ">=", 5), Filter("name", "=", "x")]),
        ("price > 1.5", [Filter("price", ">", Decimal("1.5"))]),
        ("id = $p", [Filter("id", "=", 7)]),
        ("name is not null", [Filter("name", "is not null")]),
        ("id = 5 or id = 6", []),
        ("not id = 5", []),
        ("id + 1 = 5", []),
        ("id = id", []),
        ("ssn = 'x'", []),
        ("name.id = 5", []),
        ("other.id = 5", []),
        ("sales.id = 5", []),
    ],
)
def test_the_filters_that_a_database_may_apply(where: str, found: list[Filter]) -> None:
    """Comparisons of plain columns with values, and nothing that means another thing there."""
    assert filters(f"select 1 from sales s where {where}", p=7) == found


def test_a_bound_that_is_not_exact_is_wider() -> None:
    """Between a decimal and a double, no row at the border is lost."""
    (found,) = filters("select 1 from sales where amount > 0.1")
    assert found.op == ">="
    assert found.value < 0.1


@pytest.mark.parametrize(
    "sql",
    [
        "select 1 from sales a join sales b using (id) where a.id = 5",
        "select * from sales where id = 5 union all select * from sales",
        "select 1 from sales left join other using (id) where sales.id = 5",
        "select 1 from sales as x(a, id) where id = 5",
        "select count(*) from sales tablesample reservoir(10 rows) where id < 50",
        "select o.id, (select count(*) from sales where o.id = 2) from other o",
    ],
)
def test_no_filter_where_a_table_is_read_elsewhere_too(sql: str) -> None:
    """A second place may need the rows that the first does not."""
    assert filters(sql) == []


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("push")
    with sqlite3.connect(folder / "shop.sqlite") as shop:
        shop.execute("create table sales (id integer, amount real, name text)")
        rows = [(i, i / 10, f"n{i % 7}" if i % 5 else None) for i in range(300)]
        shop.executemany("insert into sales values (?, ?, ?)", rows)
    shop.close()
    table = pa.table({"id": range(0, 300, 3), "label": [f"l{i}" for i in range(100)]})
    pa.parquet.write_table(table, folder / "labels.parquet")
    catalog.add(folder, "sales", "shop.sqlite", {"table": "sales"})
    catalog.add(folder, "labels", "labels.parquet")
    with Home(folder) as made:
        yield made


def ask(home: Home, sql: str) -> list[dict[str, Any]]:
    answer = home.prepare(Query(sql))
    try:
        return list(pa.ipc.open_stream(b"".join(answer)).read_all().to_pylist())
    finally:
        answer.close()


def test_sources_of_two_kinds_are_joined(home: Home) -> None:
    """A table of a database and a file answer one query."""
    sql = "select count(*) n, max(label) m from sales join labels using (id) where id < 30"
    assert ask(home, sql) == [{"n": 10, "m": "l9"}]


@given(
    column=st.sampled_from(["id", "amount"]),
    op=st.sampled_from(["=", "<>", "<", "<=", ">", ">="]),
    value=st.decimals(0, 300, places=1),
    name=st.sampled_from(["", " and name = 'n3'", " and name is null", " and name <> 'n1'"]),
)
@settings(max_examples=40, deadline=None)
def test_an_answer_is_the_same_with_and_without_pushing(
    home: Home, column: str, op: str, value: Decimal, name: str
) -> None:
    """What the database leaves out would not have counted."""
    pushed = f"select count(*) n from sales where {column} {op} {value}{name}"
    plain = (
        f"select count(*) n from (select * from sales limit 1000) where {column} {op} {value}{name}"
    )
    assert ask(home, pushed) == ask(home, plain)
