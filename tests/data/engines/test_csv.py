"""CSV as the engine guesses it, and as it is told."""

from __future__ import annotations

import gzip
from collections.abc import Collection
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ropeway.data import project
from ropeway.data.engines import csv
from ropeway.data.job import Table
from ropeway.data.query import Home
from ropeway.data.sources import Files, reader, sniff
from ropeway.errors import QueryFailed
from ropeway.wire import Column, Query

MANY = "".join(f"{i},x{i}\n" for i in range(30_000))
"""More rows than are looked at before the first is given."""

FILES: list[tuple[str, dict[str, Any]]] = [
    ("a,b\n" + MANY + '7,"q,r"\n', {}),
    ("a,b\n" + MANY + '7,"q\nr"\n', {}),
    ('a,b\n3,"x"\n' + MANY + '7,"q""r"\n', {}),
    ("a,b\n" + MANY + "no number,y\n", {}),
    ("a,b\n" + MANY + "1,2,3\n", {}),
    ("a,b\r\n1,2\r\n", {}),
    ("id\tday\n1\t02.01.2024\n2\t31.12.2023\n", {}),
    ("d,t\n2024-01-02,2024-01-02 10:00:00.5\n", {}),
    ("d\n" + "2024-01-02\n" * 30_000 + "01/02/2024\n", {}),
    ('"a ""x","b\'s",c\n1,2,\n', {}),
    ("1,2\n3,4\n", {}),
    ("# said before\na,b\n1,2\n", {}),
    (" a , b \n 1 , 2 \n\n3,4\n", {}),
    ("a,a\n1,2\n", {}),
    ("", {}),
    ("x\ny\nid;v\n1;|2;5|\nNA;6\n", {"skip": 2, "delimiter": ";", "quote": "|", "null": "NA"}),
    ("id,v\n01,2\n", {"columns": {"id": "VARCHAR", "v": "DOUBLE"}, "header": True}),
]


VALUES = (
    *(
        "",
        '""',
        " ",
        "NA",
        '"NA"',
        "NULL",
        "abc",
        "１",
        "nan",
        "inf",
        "-inf",
        "Infinity",
        "0",
        "-0",
    ),
    *("1", "+5", "--5", "-1", " 7", "7 ", '"7"', "1 2", "1.5", ".5", "5.", "5.7", "1,5", "1_000"),
    *("1e5", "1E5", "1e-5", "1e400", "4.9e-324", "1d", "0x10", "300", "70000", "1e19"),
    *("9007199254740993", "9223372036854775807", "9223372036854775808", "t", "F", "TRUE", "yes"),
    *("2024-01-01", "2024-1-1", "2024-13-01", "01/02/2024", "infinity", "epoch", "0044-03-15 (BC)"),
    *("2024-01-01 10:00", "2024-01-01 10:00:00.123456789", "2024-01-01T10:00:00Z", "24:00:00"),
    *("2024-01-01 10:00:00+02", "2024-01-01 00:00:00 UTC", "10:00", "10:00:00.5", "12:00 PM"),
)
"""What may stand in a field."""


def read(relation: str, connection: Any = None) -> tuple[Any, ...]:
    """What the engine makes of it: columns with types and rows, or that it gives up."""
    connection = connection or duckdb.connect()
    try:
        found = connection.sql(f"select * from {relation}")
        return tuple(zip(found.columns, map(str, found.types), strict=True)), found.fetchall()
    except duckdb.Error as error:
        return (type(error),)


def sniffed(files: Files) -> dict[str, Any]:
    """What the engine says of a file."""
    asked = duckdb.connect().execute(sniff(files))
    return dict(zip([each[0] for each in asked.description], asked.fetchone() or (), strict=True))


def converted(files: Files, told: dict[str, Any], deciding: Collection[str]) -> str:
    """The file read with texts in it, and the casts that follow."""
    texts = csv.late(told, deciding)
    columns = [Column(each["name"], each["type"]) for each in told["Columns"]]
    return f"(select {project._typed(columns, texts)} from {reader(files, told, texts)})"


@pytest.mark.parametrize(("text", "options"), FILES)
def test_what_is_told_is_what_would_be_guessed(
    tmp_path: Path, text: str, options: dict[str, Any]
) -> None:
    """A file that was looked at once reads as one that is looked at each time, to its errors."""
    path = tmp_path / ("sales.csv.gz" if len(text) < 100 else "sales.csv")
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    files = Files("csv", (path,), options)
    told = sniffed(files)
    assert "auto_detect=false" in reader(files, told)
    assert read(reader(files, told)) == read(reader(files))
    late, guessed = read(converted(files, told, ())), read(reader(files))
    assert late == guessed or len(late) == len(guessed) == 1, "its error may be another"


@pytest.mark.parametrize("null", ["", "NA"])
@pytest.mark.parametrize("kind", sorted(csv._LATE))
def test_what_is_converted_late_is_the_same(tmp_path: Path, kind: str, null: str) -> None:
    """A text that is cast behind a filter is the value that the reader makes of it, or no value."""
    written = {"Delimiter": ";", "Quote": '"', "Escape": '"', "NewLineDelimiter": "\\n"}
    rest = {"Comment": "(empty)", "DateFormat": None, "TimestampFormat": None, "SkipRows": 0}
    names = [{"name": "n", "type": "BIGINT"}, {"name": "a", "type": kind}]
    told = {**written, **rest, "HasHeader": True, "Columns": names}
    path = tmp_path / "a.csv"
    files = Files("csv", (path,), {"null": null} if null else {})
    with duckdb.connect() as connection:
        for value in VALUES:
            path.write_text(f"n;a\n1;{value}\n")
            late = read(converted(files, told, {"n"}), connection)
            early = read(reader(files, told), connection)
            # As text, since nan is not itself.
            assert repr(late) == repr(early) or len(late) == len(early) == 1, value


def test_only_what_decides_is_converted_for_every_row(tmp_path: Path) -> None:
    """A filter's columns and those that a file writes in its own way are read as what they are."""
    (tmp_path / "a.csv").write_text("n,x,s,d\n1,2.5,a,02.01.2024\n")
    told = sniffed(Files("csv", (tmp_path / "a.csv",)))
    assert list(csv.late(told, {"n"})) == ["x"]
    assert list(csv.late(told, {"x"})) == ["n"]
    assert not csv.late(told, {"n", "x"})


def test_a_row_that_does_not_count_needs_no_value(tmp_path: Path) -> None:
    """What no query wants may be spoilt; where a policy hides rows it is told in any case."""
    text = "n,x\n" + "1,2.5\n" * 30_000 + "2,spoilt\n"
    (tmp_path / "sales.csv").write_text(text)
    written = tmp_path / "ropeway.toml"
    written.write_text('[datasets.sales]\nsource = "sales.csv"\n')

    def run(sql: str) -> int:
        with Home(tmp_path) as home:
            answer = home.prepare(Query(sql, runtime_class="own"))
            for _ in answer:
                pass
            return answer.summary().rows

    assert run("select * from sales where n = 1") == 30_000
    for sql in ("select * from sales", "select * from sales where n = 2"):
        with pytest.raises(QueryFailed, match="could not be"):
            run(sql)
    with written.open("a") as file:
        file.write('[datasets.sales.policy.own]\nallow = "rows"\nrows = "n = 1"\n')
    with pytest.raises(QueryFailed):
        run("select * from sales where n = 1")


def test_a_query_guesses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Home looks at the file once, and again when it has changed."""
    seen: list[tuple[Table, ...]] = []
    begun = Home._job
    monkeypatch.setattr(
        Home, "_job", lambda *all, **more: seen.append(more["tables"]) or begun(*all, **more)
    )
    (tmp_path / "ropeway.toml").write_text('[datasets.sales]\nsource = "sales.csv"\n')
    with Home(tmp_path) as home:
        for text in ("a\n1\n", "", "a;b\nx;y\n"):
            if text:
                (tmp_path / "sales.csv").write_text(text)
            for _ in home.prepare(Query("select * from sales")):
                pass
    assert [bool(table.sniff) for (table,) in seen] == [True, False, False, True, False]
    told = [table.relation.partition("delim=")[2][:3] for (table,) in seen]
    assert told == ["", "','", "','", "", "';'"]


def test_several_files_are_left_to_the_engine(tmp_path: Path) -> None:
    """Files that are one table may each be written in another way."""
    assert csv.sniff(Files("csv", (tmp_path / "a.csv", tmp_path / "b.csv"))) == ""
