"""From a source to its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from ropeway.data.sources import expand, kind_of_name
from ropeway.errors import BadInput


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("a\n1\n")


def test_a_folder_is_all_tables_below_it(tmp_path: Path) -> None:
    """A folder stands for its files and those below; hidden and other files are passed over."""
    put(tmp_path, "d/b.csv", "d/2024/a.csv.gz", "d/.tmp/x.csv", "d/_old.csv", "d/readme.md")
    found = expand("d", tmp_path)
    assert found.kind == "csv"
    assert [p.name for p in found.paths] == ["a.csv.gz", "b.csv"]


def test_a_glob_is_what_it_matches(tmp_path: Path) -> None:
    """A glob stands for the files that match it, in a fixed order."""
    put(tmp_path, "logs/b/2.ndjson", "logs/a/1.ndjson", "logs/a/x.csv")
    found = expand("logs/**/*.ndjson", tmp_path)
    assert (found.kind, [p.name for p in found.paths]) == ("json", ["1.ndjson", "2.ndjson"])


def test_a_dataset_has_one_kind_of_file(tmp_path: Path) -> None:
    """Files of several kinds are no table, and the error counts them."""
    put(tmp_path, "d/a.csv", "d/b.json")
    with pytest.raises(BadInput, match="1 csv, 1 json"):
        expand("d", tmp_path)


@pytest.mark.parametrize("name", ["a.xlsx", "a.db", "a", "a.gz", "a.csv.zip"])
def test_other_files_are_refused(tmp_path: Path, name: str) -> None:
    """A kind of file that cannot be read is refused with the kinds that can."""
    put(tmp_path, name)
    with pytest.raises(BadInput) as caught:
        expand(name, tmp_path)
    assert ".parquet" in caught.value.hint


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    """A folder without any table cannot be added."""
    (tmp_path / "d").mkdir()
    with pytest.raises(BadInput, match="holds no file"):
        expand("d", tmp_path)


def test_names_with_signs_of_a_glob_are_refused(tmp_path: Path) -> None:
    """A file name that the engine would read as a glob could reach other files."""
    put(tmp_path, "a[1].csv")
    with pytest.raises(BadInput, match="glob"):
        expand("a[1].csv", tmp_path)


def test_the_ending_says_the_kind() -> None:
    """Endings count whatever their case, with .gz where it is allowed."""
    assert kind_of_name("A.CSV.GZ") == "csv"
    assert kind_of_name("a.jsonl") == "json"
    assert kind_of_name("a.parquet") == "parquet"
    assert kind_of_name("a.parquet.gz") is None
