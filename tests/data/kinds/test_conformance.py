"""What holds for every kind of source."""

from __future__ import annotations

import time
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from data.kinds.kinds import Kind, Source, address, secrets
from data.kinds.tables import EVERYTHING, TYPES, many
from ropeway.data.sources import Database, Files, columns, expand, reader
from ropeway.errors import RopewayError


def opened(source: Source) -> Files | Database:
    place, options = source
    return expand(place, Path("/"), options)


def read(source: Source) -> tuple[dict[str, str], pa.Table]:
    """The columns as DuckDB has them, and the rows."""
    found = opened(source)
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        if isinstance(found, Database):
            with found.open([each.name for each in found.columns()]) as feed:
                relation = connection.from_arrow(feed.reader)
                return kinds(relation), relation.to_arrow_table()
        relation = connection.sql(f"select * from {reader(found)}")
        return kinds(relation), relation.to_arrow_table()


def kinds(relation: duckdb.DuckDBPyRelation) -> dict[str, str]:
    return {name: str(kind) for name, kind in zip(relation.columns, relation.types, strict=True)}


def stamps(source: Source) -> object:
    found = opened(source)
    return found.stamp() if isinstance(found, Database) else found.stamps()


def test_types_make_the_round_trip(kind: Kind) -> None:
    """Numbers, decimals, texts, booleans, dates, times, lists and NULL arrive as they were."""
    table = kind.holds(EVERYTHING)
    seen, rows = read(kind.write(table))
    assert seen == {name: TYPES[name] for name in table.column_names}
    assert rows.to_pylist() == table.to_pylist()


def test_columns_are_told_as_they_are_read(kind: Kind) -> None:
    """`columns` says the names and types that a query will see, without reading the rows."""
    source = kind.write(kind.holds(EVERYTHING))
    told = {each.name: each.type for each in columns(opened(source))}
    assert told == read(source)[0]


def test_an_empty_table_has_columns(kind: Kind) -> None:
    """A table without rows is one all the same."""
    table = kind.holds(EVERYTHING).slice(0, 0)
    seen, rows = read(kind.write(table))
    assert list(seen) == table.column_names
    assert rows.num_rows == 0


def test_many_rows(kind: Kind) -> None:
    """100,000 rows arrive, each once."""
    rows = read(kind.write(many(100_000)))[1]
    assert rows.num_rows == 100_000
    assert sum(rows["number"].to_pylist()) == sum(range(100_000))
    assert len(set(rows["word"].to_pylist())) == 1000


def test_a_change_is_noticed(kind: Kind) -> None:
    """After a change of the same length the stamps differ and the new rows are read; without one
    the stamps are the same, or the kind says that it cannot know."""
    source = kind.write(pa.table({"number": [1, 2]}))
    time.sleep(kind.settles)
    before = stamps(source)
    assert stamps(source) == before
    assert read(source)[1].to_pylist() == [{"number": 1}, {"number": 2}]
    kind.write(pa.table({"number": [1, 3]}))
    assert read(source)[1].to_pylist() == [{"number": 1}, {"number": 3}]
    if kind.stamped:
        assert stamps(source) != before
    else:
        assert before is None


def test_a_change_at_once_is_noticed(kind: Kind) -> None:
    """Rows of the same length written right behind others are read, though the clock of a store
    may not have moved."""
    for number in range(2, 5):
        source = kind.write(pa.table({"number": [1, number]}))
        assert read(source)[1].to_pylist() == [{"number": 1}, {"number": number}]


def test_a_missing_source_is_told_without_its_place(kind: Kind) -> None:
    """What is said of a source that is not there has neither path nor address in it."""
    missing = kind.missing()
    with pytest.raises(RopewayError) as caught:
        read(missing)
    said = str(caught.value.to_json())
    assert not [text for text in address(missing[0]) if text in said]
    assert caught.value.code == "not_found"


def test_no_error_has_a_password(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither message nor note holds a secret, whatever goes wrong."""
    source, options = kind.write(pa.table({"number": [1]}))
    wrong = [
        kind.missing(),
        (source, {**options, "query": "select nonsense from nowhere", "table": ""}),
        (source, {**options, "columns": {"number": "BLUB"}}),
        (source.replace("127.0.0.1", "127.0.0.2"), options),
        (source, {**options, "storage": {"endpoint": "http://127.0.0.1:1"}}),
    ]
    for each in wrong:
        try:
            read(each)
        except RopewayError as error:
            said = f"{error.to_json()} {getattr(error, '__notes__', [])}"
            assert not [text for text in secrets() if text in said]
        except (duckdb.Error, TypeError):
            pass  # the engine's own, which home explains
