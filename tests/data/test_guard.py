"""The guard: what may run and, above all, what may not."""
# ruff: noqa: E501, SIM905

from __future__ import annotations

import contextlib

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ropeway.data import guard, syntax
from ropeway.data.functions import FUNCTIONS, VOLATILE
from ropeway.errors import BadInput, QueryFailed, Refused, RopewayError, UnknownDataset

DATASETS = ("sales", "people")

ALLOWED = [
    "with recursive t as (select 1 x union all select x + 1 from t where x < 9) select * from t",
    "with recursive t as (select 1 x union select x + 1 from (select x from t) u where x < 9)"
    " select * from t",
    "select region, sum(amount) from sales where amount > $low group by region",
    "from sales select count(*)",
    "table sales",
    "SELECT Sales.amount FROM SALES AS Sales",
    "with a as (select * from sales), b as (select * from a) select * from b join people using (id)",
    "with recursive t(n) as (select 1 union all select n + 1 from t where n < 5) select * from t",
    "with a as materialized (select 1 x) select * from (with b as (select * from a) select * from b)",
    "select *, row_number() over (partition by region order by amount desc) r from sales qualify r < 3",
    "select sum(a) over w from sales window w as (order by d rows between 2 preceding and current row)",
    "select count(distinct a) filter (where a > 1), string_agg(b, ',' order by b) from sales",
    "select * from (values (1, 'a'), (2, 'b')) v(x, y)",
    "select * from range(10) r, generate_series(1, 3) g, unnest([1, 2]) u",
    "select date_trunc('month', d) m, sum(a) from sales group by all order by all limit 10 offset 5",
    "select case when a = 1 then 'x' else b end, a::int, try_cast(a as decimal(10, 2)) from sales",
    "select a in (1, 2), a between 1 and 2, b like 'x%', b is null, not c, a is distinct from b from sales",
    "select * exclude (a) replace (b + 1 as b) from sales",
    "select columns('a.*') from sales",
    "select list_transform([1, 2], lambda x: x + 1), {'a': 1}['a'], [1, 2][1:2], m['k'] from sales",
    "select exists (select 1 from people p where p.id = s.id), (select max(a) from sales) from sales s",
    "select a from sales where b = any (select b from people) or c > all (select c from people)",
    "select 1 union all select 2 intersect select 3 except select 4",
    "select distinct on (region) region, amount from sales order by region, amount desc nulls last",
    "select * from sales tablesample 10%",
    "select * from sales asof join people on sales.d >= people.d",
    "select * from sales s left join people p on s.id = p.id, lateral (select s.a + 1) l",
    "select grouping(a), a, count(*) from sales group by grouping sets ((a), ()), rollup (b)",
    "select extract(year from d), d - interval 1 day, d at time zone 'UTC', current_date from sales",
    "select quantile_cont(a, [0.1, 0.9]), median(a), corr(a, b), approx_count_distinct(c) from sales",
    "select regexp_extract(b, '([a-z]+)', 1), split_part(b, '-', 1), upper(trim(b)) from sales",
    "select j ->> '$.a', json_extract(j, '$.b') from sales",
    "select 'a' || $b, $c::date, [$d]",
    "-- a comment\nselect 1 /* and another */;",
]

ATTACKS = [
    # the first part of a recursive WITH reads the table of that name, not the WITH
    "with recursive duckdb_views as (select view_name, sql from duckdb_views union all"
    " select view_name, sql from duckdb_views where false) select * from duckdb_views",
    "with recursive secret as (select * from secret union all select * from secret) from secret",
    "with recursive t as (select * from (select * from t) u union all select * from t) from t",
    "with recursive t using key (x) as (select x from t union all select x from t) from t",
    "with duckdb_columns as (select 1) select * from duckdb_columns",
    "with sqlite_master as (select 1) select * from sqlite_master",
    # files by their path
    "select * from 'x.csv'",
    "select * from '/etc/passwd'",
    'select * from "data/sales.csv"',
    "select * from read_csv('x.csv')",
    "select * from read_csv_auto('x.csv')",
    "select * from read_parquet(['x.parquet'])",
    "select * from read_json('x.json')",
    "select * from read_text('/etc/passwd')",
    "select * from read_blob('/proc/self/environ')",
    "select * from glob('/home/*')",
    "select * from sniff_csv('x.csv')",
    "select * from parquet_metadata('x.parquet')",
    "select * from sales, read_csv('x.csv')",
    "select (select content from read_text('x'))",
    "select 1 where exists (from read_csv('x.csv'))",
    "select a from sales union all select content from read_text('x')",
    "with sales2 as (select * from 'x.csv') select * from sales2",
    'from (with "/p/f.csv" as (select 1) select * from "/p/f.csv") t, "/p/f.csv"',
    "with recursive t as (select 1 union all select * from read_csv('x')) select * from t",
    "select list_transform([1], lambda x: (select content from read_text('x')))",
    # a file in every place where a subquery can stand
    "select 1 order by (select content from read_text('/etc/passwd'))",
    "select sum(a) over (order by (select 1 from 'x.csv')) from sales",
    "select row_number() over w from sales window w as (order by (select 1 from 'x.csv'))",
    "select count(*) from sales group by (select 1 from 'y.csv')",
    "select * from sales join 'x.csv' on true",
    "select [x for x in (from read_text('x'))]",
    "select {'a': (from 'x.csv')}",
    "select case when true then (from 'q.csv') end",
    "select (from 'q.csv')::int",
    "select * replace ((select 1 from 'x.csv') as region) from sales",
    "select columns(lambda c: c = (select 1 from 'x.csv')) from sales",
    "select distinct on ((select 1 from 'x.csv')) * from sales",
    "select * from sales limit (select 1 from 'x.csv')",
    "select sum(a) filter ((select true from 'x.csv')) from sales",
    "select string_agg(b order by (select 1 from 'x.csv')) from sales",
    "with recursive t using key (a) as (select 1 a union select * from 'x.csv') select * from t",
    "values ((select 1 from 'x.csv'))",
    "select 1 union select 1 from 'x.csv'",
    "select 1 having (select true from 'x.csv')",
    "select 1 qualify (select true from 'x.csv')",
    "select * from unnest((select list(content) from read_text('/etc/passwd')))",
    # the catalog, settings, the machine
    "select * from duckdb_settings()",
    "select * from duckdb_views()",
    "select * from information_schema.tables",
    "select * from pg_catalog.pg_class",
    "select * from sqlite_master",
    "select * from main.sales",
    "select * from memory.main.sales",
    "select * from system.main.duckdb_tables",
    "select current_setting('allowed_paths')",
    "select getenv('HOME')",
    "select getvariable('x')",
    "select * from pragma_table_info('sales')",
    "select * from duckdb_secrets()",
    "show tables",
    "describe sales",
    "summarize sales",
    "select * from (describe sales)",
    "select * from (show all tables)",
    # text that runs as SQL, waiting, speaking through errors
    "select * from query('select 1')",
    "select * from query_table('sales')",
    "select * from json_execute_serialized_sql('{}')",
    "select json_serialize_plan('select 1')",
    "select error('x')",
    "select sleep_ms(60000)",
    "select system.main.upper('x')",
    "select * from sales at (version => 1)",
    "select nextval('s')",
    "select write_log('x')",
    # anything but a query
    "insert into sales values (1)",
    "update sales set a = 1",
    "delete from sales",
    "create table t as select 1",
    "create or replace view sales as select 1",
    "drop view sales",
    "alter view sales rename to x",
    "copy (select 1) to 'x.csv'",
    "copy sales from 'x.csv'",
    "with c as (copy (select 1) to 'x.csv') select * from c",
    "with c as (insert into sales values (1) returning *) select * from c",
    "with c as (delete from sales returning *) select * from c",
    "with c as (update sales set a = 1 returning *) select * from c",
    "attach 'x.db'",
    "detach memory",
    "use memory",
    "pragma database_list",
    "set memory_limit = '1TB'",
    "reset memory_limit",
    "call pragma_version()",
    "install httpfs",
    "load httpfs",
    "export database 'x'",
    "import database 'x'",
    "explain select * from sales",
    "explain analyze select * from sales",
    "prepare p as select 1",
    "execute p",
    "checkpoint",
    "begin",
    "vacuum",
    "select 1; select 2",
    "select 1; drop view sales",
    "",
    ";",
    "-- nothing",
    # names that hide a dataset or are none
    "with sales as (select 1) select * from sales",
    'with "a.b" as (select 1) select * from "a.b"',
    "with a as (select * from b), b as (select 1) select * from a",
    "with a as (select * from a) select * from a",
    "select * from (with a as (select 1) select 1) t, a",
    "select * from other",
    "select * from sales, (select * from other)",
]


@pytest.mark.parametrize("sql", ALLOWED)
def test_ordinary_analysis_is_allowed(sql: str) -> None:
    """Filters, joins, windows, CTEs, subqueries, samples and parameters pass the guard."""
    guard.check(sql, DATASETS)


@pytest.mark.parametrize("sql", ATTACKS)
def test_everything_else_is_refused(sql: str) -> None:
    """Files, settings, the catalog, other statements and tricks with names are refused, each
    with a reason."""
    with pytest.raises((Refused, UnknownDataset)) as caught:
        guard.check(sql, DATASETS)
    assert len(caught.value.message) > 10


def test_what_the_guard_learns() -> None:
    """It tells the datasets that are named, once for each time, and the parameters."""
    found = guard.check("select $x from sales a, SALES b, people where $y", DATASETS)
    assert sorted(found.tables) == ["people", "sales", "sales"]
    assert found.params == {"x", "y"}


def test_text_that_is_no_sql_says_where() -> None:
    """A syntax error is the asker's own and is told with the word it stumbled over."""
    with pytest.raises(QueryFailed, match='near "selec"'):
        guard.check("selec 1", DATASETS)


@pytest.mark.parametrize("sql", ["select $1", "select ?", "select ?, ?"])
def test_parameters_have_names(sql: str) -> None:
    """Parameters without a name are refused with how to name them."""
    with pytest.raises(BadInput, match="without a name"):
        guard.check(sql, DATASETS)


def test_an_unknown_dataset_lists_those_that_exist() -> None:
    """A table that was not added is answered with the names that were."""
    with pytest.raises(UnknownDataset, match="people, sales"):
        guard.check("select * from other", DATASETS)


@pytest.mark.parametrize(
    "sql", ["select " + "(" * 5000 + "1" + ")" * 5000, "select 1" + "+1" * 9999]
)
def test_depth_is_no_way_through(sql: str) -> None:
    """A query nested beyond measure is answered with an error of ours, not with a crash."""
    with contextlib.suppress(RopewayError):
        guard.check(sql, DATASETS)


def test_length_is_bounded() -> None:
    """A text longer than any query is not even parsed."""
    with pytest.raises(Refused, match="characters"):
        guard.check("select 1 -- " + "x" * syntax.MAX_SQL, DATASETS)


_PARTS = st.lists(
    st.sampled_from(
        "select from where with as ( ) , ; * . ' \" $a ? sales people other 'x.csv' read_csv copy "
        "insert into values to attach set pragma union all 1 = and lateral (select 1) main x -- "
        "/* */ \n returning order by limit group sum count \x00 é".split(" ")
    ),
    max_size=25,
).map(" ".join)


@settings(max_examples=400, deadline=None)
@given(_PARTS | st.text(max_size=60))
def test_any_text_is_decided(sql: str) -> None:
    """Whatever the text, the guard passes it with known datasets only, or refuses it."""
    try:
        found = guard.check(sql, DATASETS)
    except RopewayError:
        return
    assert set(found.tables) <= set(DATASETS)


@settings(max_examples=200, deadline=None)
@given(st.from_regex(r"[a-z_]{1,12}", fullmatch=True))
def test_any_other_name_is_no_table(name: str) -> None:
    """No name but those of the datasets stands for a table."""
    try:
        found = guard.check(f'select * from "{name}"', DATASETS)
    except (Refused, UnknownDataset):
        assert name not in DATASETS
    else:
        assert found.tables == (name,)


@pytest.mark.parametrize(
    ("sql", "volatile"),
    [
        ("select a from sales", False),
        ("select a from sales where d < current_date", True),
        ("select a from sales where d < today()", True),
        ("select random()", True),
        ("select age(d) from sales", True),
        ("select * from sales using sample 10 rows", True),
        ("select * from sales tablesample 5%", True),
        ("with a as (select now() n) select * from sales, a", True),
        ("select localtimestamp", True),
    ],
)
def test_what_changes_by_itself_is_told(sql: str, volatile: bool) -> None:
    """A query that asks for the time or for chance may not be answered from a cache."""
    assert guard.check(sql, DATASETS).volatile is volatile


def test_the_lists_are_the_engines() -> None:
    """Every function on the list exists in this engine or is the parser's own, none but chance has
    side effects, and all whose answer changes by itself are known as such."""
    rows = duckdb.sql(
        "select lower(function_name), stability, has_side_effects from duckdb_functions()"
    ).fetchall()
    listed = [(name, stability, harmful) for name, stability, harmful in rows if name in FUNCTIONS]
    assert {name for name, _, harmful in listed if harmful} == {"random"}
    changing = {name for name, stability, _ in listed if stability not in (None, "CONSISTENT")}
    assert changing <= VOLATILE
    assert len(FUNCTIONS - {name for name, _, _ in rows}) < 20


@pytest.mark.parametrize("name", ["war\u017fs", "\u212a", "s\u00e1les", '"sales\u200b"'])
def test_letters_that_only_look_alike_name_nothing(name: str) -> None:
    """A name is compared letter by letter in ASCII, as the engine compares it."""
    with pytest.raises((Refused, UnknownDataset)):
        guard.check(f"with k as (select 1) select * from {name}", ("wars", "k2", "sales"))
