"""Attacks on budgets and on the least size of a group, by the whole road of a query."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ropeway.data.query import Home
from ropeway.errors import RopewayError
from ropeway.wire import Query

TOML = """
[data]
memory = "300MB"
threads = 1

[datasets.items]
source = "items.csv"
[datasets.items.policy.public]
allow = "rows"
max_rows = 20
rows_per_day = 50

[datasets.texts]
source = "items.csv"
[datasets.texts.policy.public]
allow = "rows"
max_bytes = "20 kB"

[datasets.people]
source = "items.csv"
[datasets.people.policy.public]
allow = "aggregates"
min_group = 10
hide = ["id"]
"""


@pytest.fixture(autouse=True)
def house() -> None:
    """No clinic is needed here."""


@pytest.fixture(autouse=True)
def nothing_was_written() -> None:
    """Nothing here writes."""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    lines = [f"{i},{'A' if i else 'B'},{i * 37 % 1000}" for i in range(1000)]
    (tmp_path / "items.csv").write_text("id,kind,amount\n" + "\n".join(lines) + "\n")
    (tmp_path / "ropeway.toml").write_text(TOML)
    with Home(tmp_path) as found:
        yield found


def ask(home: Home, sql: str, kernel: str = "k") -> list[dict[str, Any]]:
    query = Query(sql, runtime="colab", kernel=kernel, runtime_class="public")
    answer = home.prepare(query)
    try:
        rows: list[dict[str, Any]] = pa.ipc.open_stream(b"".join(answer)).read_all().to_pylist()
    finally:
        answer.close()
    return rows


def test_nothing_of_an_answer_that_is_too_long_crosses(home: Home) -> None:
    """An answer with one row too many is refused before its first row crosses."""
    query = Query("from items limit 21", runtime="colab", kernel="k", runtime_class="public")
    answer = home.prepare(query)
    with pytest.raises(RopewayError, match="at most 20 rows of items"):
        next(answer)
    answer.close()
    assert answer.summary().rows == 0
    assert answer.summary().preview == ()


def test_pages_add_up(home: Home) -> None:
    """Page by page, under another kernel's name, or through a join, a day's budget ends."""
    assert len(ask(home, "from items limit 20")) == 20
    assert len(ask(home, "from items limit 20 offset 20", kernel="other")) == 20
    with pytest.raises(RopewayError, match="in a day"):
        ask(home, "select i.id, t.kind from items i join texts t using (id) limit 11")
    assert len(ask(home, "from items limit 10 offset 40")) == 10
    with pytest.raises(RopewayError, match="in a day"):
        ask(home, "select max(id) from items")


def test_a_new_service_remembers_the_day(home: Home, tmp_path: Path) -> None:
    """Ending the service does not give the budget back: the ledger knows what crossed."""
    assert len(ask(home, "from items limit 20")) == 20
    home.close()
    with Home(tmp_path) as again:
        assert len(ask(again, "from items limit 20")) == 20
        with pytest.raises(RopewayError, match="in a day"):
            ask(again, "from items limit 11")


def test_at_once_is_no_way_around(home: Home) -> None:
    """Queries at the same time never get more than the day's budget together."""
    got: list[int] = []
    refused: list[str] = []

    def take(number: int) -> None:
        try:
            got.append(len(ask(home, "from items limit 20", kernel=f"k{number}")))
        except RopewayError as error:
            refused.append(error.message)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all("in a day" in each for each in refused), refused
    assert got == [20, 20]


@pytest.mark.parametrize(
    "sql",
    [
        "select string_agg(sha256(id::varchar || range::varchar), '') from texts, range(100)",
        "select list(sha256(id::varchar)) from texts",
        "select a.*, sha256(a.id::varchar) from texts a",
        "select to_json(list({'a': sha256(t.id::varchar)})) from texts t",
        "select columns(*), sha256(id::varchar) x from texts",
    ],
)
def test_what_is_packed_into_few_rows_is_still_bytes(home: Home, sql: str) -> None:
    """A limit of bytes holds however the values are packed; and no byte too many crosses."""
    answer = home.prepare(Query(sql, runtime="colab", kernel="k", runtime_class="public"))
    crossed: list[bytes] = []
    with pytest.raises(RopewayError, match=r"at most 20 kB of texts"):
        crossed.extend(answer)
    answer.close()
    assert sum(map(len, crossed)) <= 20_000


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("select count(*) n from people", [{"n": 1000}]),
        ("select kind, count(*) n from people group by kind", [{"kind": "A", "n": 999}]),
        ("select sum(amount) s from people where amount = 37", []),
        ("select count(*) n from people where kind = 'B'", []),
    ],
)
def test_small_groups_are_left_out(home: Home, sql: str, wanted: list[dict[str, Any]]) -> None:
    """In aggregate mode an answer has large groups alone, whatever the road."""
    assert ask(home, sql) == wanted


@pytest.mark.parametrize(
    "sql",
    [
        "from people",
        "select amount from people",
        "select max(amount) from people",
        "select count(*) from people where id = 1",
        "select count(*) from people p join items using (kind)",
        "select (select count(*) from people where amount = 37)",
        "with a as (from people) select count(*) from a",
        "select count(*) from people having count(*) = 1",
        "select count(*) from people using sample 1 rows",
    ],
)
def test_no_other_question_is_answered(home: Home, sql: str) -> None:
    """In aggregate mode whatever is no plain aggregate query is refused."""
    with pytest.raises(RopewayError):
        ask(home, sql)
