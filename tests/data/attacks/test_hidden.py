"""Attacks on what a policy hides: columns, values behind masks, and rows that were filtered out."""
# ruff: noqa: E501

from __future__ import annotations

import hashlib

import pytest

from support.clinic import House

COLUMNS = {
    "a hidden column has no name": "select name from patients",
    "in quotes neither": 'select "name" from patients',
    "with its table neither": "select patients.name from patients",
    "in capitals neither": "select PATIENTS.NAME from patients",
    "not from the row as a struct": "select struct_extract(p, 'name') from patients p",
    "not by a key of the row": "select p['name'] from patients p",
    "not by a join": "select * from patients join (select 'CANARY' || 'NAMEA' as name) o using (name)",
    "not in a lateral part": "select * from patients p, lateral (select p.notes) l",
    "not by its place": "select patients.* from patients order by 9",
    "no number of the row": "select rowid from patients",
    "no number of the row by its table": "select patients.rowid from patients",
    "no name of the file": "select filename from patients",
    "no number in the file": "select file_row_number from patients",
    "no base behind the view": "select base.name from patients",
    "no column by its number": "select #3 from patients where name is null",
    "no exclusion of what is not there": "select * exclude (notes) from patients",
    "no replacement of what is not there": "select * replace (1 as notes) from patients",
    "no sum of what is not there": "select sum(length(notes)) from patients",
    "no grouping by it": "select count(*) from patients group by name",
    "no ordering by it": "select id from patients order by name",
    "no window over it": "select rank() over (order by name) from patients",
    "no set with it": "select name from patients intersect select 'x'",
    "no subquery that reaches out": "select (select p.name) from patients p",
}

WHOLE = {
    "the whole row": "select p from patients p",
    "the row as JSON": "select to_json(p) from patients p",
    "the row unpacked": "select unnest(p) from patients p",
    "all columns by pattern": "select columns('.*') from patients",
    "all columns by lambda": "select columns(lambda c: length(c) > 0) from patients",
    "all rows in a list": "select list(p) from patients p",
    "all rows counted": "select histogram(p) from patients p",
    "the row's type": "select typeof(p) from patients p",
    "the row as text": "select p::varchar from patients p",
    "a row of a join": "select p, w from patients p, wards w",
    "the union by name": "select * from patients union by name select 1 as notes",
    "the extremes of the row": "select min(p), max(p) from patients p",
    "the row in a window": "select first_value(p) over (order by id) from patients p",
    "the row through a recursion": "with recursive t as (from patients union from t) select t from t",
    "the row through a view of CTEs": "with a as materialized (from patients), b as (from a) select b from b",
}

MASKED = {
    "no equality with the value": ("select count(*) from patients where ssn = 'CANARYSSNA'", 0),
    "no likeness with the value": ("select count(*) from patients where ssn like 'CANARY%'", 0),
    "no join with the value": (
        "select count(*) from patients join (values ('CANARYSSNA')) v(x) on ssn = v.x",
        0,
    ),
    "no set with the value": (
        "select count(*) from (select ssn from patients intersect select 'CANARYSSNA')",
        0,
    ),
    "no membership of the value": (
        "select count(*) from patients where ssn in ('CANARYSSNA', 'CANARYSSNB')",
        0,
    ),
    "no length of the value": ("select min(length(ssn)) from patients", 64),
    "no equality with a rounded number's own": (
        "select count(*) from patients where salary between 1501 and 1503",
        0,
    ),
    "no order within a rounded number": (
        "select count(distinct rank_) from (select rank() over (order by salary) rank_ from patients)",
        1,
    ),
    "no date within a year": ("select count(*) from patients where birth = date '1980-02-03'", 0),
    "no month within a year": ("select max(month(birth)) from patients", 1),
    "no difference of sums": ("select sum(salary) % 1000 from patients", 0),
    "no hash without the key": (
        f"select count(*) from patients where ssn = '{hashlib.sha256(b'CANARYSSNA').hexdigest()}'",
        0,
    ),
    "no hash made by the query": (
        "select count(*) from patients where ssn = sha256('CANARYSSNA')",
        0,
    ),
    "no sample that looks behind": (
        "select count(*) from (select * from patients where ssn like 'CAN%') using sample 100%",
        0,
    ),
    "no nearest value": (
        "select count(*) from (values ('CANARYSSNA')) v(x) asof join patients p on v.x = p.ssn and v.x >= p.ssn",
        0,
    ),
    "no index into the value": ("select count(*) from patients where ssn[1:6] = 'CANARY'", 0),
}

ROWS = {
    "a cast fails on a hidden row alone": ("select count(*) from patients where age::tinyint >= 0", [(2,)]),
    "a cast in the list": ("select max(age::tinyint) from patients", [(47,)]),
    "a cast in a join": ("select count(*) from patients join (values (31)) v(x) on age::tinyint = v.x", [(1,)]),
    "a cast in a left join": ("select count(p.id) from (values (31)) v(x) left join patients p on p.age::tinyint = v.x", [(1,)]),
    "a cast in a semi join": ("select count(*) from patients where age::tinyint in (select 31)", [(1,)]),
    "a cast in an anti join": ("select count(*) from patients where age::tinyint not in (select 31)", [(1,)]),
    "a cast in EXISTS": ("select count(*) from wards where exists (select 1 from patients where age::tinyint = 31)", [(2,)]),
    "a cast in a key": ("select count(*) from (select age::tinyint a from patients group by a)", [(2,)]),
    "a cast in an order": ("select id from patients order by age::tinyint desc limit 1", [(2,)]),
    "a cast in a window": ("select max(r) from (select rank() over (order by age::tinyint) r from patients)", [(2,)]),
    "a cast in QUALIFY": ("select count(*) from (select 1 from patients qualify row_number() over (order by age::tinyint) > 0)", [(2,)]),
    "a cast in DISTINCT ON": ("select count(*) from (select distinct on (age::tinyint) 1 from patients)", [(2,)]),
    "a cast in FILTER": ("select count(*) filter (where age::tinyint > 40) from patients", [(1,)]),
    "a cast in HAVING": ("select count(*) from patients having max(age::tinyint) > 0", [(2,)]),
    "a cast in a sample": ("select count(*) from patients tablesample 100% where age::tinyint > 0", [(2,)]),
    "a cast in CASE": ("select sum(case when age > 900 then age::tinyint else 1 end) from patients", [(2,)]),
    "a cast of a text": ("select count(*) from patients where city <> 'Rome' and city <> 'Lima' and city::int > 0", [(0,)]),
    "a letter that cannot be": ("select count(*) from patients where length(chr((age * 1100)::int)) = 1", [(2,)]),
    "a date that cannot be": ("select count(*) from patients where strptime(city, '%Y') is null and age > 900", [(0,)]),
    "a pattern that cannot be": ("select count(*) from patients where age > 900 and regexp_matches('x', '(')", None),
    "a sum that runs over": ("select sum((age * 9000000000000000)::bigint) > 0 from patients", [(True,)]),
    "a hidden row by its value": ("select count(*) from patients where city = 'CANARYCITY'", [(0,)]),
    "a hidden row by its number": ("select count(*) from patients where id in (3, 4)", [(0,)]),
    "a hidden row by the limit": ("select count(*) from (from patients limit 10 offset 2)", [(0,)]),
    "a hidden row by a join by place": ("select count(*) from patients positional join (values (1), (2), (3), (4)) v(x) where id > 2", [(0,)]),
    "a hidden row by an outer join": ("select count(p.id) from (values (3), (4)) v(x) left join patients p on p.id = v.x", [(0,)]),
    "a hidden row by counting": ("select count(*), max(id) from patients", [(2, 2)]),
    "a hidden row by approximate counting": ("select approx_count_distinct(id) from patients", [(2,)]),
    "a hidden row by the most frequent": ("select approx_top_k(city, 9) from patients where id > 0 group by () having count(*) > 9", []),
    "a hidden row by another filter": ("select count(*) from patients where not consented", [(0,)]),
    "a hidden row in a recursion": ("with recursive t as (select id from patients union select id + 1 from t where id < 9 and id in (select id from patients)) select count(*) from patients where id in (from t) and id > 2", [(0,)]),
}  # fmt: skip


@pytest.mark.parametrize("sentence", COLUMNS)
def test_a_hidden_column_is_as_good_as_absent(house: House, sentence: str) -> None:
    """Whatever names a hidden column is answered as for a name that never was."""
    found = house.attack(COLUMNS[sentence])
    assert found.rows is None
    assert "CANARY" not in found.text.replace(COLUMNS[sentence], "")


@pytest.mark.parametrize("sentence", WHOLE)
def test_the_whole_row_is_the_visible_row(house: House, sentence: str) -> None:
    """What takes all columns takes those that are visible, and values as they are masked."""
    found = house.attack(WHOLE[sentence])
    assert found.rows
    assert "CANARY" not in found.text
    assert "1501" not in found.text


@pytest.mark.parametrize("sentence", MASKED)
def test_no_question_reaches_behind_a_mask(house: House, sentence: str) -> None:
    """Filters, joins, sets, orders and sums see the masked value and never the one behind it."""
    sql, wanted = MASKED[sentence]
    assert house.ask(sql) == [(wanted,)]


@pytest.mark.parametrize("sentence", ROWS)
def test_a_hidden_row_is_never_looked_at(house: House, sentence: str) -> None:
    """No expression of the query meets a hidden row: none fails on one, none finds one."""
    sql, wanted = ROWS[sentence]
    found = house.attack(sql)
    assert found.rows == wanted
    assert "CANARY" not in found.text.replace(sql, "")


def test_errors_quote_no_value(house: House) -> None:
    """What a query makes fail on visible rows is told in our own words, without the value."""
    for sql in (
        "select city::int from patients",
        "select strptime(ssn, '%Y') from patients",
        "select date_trunc(city, birth) from patients",
        "select chr(age::int * 100000) from patients",
    ):
        found = house.attack(sql)
        assert found.rows is None
        for value in ("Rome", "Lima", "CANARY", "patients.csv", str(house.root)):
            assert value not in found.text


def test_another_dataset_is_nobodys_business(house: House) -> None:
    """A dataset that its policy does not show to public runtimes gives neither rows nor columns."""
    for sql in ("from staff", "select count(*) from wards, staff", "select who from staff"):
        found = house.attack(sql)
        assert found.rows is None
        assert "CANARY" not in found.text


def test_the_key_of_hashes_is_nowhere(house: House) -> None:
    """No question shows the key: functions and tables that tell a view's text are refused."""
    for sql in (
        "select sql from duckdb_views()",
        "select view_definition from information_schema.views",
        "explain select ssn from patients",
        "select ssn::int from patients",
        "select json_serialize_plan('select ssn from patients')",
    ):
        found = house.attack(sql)
        assert found.rows is None
        assert "unhex" not in found.text


def test_parameters_are_values_and_never_text(house: House) -> None:
    """A parameter that looks like SQL is a text; one where a name belongs is refused."""
    for value in ("x' or true --", "'; drop view wards; --", "(from patients)", "\u0000"):
        assert house.attack("select count(*) from wards where ward = $v", v=value).rows == [(0,)]
    for sql in (
        "select * from $v",
        "select * from wards order by $v, $w",
        "select $v.ward from wards",
    ):
        found = house.attack(sql, v="wards")
        assert found.rows is None
        assert "CANARY" not in found.text
