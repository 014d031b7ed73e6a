"""What analysts really ask: the guard passes the queries of TPC-H and TPC-DS, and what Ibis writes.

The texts come with Ibis, whose own tests run them; none is copied here.
"""

from __future__ import annotations

import re
import time
from importlib import resources
from typing import Any

import ibis
import pytest
from ibis import _

from ropeway.data import guard, syntax

TABLES = {
    "h": "customer lineitem nation orders part partsupp region supplier",
    "ds": "call_center catalog_page catalog_returns catalog_sales customer customer_address "
    "customer_demographics date_dim household_demographics income_band inventory item promotion "
    "reason ship_mode store store_returns store_sales time_dim warehouse web_page web_returns "
    "web_sales web_site",
}


def _queries() -> dict[str, str]:
    """Every query by its name, such as `ds/14`; tables stand in braces in some of them."""
    folder = resources.files("ibis") / "backends/tests/tpc/queries/duckdb"
    return {
        f"{kind}/{file.name.removesuffix('.sql')}": re.sub(r"\{(\w+)\}", r"\1", file.read_text())
        for kind in TABLES
        for file in sorted((folder / kind).iterdir(), key=lambda each: each.name)
    }


QUERIES = _queries()


def test_all_of_them_are_here() -> None:
    """TPC-H has 22 queries and TPC-DS 99."""
    kinds = [name.split("/")[0] for name in QUERIES]
    assert (kinds.count("h"), kinds.count("ds")) == (22, 99)


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_of_tpc_is_accepted(name: str) -> None:
    """Each query passes, names datasets alone, and is the same query when its tree is written."""
    known = TABLES[name.split("/")[0]].split()
    found = guard.check(QUERIES[name], known)
    assert set(found.tables) <= set(known)
    assert found.tables
    again = guard.check(syntax.written(found.statement), known)
    assert sorted(again.tables) == sorted(found.tables)


def test_the_guard_is_quick() -> None:
    """A query is read and checked in milliseconds, also the longest of TPC-DS."""
    slowest = 0.0
    for name, sql in QUERIES.items():
        known = TABLES[name.split("/")[0]].split()
        times = []
        for _round in range(3):
            began = time.perf_counter()
            guard.check(sql, known)
            times.append(time.perf_counter() - began)
        slowest = max(slowest, min(times))
    assert slowest < 0.1


def _expressions() -> dict[str, Any]:
    schema = {
        "id": "int64",
        "region": "string",
        "amount": "float64",
        "day": "date",
        "ok": "boolean",
    }
    sales = ibis.table(schema, name="sales")
    people = ibis.table({"id": "int64", "name": "string"}, name="people")
    window = ibis.window(group_by="region", order_by=ibis.desc("amount"))
    return {
        "filter": sales.filter(_.amount > 10, _.region.isin(["n", "s"])),
        "select": sales.select("id", double=_.amount * 2),
        "aggregate": sales.group_by("region").agg(total=_.amount.sum(), n=_.count()),
        "having": sales.group_by("region").agg(n=_.count()).filter(_.n > 5),
        "median": sales.agg(m=_.amount.median(), q=_.amount.quantile(0.9)),
        "distinct": sales.agg(n=_.region.nunique(), a=_.region.approx_nunique()),
        "window": sales.mutate(r=ibis.row_number().over(window)).filter(_.r < 3),
        "lag": sales.mutate(d=_.amount - _.amount.lag().over(window)),
        "case": sales.mutate(c=ibis.cases((_.amount > 5, "big"), else_="small")),
        "join": sales.join(people, "id").select("name", "amount"),
        "semi join": sales.semi_join(people, "id"),
        "outer join": sales.left_join(people, "id"),
        "dates": sales.group_by(month=_.day.truncate("M")).agg(n=_.count()),
        "texts": sales.mutate(u=_.region.upper(), s=_.region.substr(0, 2), l=_.region.length()),
        "sample": sales.sample(0.1),
        "value counts": sales.region.value_counts(),
        "bucket": sales.mutate(b=_.amount.bucket([0, 10, 100])),
        "fill": sales.fill_null({"region": "?"}),
        "top": sales.region.topk(3),
        "union": sales.select("id").union(people.select("id")),
        "exists": sales.filter(_.id.isin(people.id)),
        "cast": sales.mutate(t=_.amount.cast("int64"), d=_.day.cast("string")),
        "nulls": sales.filter(_.region.notnull()).mutate(z=_.amount.nullif(0).coalesce(1)),
        "order": sales.order_by(ibis.desc("amount")).limit(10, offset=5),
        "conditional sum": sales.agg(s=_.amount.sum(where=_.ok)),
    }


EXPRESSIONS = _expressions()


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_what_ibis_writes_is_accepted(name: str) -> None:
    """An expression of Ibis, compiled for DuckDB, passes as it is."""
    sql = str(ibis.to_sql(EXPRESSIONS[name], dialect="duckdb"))
    found = guard.check(sql, ["sales", "people"])
    assert "sales" in found.tables
