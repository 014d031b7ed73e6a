"""Aggregate mode: what it answers, what it leaves out, and what it does not take."""
# ruff: noqa: E501

from __future__ import annotations

from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings

from ropeway.errors import Refused, RopewayError
from support.grammar import summaries
from support.policed import Policed

ROWS = 1000
K = 10


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Policed:
    """1,000 people in three cities, one of them alone in Oslo; few have a bonus."""
    folder = tmp_path_factory.mktemp("people")
    duckdb.sql(
        f"""select i as id, 'p' || i as name,
            case when i = 500 then 'Oslo' when i % 50 = 0 then 'Lima' else 'Rome' end as city,
            20 + i % 30 as age, 1000 * i as salary, case when i = 7 then 77 end as bonus,
            date '2020-01-01' + (i % 90)::int as met, case when i = 7 then '9' else 'x' end as code
            from range({ROWS}) t(i)"""
    ).write_parquet(str(folder / "people.parquet"))
    (folder / "other.csv").write_text("id\n1\n")
    rule = {"allow": "aggregates", "min_group": K, "hide": ["name"], "mask": {"id": "hash"}}
    files = {"people": folder / "people.parquet", "other": folder / "other.csv"}
    return Policed(files, {"people": {"public": rule}, "other": {"public": {"allow": "rows"}}})


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("select count(*) from people", [(1000,)]),
        ("select count(*), avg(age) from people where age >= 40", [(330, 44.5)]),
        ("select city, count(*) n from people group by city order by n", [("Lima", 19), ("Rome", 980)]),
        ("select city as c, sum(salary) from people group by c order by 1 limit 1", [("Lima", 9000000)]),
        ("select year(met) y, count(*) from people group by y", [(2020, 1000)]),
        ("select count(*) from people group by date_trunc('month', met) order by 1", [(319,), (330,), (351,)]),
        ("select count(distinct id) from people", [(1000,)]),
        ("select p.city from people p group by p.city order by p.city desc", [("Rome",), ("Lima",)]),
        ("select count(*) from people where city in ('Lima', 'Oslo') or not age > 20", [(47,)]),
        ("select count(*) from people where met between date '2020-01-01' and '2020-01-31'", [(351,)]),
        ("select count(*) from people where bonus is null", [(999,)]),
        ("select age > 1 from people group by age", Refused),
        # too few: left out, without a word of how many
        ("select count(*) from people where city = 'Oslo'", []),
        ("select avg(salary) from people where salary = 7000", []),
        ("select sum(bonus) from people", []),
        ("select count(bonus) from people", []),
        ("select sum(bonus), city as bonus from people group by city", []),
        ("select count(*) from people where false", []),
    ],
)  # fmt: skip
def test_what_is_answered(people: Policed, sql: str, wanted: Any) -> None:
    """Aggregates over groups of at least k rows and k values; smaller ones are left out."""
    if wanted is Refused:
        with pytest.raises(Refused):
            people.ask(sql)
    else:
        assert people.ask(sql) == wanted


def test_parameters_are_bound(people: Policed) -> None:
    """A condition compares with bound values too."""
    sql = "select count(*) from people where city = $city and age in ($a, $b)"
    assert people.ask(sql, city="Rome", a=20, b=21) == [(61,)]


@pytest.mark.parametrize(
    "sql",
    [
        "select * from people",
        "select city from people",
        "select distinct city from people",
        "select salary, count(*) from people",
        "select id, count(*) from people group by id",
        "select count(*) from people where id = 'x'",
        "select sum(id) from people",
        "select min(salary) from people",
        "select max(salary), count(*) from people group by city",
        "select median(salary) from people",
        "select quantile_cont(salary, 0.5) from people",
        "select any_value(salary) from people",
        "select list(salary) from people",
        "select string_agg(city) from people",
        "select arg_max(city, salary) from people",
        "select histogram(age) from people",
        "select sum(distinct salary) from people",
        "select sum(salary) filter (where age = 20) from people",
        "select string_agg(city order by age) from people",
        "select sum(salary + 1) from people",
        "select sum(case when age = 20 then salary else 0 end) from people",
        "select count(nullif(age, 20)) from people",
        "select avg(salary) + 1 from people",
        "select 1, count(*) from people",
        "select age = 20, count(*) from people group by age = 20",
        "select lower(city), count(*) from people group by 1",
        "select date_part(city, met), count(*) from people group by 1",
        "select date_part('day', (select max(met) from people)), count(*) from people group by 1",
        "select city, count(*) from people group by all",
        "select city, count(*) from people group by rollup (city)",
        "select city, count(*) from people group by grouping sets ((city), ())",
        "select city, count(*) from people group by city having count(*) = 1",
        "select city, count(*) from people group by city qualify true",
        "select city, count(*) from people group by city order by max(salary)",
        "select city, count(*) from people group by city order by salary",
        "select city, count(*) from people group by city limit (select 5)",
        "select distinct city, count(*) from people group by city",
        "select count(*) over () from people",
        "select salary, sum(salary) over (partition by id) from people",
        "select count(*) from people a join people b using (city)",
        "select count(*) from people, other",
        "select count(*) from other where id in (select count(*) from people)",
        "select count(*) from (select * from people)",
        "with a as (select * from people) select count(*) from a",
        "with a as (select 1) select count(*) from people",
        "select count(*) from people union all select salary from people",
        "select (select salary from people limit 1)",
        "select exists (from people where salary = 7000)",
        "select count(*) from people using sample 1 rows",
        "select count(*) from people tablesample 1%",
        "select count(*) from people p(a, b, c)",
        "select count(*) from people where age + 1 = 21",
        "select count(*) from people where length(city) = 4",
        "select count(*) from people where city like 'O%'",
        "select count(*) from people where age = salary",
        "select count(*) from people where 20 = 20 + age",
        "select count(*) from people where (case when age = 20 then 1 end) = 1",
        "select count(*) from people where age in (select age from people)",
        "select count(*) from people where age = any (select 20)",
        "select count(*) from people where code::int > 5",
        "select count(*) from people where try_cast(code as int) > 5",
        "select columns('a.*') from people group by all",
        "select count(name) from people",
        "select count(*) from people where name = 'p7'",
        "select count(*) from other o, people",
        "from people",
        "table people",
    ],
)
def test_everything_else_is_refused(people: Policed, sql: str) -> None:
    """No rows, extremes, lists, expressions, subqueries, joins, samples, sets or conditions of
    one's own; each with a reason."""
    with pytest.raises(Refused) as caught:
        people.ask(sql)
    assert len(caught.value.message) > 20


def test_other_datasets_are_asked_as_ever(people: Policed) -> None:
    """Where rows may cross the query stays as it was."""
    assert people.ask("select id + 1 from other") == [(2,)]


def test_a_value_that_cannot_be_compared_is_no_error(people: Policed) -> None:
    """A condition that fails on one row fits no row there: an error would speak of that row."""
    sql = "select count(*) from people where city = 'Rome' and age <> 1000000000000"
    assert people.ask(sql) == [(980,)]
    assert "TRY(" in people.checked(sql)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(summaries(["city", "age", "salary", "bonus", "met", "code", "id"]))
def test_no_answer_speaks_of_fewer_than_k_rows(people: Policed, sql: str) -> None:
    """Whatever is asked, each row of an answer counts at least k rows of the dataset."""
    try:
        rows = people.ask(sql)
    except RopewayError:
        return
    assert all(row[-1] >= K for row in rows)


def test_what_it_cannot_stop(people: Policed) -> None:
    """The difference of two answers that are each allowed may be one person: here a salary."""
    sql = "select sum(salary), count(*) from people where salary < $most"
    (more, n), (less, m) = people.ask(sql, most=999_000)[0], people.ask(sql, most=998_000)[0]
    assert (n - m, more - less) == (1, 998_000)
