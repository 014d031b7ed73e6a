"""The road to the engine: real files in, Arrow out."""

from __future__ import annotations

import gzip
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ropeway.data import catalog
from ropeway.data.query import Home
from ropeway.errors import BadInput, QueryFailed, RopewayError, UnknownDataset
from ropeway.wire import Query


def ask(home: Home, sql: str, **params: Any) -> list[dict[str, Any]]:
    answer = home.prepare(Query(sql, params))
    try:
        return pa.ipc.open_stream(b"".join(answer)).read_all().to_pylist()
    finally:
        answer.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "sales.csv").write_text(
        "region,amount\n" + "".join(f"{'ns'[i % 2]},{i}\n" for i in range(100))
    )
    catalog.add(tmp_path, "sales", "sales.csv")
    return tmp_path


@pytest.fixture
def home(root: Path) -> Iterator[Home]:
    with Home(root) as made:
        yield made


def test_every_kind_of_file_is_a_table(tmp_path: Path) -> None:
    """CSV, TSV, JSON, NDJSON, Parquet, compressed ones, folders and globs answer alike."""
    rows = [{"k": "a", "v": 1}, {"k": "b", "v": 2}]
    (tmp_path / "c.csv").write_text("k,v\na,1\nb,2\n")
    (tmp_path / "t.tsv").write_text("k\tv\na\t1\nb\t2\n")
    with gzip.open(tmp_path / "z.csv.gz", "wt") as file:
        file.write("k,v\na,1\nb,2\n")
    (tmp_path / "j.json").write_text('[{"k":"a","v":1},{"k":"b","v":2}]')
    (tmp_path / "n.ndjson").write_text('{"k":"a","v":1}\n{"k":"b","v":2}\n')
    pq.write_table(pa.table({"k": ["a", "b"], "v": [1, 2]}), tmp_path / "p.parquet")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "1.csv").write_text("k,v\na,1\n")
    (tmp_path / "d" / "2.csv").write_text("v,k\n2,b\n")
    sources = ["c.csv", "t.tsv", "z.csv.gz", "j.json", "n.ndjson", "p.parquet", "d", "d/*.csv"]
    for number, source in enumerate(sources):
        catalog.add(tmp_path, f"t{number}", source)
    with Home(tmp_path) as home:
        for number, source in enumerate(sources):
            assert ask(home, f"select k, v from t{number} order by k") == rows, source


def test_parameters_are_bound_not_pasted(root: Path, home: Home) -> None:
    """A parameter is a value, whatever its text says."""
    assert ask(home, "select count(*) n from sales where amount > $low", low=89) == [{"n": 10}]
    trick = "n' or true --"
    assert ask(home, "select count(*) n from sales where region = $r", r=trick) == [{"n": 0}]
    with pytest.raises(BadInput, match=r"\$low, but no value"):
        ask(home, "select $low")
    with pytest.raises(BadInput, match=r"no \$high"):
        ask(home, "select $low", low=1, high=2)


def test_what_changed_counts_from_the_next_query(root: Path, home: Home) -> None:
    """Added, changed and removed datasets and files are seen without a restart."""
    assert ask(home, "select count(*) n from sales") == [{"n": 100}]
    (root / "sales.csv").write_text("other\n1\n2\n")
    os.utime(root / "sales.csv", ns=(1, 1))
    assert ask(home, "select sum(other) s from sales") == [{"s": 3}]
    catalog.add(root, "more", "sales.csv")
    assert ask(home, "select count(*) n from more") == [{"n": 2}]
    catalog.remove(root, "more")
    with pytest.raises(UnknownDataset):
        ask(home, "select 1 from more")


def test_a_broken_dataset_hinders_no_other(root: Path, home: Home) -> None:
    """One whose files vanished is listed with what is wrong; the rest is answered."""
    (root / "gone.csv").write_text("a\n1\n")
    catalog.add(root, "gone", "gone.csv")
    (root / "gone.csv").unlink()
    assert ask(home, "select count(*) n from sales") == [{"n": 100}]
    listed = {each.name: each.error for each in home.datasets()}
    assert listed["sales"] == ""
    assert "not there any more" in listed["gone"]
    with pytest.raises(QueryFailed, match="gone cannot be read"):
        ask(home, "select * from gone")


def test_the_summary_counts(root: Path, home: Home) -> None:
    """Rows, bytes read by the engine, bytes sent, seconds, columns and a preview are told."""
    answer = home.prepare(Query("select region, amount from sales order by amount"))
    sent = sum(len(chunk) for chunk in answer)
    told = answer.summary()
    assert told.state == "done"
    assert told.rows == 100
    assert told.bytes_sent == sent
    assert told.bytes_scanned == (root / "sales.csv").stat().st_size
    assert told.seconds > 0
    assert [column.type for column in told.columns] == ["VARCHAR", "BIGINT"]
    assert told.preview[1] == ("s", "1")


def test_an_empty_result_has_its_columns(root: Path, home: Home) -> None:
    """A result without rows is a valid stream with a schema."""
    answer = home.prepare(Query("select region from sales where false"))
    table = pa.ipc.open_stream(b"".join(answer)).read_all()
    assert (table.num_rows, table.column_names) == (0, ["region"])


@pytest.mark.parametrize(
    "sql",
    [
        "select region::int from sales",
        "select nope from sales",
        "select amount from sales group by region",
        "select sum(region) from sales",
        "select region[1:'x'] from sales",
        "select strptime(region, '%Y') from sales",
        "select regexp_matches(region, '[') from sales",
        "select * from sales where amount > '2024'::date",
    ],
)
def test_errors_tell_no_path(root: Path, home: Home, sql: str) -> None:
    """Whatever the engine says, no path of home is in what leaves it."""
    with pytest.raises(RopewayError) as caught:
        ask(home, sql)
    assert str(root) not in str(caught.value.to_json())
    assert "sales.csv" not in str(caught.value.to_json())


def test_a_broken_line_tells_neither_path_nor_line(root: Path, home: Home) -> None:
    """An error while the file is read quotes nothing of it."""
    with (root / "sales.csv").open("a") as file:
        file.write("x,1\n" * 30_000 + "secret,value,too,many\n")
    with pytest.raises(QueryFailed) as caught:
        ask(home, "select sum(amount) from sales")
    assert "secret" not in str(caught.value.to_json())
    assert "sales.csv" not in str(caught.value.to_json())


def test_cancel_stops_the_engine(root: Path, home: Home) -> None:
    """A long query ends soon after `cancel`, and its lane serves the next one."""
    answer = home.prepare(
        Query("select sum(a.range * b.range) from range(9999999) a, range(99999) b")
    )
    timer = threading.Timer(0.3, answer.cancel)
    timer.start()
    began = time.monotonic()
    with pytest.raises(QueryFailed, match="cancelled"):
        next(answer)
    assert time.monotonic() - began < 5
    assert answer.summary().state == "cancelled"
    answer.close()
    assert ask(home, "select 1 a") == [{"a": 1}]


@pytest.mark.parametrize(("runtime_class", "packed"), [("own", True), ("here", False)])
def test_low_cardinality_text_crosses_as_a_dictionary(
    home: Home, runtime_class: str, packed: bool
) -> None:
    """A text column with few values is sent as a dictionary, others as they are; on this machine
    all are sent as they are."""
    sql = (
        "select case range % 3 when 0 then 'a' else 'b' end few, hash(range)::text many"
        " from range(10000)"
    )
    answer = home.prepare(Query(sql, runtime_class=runtime_class))
    schema = pa.ipc.open_stream(b"".join(answer)).schema
    assert pa.types.is_dictionary(schema.field("few").type) == packed
    assert schema.field("many").type == pa.string()
