"""Masks: what stands in a value's place, and that the value itself is out of reach."""

from __future__ import annotations

import hmac
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ropeway.data import masks
from ropeway.wire import Column
from support.policed import KEY, Policed


def masked(mask: Any, kind: str, value: str) -> Any:
    column = Column('a "b"', kind)
    found = masks.parse(mask, "x")
    assert found.fits(column)
    base = f'(select {value}::{kind} as "a ""b""")'
    return duckdb.connect().execute(f"select {found.sql(column, KEY)} from {base}").fetchall()[0][0]


@pytest.mark.parametrize(
    ("mask", "kind", "value", "wanted"),
    [
        ("redact", "VARCHAR", "'x'", "***"),
        ("redact", "VARCHAR", "null", "***"),
        ("null", "INTEGER[]", "[1]", None),
        ({"truncate": 2}, "VARCHAR", "'äöü'", "äö"),
        ({"truncate": 0}, "VARCHAR", "'x'", ""),
        ({"round": 1000}, "BIGINT", "1499", 1000),
        ({"round": 1000}, "BIGINT", "1500", 2000),
        ({"round": 1000}, "BIGINT", "-1600", -2000),
        ({"round": 1000}, "BIGINT", "9223372036854775807", None),
        ({"round": 1000}, "TINYINT", "127", 0),
        ({"round": 1000}, "INTEGER", "null", None),
        ({"round": 0.5}, "INTEGER", "3", 3.0),
        ({"round": 3}, "DECIMAL(10,2)", "7.6", 9.0),
        ({"round": 10}, "DOUBLE", "'inf'", float("inf")),
        ("year", "DATE", "'2020-05-06'", date(2020, 1, 1)),
        ("month", "TIMESTAMP", "'2020-05-06 07:08:09'", datetime(2020, 5, 1)),
        ("day", "TIMESTAMP_NS", "'2020-05-06 07:08:09'", datetime(2020, 5, 6)),
        ("hour", "TIMESTAMP", "'2020-05-06 07:08:09'", datetime(2020, 5, 6, 7)),
        ("year", "DATE", "'5877642-06-25 (BC)'", None),
        ("hash", "VARCHAR", "null", None),
    ],
)
def test_what_a_mask_makes_of_a_value(mask: Any, kind: str, value: str, wanted: Any) -> None:
    """Each kind of mask; NULL stays NULL but where it is redacted, and no value makes it fail."""
    assert masked(mask, kind, value) == wanted


@pytest.mark.parametrize(("kind", "value", "text"), [("VARCHAR", "'ä'", "ä"), ("BIGINT", "7", "7")])
def test_a_hash_is_hmac_sha256(kind: str, value: str, text: str) -> None:
    """A hash is HMAC-SHA256 of the value's text: home can make it too, nobody can extend it."""
    assert masked("hash", kind, value) == hmac.new(KEY, text.encode(), "sha256").hexdigest()


def test_a_key_has_a_length() -> None:
    """A key that is too short, or longer than HMAC takes as it is, is no key."""
    for key in (b"short", b"x" * 65):
        with pytest.raises(ValueError, match="key of hashes"):
            masks.parse("hash", "x").sql(Column("a", "VARCHAR"), key)


@pytest.fixture
def people(tmp_path: Path) -> Policed:
    """Values that sort, compare and count otherwise than their masks do."""
    (tmp_path / "people.csv").write_text(
        "id,ssn,salary,birth\n1,a-CANARY,1499,1980-12-31\n2,b-CANARY,1501,1980-01-01\n"
        "3,c-CANARY,2499,1979-07-07\n"
    )
    rule = {
        "allow": "rows",
        "mask": {"ssn": "hash", "salary": {"round": 1000}, "birth": "year"},
        "rows": "ssn <> 'c-CANARY'",
    }
    return Policed({"people": tmp_path / "people.csv"}, {"people": {"public": rule}})


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("select count(*) from people where ssn = 'a-CANARY'", 0),
        ("select count(*) from people where ssn like '%CANARY'", 0),
        ("select count(*) from people where salary in (1499, 1501)", 0),
        ("select count(*) from people where birth = date '1980-12-31'", 0),
        ("select count(*) from people where birth = date '1980-01-01'", 2),
        ("select min(length(ssn)) from people", 64),
        ("select max(salary) - min(salary) from people", 1000),
        ("select count(distinct birth) from people", 1),
        ("select count(*) from people p join (values ('a-CANARY')) v(x) on p.ssn = v.x", 0),
        ("select count(*) from (select ssn from people intersect select 'a-CANARY')", 0),
        ("select count(*) from people group by birth", 2),
        ("select arg_max(id, birth) is not null from people", True),
    ],
)
def test_a_query_meets_the_mask_and_never_the_value(people: Policed, sql: str, wanted: Any) -> None:
    """Filters, joins, sets, groups and extremes see what is masked."""
    assert people.ask(sql) == [(wanted,)]


def test_order_is_the_masks(people: Policed) -> None:
    """Sorting by a masked column sorts by what is masked: two of one year have no order."""
    hashes = people.ask("select ssn from people order by ssn")
    assert hashes == sorted(hashes)
    ranks = people.ask("select rank() over (order by birth) from people")
    assert ranks == [(1,), (1,)]


def test_the_filter_of_rows_sees_the_values(people: Policed) -> None:
    """The policy's own filter works on what the file holds, also where the column is masked."""
    assert people.ask("select count(*) from people") == [(2,)]
