"""The engine by itself: what it withstands even where no guard stands before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ropeway.data.engines.duckdb import Engine, Limits
from ropeway.data.engines.failure import explain
from ropeway.data.sources import expand
from ropeway.errors import QueryFailed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sales.csv").write_text("a,b\n1,x\n")
    (tmp_path / "other.csv").write_text("secret\n42\n")
    return tmp_path


@pytest.fixture
def engine(folder: Path) -> Engine:
    return Engine({"sales": expand("sales.csv", folder)}, Limits(lanes=1))


def rows(engine: Engine, sql: str) -> int:
    run = engine.begin(sql, {})
    try:
        run.start()
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


def test_a_file_that_is_no_table_is_told(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A dataset that cannot be opened says so without a path; home's log has the whole story."""
    (folder / "bad.parquet").write_bytes(b"no parquet")
    engine = Engine({"bad": expand("bad.parquet", folder)}, Limits(lanes=1))
    assert engine.datasets[0].error == "its files cannot be read as one table (parquet)"
    assert "bad.parquet" in caplog.text


def test_a_lane_serves_after_a_failure(engine: Engine) -> None:
    """A query that fails gives its lane back."""
    for _ in range(3):
        with pytest.raises(QueryFailed):
            rows(engine, "select nope from sales")
    assert rows(engine, "select * from sales") == 1


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
