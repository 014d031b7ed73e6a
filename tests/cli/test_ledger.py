"""`ropeway ledger` as a person uses it."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ropeway.cli import run
from ropeway.data import ledger as book
from ropeway.data.ledger import Ledger
from ropeway.wire import LedgerEntry


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose ledger holds three crossings."""
    monkeypatch.chdir(tmp_path)
    folder = book.folder_of(tmp_path)
    ledger = Ledger(folder)
    gpu = LedgerEntry(
        "query", "began", "q1", notebook="train.ipynb", runtime="gpu", datasets=("sales",)
    )
    ledger.append(gpu)
    ledger.append(LedgerEntry(**{**_fields(gpu), "state": "done", "rows": 1234}))
    ledger.append(
        LedgerEntry(
            "query", "refused", "q2", runtime="colab", datasets=("people",), reason="Nothing may."
        )
    )
    ledger.append(LedgerEntry("query", "began", "q3", runtime="here", datasets=("sales",)))
    return folder


def _fields(entry: LedgerEntry) -> dict[str, object]:
    return {name: getattr(entry, name) for name in LedgerEntry.__slots__}


def test_it_lists_what_crossed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each crossing is one line: who, what, how much, and why not."""
    assert run(["ledger"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for part in ("gpu", "sales", "1,234", "train.ipynb", "refused", "Nothing may.", "unfinished"):
        assert part in shown
    assert "began" not in shown


def test_it_lists_values(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A value between kernels is a line with its name, its type and where it came from; it is
    found under both of its runtimes."""
    got = LedgerEntry(
        "get", "done", "c1", runtime="here", source="gpu", value="scores", type="dict"
    )
    Ledger(folder).append(got)
    for runtime in ("gpu", "here"):
        assert run(["ledger", "--runtime", runtime]) == 0
        shown = " ".join(capsys.readouterr().out.split())
        assert "scores (dict) get done" in shown
        assert "from gpu" in shown
    assert run(["ledger", "--dataset", "scores"]) == 0
    assert "Nothing crossed." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--dataset", "people"], ["q2"]),
        (["--runtime", "gpu"], ["q1"]),
        (["--since", "1h"], ["q1", "q2", "q3"]),
        (["--runtime", "nobody"], []),
    ],
)
def test_it_filters(
    folder: Path, capsys: pytest.CaptureFixture[str], options: list[str], found: list[str]
) -> None:
    """By dataset, runtime and age; as JSON lines for machines."""
    assert run(["ledger", *options, "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["id"] for row in rows] == found


def test_verify_says_what_is_wrong(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A whole ledger gives its last hash; a changed one is named by file and line, exit code 3."""
    assert run(["ledger", "verify"]) == 0
    noted = capsys.readouterr().out.split()[-1]
    assert run(["ledger", "verify", "--expect", noted]) == 0
    path = folder / "000001.jsonl"
    path.write_text(path.read_text().replace("1234", "1"))
    assert run(["ledger", "verify"]) == 3
    assert "000001.jsonl, line 2: was changed" in capsys.readouterr().out


def test_it_exports(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON lines and as Parquet; nothing that exists is written over."""
    assert run(["ledger", "export", "out.jsonl"]) == 0
    assert run(["ledger", "export", "out.parquet"]) == 0
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == rows
    assert [row["id"] for row in rows] == ["q1", "q2", "q3"]
    assert run(["ledger", "export", "out.jsonl"]) != 0
    assert run(["ledger", "export", "out.xlsx"]) != 0


def test_an_empty_ledger_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nothing crossed there is nothing to list, and nothing wrong."""
    monkeypatch.chdir(tmp_path)
    assert run(["ledger"]) == 0
    assert run(["ledger", "verify"]) == 0
    assert "Nothing crossed." in capsys.readouterr().out
