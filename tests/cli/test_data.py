"""`ropeway data` in a shell."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from ropeway.cli import run
from ropeway.cli.data import data
from ropeway.data import passwords
from ropeway.data.shelf import Shelf
from ropeway.errors import BadInput, NameTaken, Refused


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "sales.csv").write_text("region,amount\nnorth,1\nsouth,2\nnorth,39\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shell(*words: str) -> Result:
    return CliRunner().invoke(data, list(words), catch_exceptions=False)


def ran(*words: str) -> str:
    result = CliRunner().invoke(data, list(words), standalone_mode=False)
    if result.exception:
        raise result.exception
    return result.stdout


def test_add_list_show_and_remove(project: Path) -> None:
    """A dataset is added, listed, shown with its columns and size, and removed."""
    assert "Added sales" in ran("add", "sales", "sales.csv")
    assert "sales.csv" in ran("ls")
    shown = ran("show", "sales")
    assert "amount  BIGINT" in shown
    assert "39 B" in shown
    assert "Removed sales" in ran("rm", "sales")
    assert "No dataset was added yet" in ran("ls")


def test_adding_shows_the_columns(project: Path) -> None:
    """`add` opens the source and shows its columns; `-c` and `-o` give types and options."""
    told = ran("add", "sales", "sales.csv", "-c", "amount=DOUBLE", "-o", "null=NA")
    assert "amount  DOUBLE" in told
    assert 'rw.sql("select * from sales limit 10")' in told
    written = (project / "ropeway.toml").read_text()
    assert 'columns = {amount = "DOUBLE"}' in written
    assert 'null = "NA"' in written
    with pytest.raises(BadInput, match="NAME=TYPE"):
        ran("add", "more", "sales.csv", "-c", "amount")


def test_preview_shows_the_first_rows(project: Path) -> None:
    """`preview` prints as many rows as asked for, of files and of databases."""
    ran("add", "sales", "sales.csv")
    shown = [line.split() for line in ran("preview", "sales", "-n", "1").splitlines()]
    assert shown == [["region", "amount"], ["north", "1"]]
    with sqlite3.connect(project / "shop.db") as connection:
        connection.execute("create table items (name text, price decimal(6,2))")
        connection.execute("insert into items values ('[b]ball[/b]', 1.5), (null, 2)")
    connection.close()
    ran("add", "items", "shop.db", "--table", "items")
    shown_items = ran("preview", "items")
    assert "[b]ball[/b]  1.50" in shown_items
    assert "NULL" in shown_items
    assert "2 rows" in ran("show", "items")


def test_a_broken_dataset_is_listed(project: Path) -> None:
    """`ls` says which dataset cannot be read, and lists the others; what is elsewhere is not
    asked."""
    ran("add", "sales", "sales.csv")
    with (project / "ropeway.toml").open("a") as file:
        file.write('[datasets.gone]\nsource = "gone.csv"\n')
        file.write('[datasets.far]\nsource = "https://far.invalid/x.csv"\n')
    lines = {line.split()[0]: line for line in ran("ls").splitlines()}
    assert "There is no file" in lines["gone"]
    assert "elsewhere" in lines["far"]
    assert "39 B" in lines["sales"]


def test_a_password_is_asked_for_and_kept(project: Path) -> None:
    """`password` reads it unseen and keeps it for the dataset's address, not in the project."""
    (project / "ropeway.toml").write_text(
        '[datasets.far]\nsource = "postgresql://ann@h/d"\ntable = "t"\n'
    )
    result = CliRunner().invoke(data, ["password", "far"], input="hush\n")
    assert result.exit_code == 0
    assert "hush" not in result.output
    assert passwords.password("postgresql://ann@h/d") == "hush"
    assert "hush" not in (project / "ropeway.toml").read_text()


def test_notes_are_shown_at_home(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The shell shows what an error says to home alone: here the path."""
    assert run(["data", "add", "x", "nope.csv"]) == 2
    said = capfd.readouterr().err
    assert "nope.csv: There is no file" in said
    assert str(project / "nope.csv") in said


def test_a_query_prints_a_table(project: Path) -> None:
    """`query` prints rows as a table; what was read goes to the standard error."""
    ran("add", "sales", "sales.csv")
    result = CliRunner().invoke(
        data,
        [
            "query",
            "select region, sum(amount) s from sales where amount > $low group by 1",
            "-p",
            "low=1",
        ],
    )
    assert "north" in result.stdout
    assert "39" in result.stdout
    assert "scanned" in result.stderr


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("csv", "region,s\nnorth,40\nsouth,2\n"),
        ("json", '{"region": "north", "s": 40}\n{"region": "south", "s": 2}\n'),
    ],
)
def test_formats(project: Path, kind: str, expected: str) -> None:
    """CSV and JSON lines are plain, for other programs."""
    ran("add", "sales", "sales.csv")
    sql = "select region, sum(amount) s from sales group by 1 order by 1"
    assert ran("query", sql, "--format", kind) == expected


def test_arrow_into_a_file(project: Path) -> None:
    """`--format arrow -o FILE` writes an Arrow IPC stream."""
    ran("add", "sales", "sales.csv")
    ran("query", "select * from sales", "--format", "arrow", "-o", "out.arrow")
    assert pa.ipc.open_stream((project / "out.arrow").read_bytes()).read_all().num_rows == 3


def test_a_failed_query_leaves_the_old_file(project: Path) -> None:
    """The output file is replaced only by a whole answer."""
    ran("add", "sales", "sales.csv")
    (project / "out.csv").write_text("old")
    with pytest.raises(Exception, match="converted"):
        ran("query", "select region::int from sales", "-o", "out.csv", "--format", "csv")
    assert (project / "out.csv").read_text() == "old"
    assert sorted(p.name for p in project.iterdir()) == ["out.csv", "ropeway.toml", "sales.csv"]


def test_the_rules_hold_in_the_shell_too(project: Path) -> None:
    """What a notebook may not ask is refused here as well."""
    with pytest.raises(Refused):
        ran("query", "select * from 'sales.csv'")
    ran("add", "sales", "sales.csv")
    with pytest.raises(NameTaken):
        ran("add", "sales", "sales.csv")


def test_help_shows_examples() -> None:
    """Every command's help has an example that can be typed."""
    for name in data.commands:
        assert f"ropeway data {name}" in shell(name, "--help").output


def test_json_parameters_keep_their_types(project: Path) -> None:
    """`-p low=10` binds a number, `-p name=x` a text."""
    out = ran("query", "select typeof($a) a, typeof($b) b", "-p", "a=10", "-p", "b=x",
              "--format", "json")  # fmt: skip
    assert json.loads(out) == {"a": "INTEGER", "b": "VARCHAR"}


def test_versions_of_what_was_put(project: Path) -> None:
    """`versions` lists a put dataset's files, and refuses one that was added."""
    ran("add", "sales", "sales.csv")
    kept = Shelf(project)
    for number in (1, 2):
        with kept.place("scores") as fresh:
            pq.write_table(pa.table({"v": [number]}), fresh)
            kept.publish("scores", fresh)
    lines = ran("versions", "scores").splitlines()
    assert lines[0] == f"In {project}/.ropeway/put/scores:"
    assert [line.split()[0] for line in lines[1:]] == ["version", "1", "2"]
    assert lines[3].strip().endswith("2.parquet")
    assert "scores" in ran("ls")
    assert json.loads(ran("query", "select v from scores", "--format", "json")) == {"v": 2}
    with pytest.raises(BadInput, match="was added, not put"):
        ran("versions", "sales")
    with pytest.raises(BadInput, match="put by a notebook"):
        ran("rm", "scores")
    with pytest.raises(NameTaken):
        ran("add", "scores", "sales.csv")
