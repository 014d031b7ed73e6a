"""CSV as the engine guesses it, and as it is told."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ropeway.data.engines import csv
from ropeway.data.job import Table
from ropeway.data.query import Home
from ropeway.data.sources import Files, reader, sniff
from ropeway.wire import Query

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


def read(relation: str) -> tuple[Any, ...]:
    """What the engine makes of it: columns with types and rows, or that it gives up."""
    connection = duckdb.connect()
    try:
        found = connection.sql(f"select * from {relation}")
        return tuple(zip(found.columns, map(str, found.types), strict=True)), found.fetchall()
    except duckdb.Error as error:
        return (type(error),)


@pytest.mark.parametrize(("text", "options"), FILES)
def test_what_is_told_is_what_would_be_guessed(
    tmp_path: Path, text: str, options: dict[str, Any]
) -> None:
    """A file that was looked at once reads as one that is looked at each time, to its errors."""
    path = tmp_path / ("sales.csv.gz" if len(text) < 100 else "sales.csv")
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    files = Files("csv", (path,), options)
    asked = duckdb.connect().execute(sniff(files))
    told = dict(zip([each[0] for each in asked.description], asked.fetchone() or (), strict=True))
    assert "auto_detect=false" in reader(files, told)
    assert read(reader(files, told)) == read(reader(files))


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
