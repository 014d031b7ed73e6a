"""The catalog in `ropeway.toml`."""

from __future__ import annotations

from pathlib import Path

import pytest

from ropeway.data import catalog
from ropeway.errors import BadInput, NameTaken, NotFound, UnknownDataset


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "sales.csv").write_text("a,b\n1,2\n")
    return tmp_path


def test_adding_writes_the_project_file(project: Path) -> None:
    """`add` creates ropeway.toml where there is none, with the source relative to it."""
    catalog.add(project, "sales", "data/sales.csv")
    assert (project / "ropeway.toml").read_text() == (
        '[datasets.sales]\nsource = "data/sales.csv"\n'
    )
    assert catalog.load(project)["sales"].files().paths == (project / "data" / "sales.csv",)


def test_adding_keeps_what_people_wrote(project: Path) -> None:
    """Comments, order and other tables of the file stay as they are."""
    text = '# ours\n[workspace]\nport = 1  # free\n\n[datasets.old]\nsource = "data"  # all\n'
    (project / "ropeway.toml").write_text(text)
    catalog.add(project, "sales", "data/sales.csv")
    assert (project / "ropeway.toml").read_text().startswith(text)
    catalog.remove(project, "sales")
    assert (project / "ropeway.toml").read_text().strip() == text.strip()


def test_the_nearest_file_upwards_is_the_project(project: Path) -> None:
    """Below a project `add` writes into its file, and the source counts from there."""
    (project / "ropeway.toml").write_text("")
    entry = catalog.add(project / "data", "sales", "sales.csv")
    assert entry.source == "data/sales.csv"
    assert list(catalog.load(project).entries) == ["sales"]
    assert not (project / "data" / "ropeway.toml").exists()


def test_removing_leaves_the_files(project: Path) -> None:
    """`remove` forgets the dataset and touches no data."""
    catalog.add(project, "sales", "data/sales.csv")
    catalog.remove(project, "sales")
    assert not catalog.load(project).entries
    assert (project / "data" / "sales.csv").exists()
    with pytest.raises(UnknownDataset):
        catalog.remove(project, "sales")


@pytest.mark.parametrize("name", ["Sales", "1a", "a-b", "", "a" * 64, "a b", "ä", "a\n", "select"])
def test_names_stand_in_sql_without_quotes(project: Path, name: str) -> None:
    """A name is small letters, digits and _, at most 63, and no word of SQL."""
    with pytest.raises(BadInput, match="cannot be the name"):
        catalog.add(project, name, "data/sales.csv")
    assert not (project / "ropeway.toml").exists()


def test_a_taken_name_is_an_error(project: Path) -> None:
    """A dataset is never replaced by another of its name."""
    catalog.add(project, "sales", "data/sales.csv")
    with pytest.raises(NameTaken, match="exists already"):
        catalog.add(project, "sales", "data")


def test_a_missing_source_is_an_error(project: Path) -> None:
    """What is not there cannot be added, and nothing is written."""
    for source in ("nope.csv", "nope/*.csv"):
        with pytest.raises(NotFound):
            catalog.add(project, "sales", source)
    assert not (project / "ropeway.toml").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("datasets = 1", "datasets is 1"),
        ("[datasets]\nsales = 1", "datasets.sales is 1"),
        ("[datasets.sales]", "datasets.sales.source is None"),
        ("[datasets.sales]\nsource = 3", "datasets.sales.source is 3"),
        ('[datasets.sales]\nsource = "a"\ntoken = "b"', "datasets.sales.token is not known"),
        ('[datasets.SALES]\nsource = "a"', "datasets.SALES: 'SALES' cannot be"),
        ("[datasets", "is not valid TOML"),
    ],
)
def test_a_wrong_file_is_named_with_its_key(project: Path, text: str, said: str) -> None:
    """What is wrong in ropeway.toml is told with the file and the key."""
    (project / "ropeway.toml").write_text(text)
    with pytest.raises(BadInput) as caught:
        catalog.load(project)
    assert said in caught.value.message
    assert str(project / "ropeway.toml") in caught.value.message


def test_an_unknown_dataset_lists_what_exists(project: Path) -> None:
    """The error for a wrong name says which names there are."""
    catalog.add(project, "sales", "data/sales.csv")
    with pytest.raises(UnknownDataset, match="Added are: sales"):
        catalog.load(project)["sale"]
