"""`ropeway data` in a shell."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner, Result

from ropeway.cli.data import data
from ropeway.errors import NameTaken, Refused


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
