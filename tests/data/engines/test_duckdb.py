"""The engine by itself: what it withstands even where no guard stands before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ropeway.data.engines.duckdb import Engine, Unreadable
from ropeway.data.engines.failure import explain
from ropeway.data.job import Table
from ropeway.data.sources import expand, reader
from ropeway.errors import QueryFailed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sales.csv").write_text("a,b\n1,x\n")
    (tmp_path / "other.csv").write_text("secret\n42\n")
    return tmp_path


def opened(folder: Path, source: str, **view: str) -> Engine:
    files = expand(source, folder)
    table = Table("sales", reader(files), **view)
    return Engine([table], [str(path) for path in files.paths], memory="500MB", threads=1)


@pytest.fixture
def engine(folder: Path) -> Engine:
    return opened(folder, "sales.csv")


def rows(engine: Engine, sql: str) -> int:
    run = engine.run(sql, {})
    try:
        batch = run.next_batch()
        return batch.num_rows if batch is not None else 0
    finally:
        run.close()


@pytest.mark.parametrize(
    "sql",
    [
        "select * from '{folder}/other.csv'",
        "select * from read_csv('{folder}/other.csv')",
        "select * from read_text('/etc/passwd')",
        "select * from glob('{folder}/*')",
        "copy (select 1) to '{folder}/new.csv'",
        "with c as (copy (select 1) to '{folder}/new.csv') select * from c",
        "attach '{folder}/x.db'",
        "set enable_external_access = true",
        "set allowed_paths = ['/etc/passwd']",
        "set memory_limit = '1TB'",
        "install httpfs",
        "load httpfs",
        "create secret (type s3)",
        "select * from folder",
    ],
)
def test_the_engine_alone_reaches_nothing_else(engine: Engine, folder: Path, sql: str) -> None:
    """Other files, writing, settings, extensions and Python's variables are out of reach even
    for a query that was never checked."""
    with pytest.raises(QueryFailed) as caught:
        rows(engine, sql.replace("{folder}", str(folder)))
    assert not (folder / "new.csv").exists()
    assert str(folder) not in str(caught.value.to_json())


def test_a_file_that_is_no_table_is_told(folder: Path) -> None:
    """A dataset that cannot be opened says which one, and why for home's own log."""
    (folder / "bad.parquet").write_bytes(b"no parquet")
    with pytest.raises(Unreadable) as caught:
        opened(folder, "bad.parquet")
    assert caught.value.table == "sales"
    assert "bad.parquet" in caught.value.why


def test_it_serves_after_a_failure(engine: Engine) -> None:
    """A query that fails leaves the engine ready for the next."""
    for _ in range(3):
        with pytest.raises(QueryFailed):
            rows(engine, "select nope from sales")
    assert rows(engine, "select * from sales") == 1


def test_a_view_shows_what_it_selects(folder: Path) -> None:
    """Columns and rows that the view leaves out cannot be named, counted or guessed by errors."""
    (folder / "sales.csv").write_text("a,b,c\n1,x,secret\n2,y,hidden\n")
    engine = opened(folder, "sales.csv", select='"a", upper(b) as b', where="a = 1")
    assert [each.name for each in engine.columns("sales")] == ["a", "b"]
    assert rows(engine, "select * from sales where b = 'X'") == 1
    # A hidden row would fail this cast, and so tell that it is there.
    assert rows(engine, "select * from sales where b <> 'X' and cast(b as integer) = 1") == 0
    with pytest.raises(QueryFailed, match="does not fit"):
        rows(engine, "select c from sales")


@pytest.mark.parametrize(
    ("text", "kept", "dropped"),
    [
        ('Binder Error: Referenced column "foo" not found', 'column "foo" not found', "Binder"),
        ("Binder Error: in /home/me/x.csv: no", "no", "/home/me"),
        ("IO Error: No files found: C:\\data\\x.csv", "could not be read", "x.csv"),
        ("Conversion Error: Could not convert 'secret' to INT", "converted", "secret"),
        ("Invalid Input Error: CSV Error on Line: 3 secret,1", "does not fit", "secret"),
        ("something new about secret", "failed at home", "secret"),
    ],
)
def test_what_leaves_of_an_error(text: str, kept: str, dropped: str) -> None:
    """Texts about the query are kept without paths; any other is told in our own words."""
    told = str(explain(text).to_json())
    assert kept in explain(text).message
    assert dropped not in told


def test_why_a_view_cannot_be_made_is_told_without_its_text(folder: Path) -> None:
    """What goes to home's log of a view that does not fit quotes no piece of it: hashes have a
    key there."""
    select = """sha256(unhex('5ec7e7') || encode("nope"::varchar)) as b"""
    with pytest.raises(Unreadable) as caught:
        opened(folder, "sales.csv", select=select)
    assert "nope" in caught.value.why
    assert "5ec7e7" not in caught.value.why
