"""The catalog in `ropeway.toml`."""

from __future__ import annotations

from pathlib import Path

import pytest

from ropeway.data import catalog, passwords
from ropeway.errors import BadInput, NameTaken, NotFound, UnknownDataset, Unreachable


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
    entry = catalog.add(project / "data", "sales", "sales.csv").entry
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


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('# ours\n\n[datasets.sales]\nsorce = "a"', 4, "sorce is not known; did you mean source?"),
        ('[datasets.sales]\nsource = "a"\nheader = 1', 3, "header is 1, but true or false"),
        ('[datasets.sales]\nsource = "a"\nskip = -1', 3, "a whole number is wanted"),
        ('[datasets.sales]\nsource = "a"\nformat = "word"', 3, "it must be one of csv"),
        ('[datasets.sales]\nsource = "a"\n\n[datasets.sales.columns]\nx = 1', 4, "columns is"),
        ('[datasets.sales]\nsource = "a"\nstorage = { secret = "x" }', 3, "holds a secret"),
        ('[datasets.sales]\nsource = "mysql://u:pw@h/d"\ntable = "t"', 2, "holds a password"),
        ('[datasets.sales]\nsource = "https://h/a.csv?sig=x"', 2, "holds a password"),
        ('[datasets.sales]\nsource = "a"\npolicy = 1', 3, "policy is 1, but a table"),
        (
            '[datasets.sales]\nsource = "a"\n[datasets.sales.policy]\nhere = 1',
            4,
            "policy.here is 1",
        ),
        ("\npolicy = 2", 2, "policy is 2, but a table"),
        ('[datasets]\nsales = { source = "a", tabel = "t" }', 2, "did you mean table?"),
        ('[datasets.sales]\nsource = "a"\nquery = """\nselect 1\n"""\nnull = 3', 6, "a text is"),
    ],
)
def test_a_wrong_key_is_named_with_its_line(project: Path, text: str, line: int, said: str) -> None:
    """What is wrong in a dataset's table is told with file, line and key, and never with a value
    that is secret."""
    (project / "ropeway.toml").write_text(text)
    with pytest.raises(BadInput) as caught:
        catalog.load(project)
    assert caught.value.message.startswith(f"{project / 'ropeway.toml'}:{line}: ")
    assert said in caught.value.message
    assert "pw" not in str(caught.value)


def test_options_and_policy_come_as_written(project: Path) -> None:
    """Options and policies of a dataset, and the policies of classes, are read as they stand."""
    (project / "ropeway.toml").write_text(
        '[datasets.sales]\nsource = "data/sales.csv"\ndelimiter = ","\n'
        '[datasets.sales.policy.public]\nallow = "nothing"\n'
        "[policy.shared]\nmax_rows = 5\n"
    )
    found = catalog.load(project)
    assert found["sales"].options == {"delimiter": ","}
    assert found["sales"].policy == {"public": {"allow": "nothing"}}
    assert found.policy == {"shared": {"max_rows": 5}}
    where = found.at("datasets", "sales", "policy", "public")
    assert where == f"{project / 'ropeway.toml'}:4: datasets.sales.policy.public"


def test_options_are_written(project: Path) -> None:
    """What `add` is given beside the source stands in the file, and is read back."""
    given = {"delimiter": ",", "header": True, "columns": {"a": "DOUBLE"}}
    catalog.add(project, "sales", "data/sales.csv", given)
    assert 'columns = {a = "DOUBLE"}' in (project / "ropeway.toml").read_text()
    assert catalog.load(project)["sales"].options == given


def test_a_source_that_cannot_be_read_is_not_added(project: Path) -> None:
    """`add` opens the source first: where that fails nothing is written."""
    (project / "data" / "bad.parquet").write_text("no parquet")
    with pytest.raises(BadInput, match="cannot be read as one table"):
        catalog.add(project, "bad", "data/bad.parquet")
    with pytest.raises(BadInput, match="is not known; did you mean sheet"):
        catalog.add(project, "bad", "data/sales.csv", {"shet": "x"})
    assert not (project / "ropeway.toml").exists()


def test_a_password_in_a_url_is_kept_elsewhere(project: Path) -> None:
    """The password of a URL that is added is nowhere in the project file."""
    with pytest.raises(Unreachable) as caught:
        catalog.add(project, "far", "postgresql://ann:hush@127.0.0.1:1/d", {"table": "t"})
    assert "hush" not in str(caught.value)
    assert passwords.password("postgresql://ann@127.0.0.1:1/other") == "hush"


def test_an_unknown_dataset_lists_what_exists(project: Path) -> None:
    """The error for a wrong name says which names there are."""
    catalog.add(project, "sales", "data/sales.csv")
    with pytest.raises(UnknownDataset, match="Added are: sales"):
        catalog.load(project)["sale"]
