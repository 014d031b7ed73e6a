"""`ropeway data policy` in a shell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ropeway.cli.data import data
from ropeway.errors import BadInput, UnknownDataset, UnknownRuntime
from ropeway.workspace.remembered import Record, runtime_list

TOML = """
[datasets.patients]
source = "patients.csv"

[datasets.patients.policy.public]
allow = "rows"
hide = ["name"]
mask = { ssn = "hash", age = { round = 10 } }
rows = "city <> 'Oslo'"
max_rows = 100
seconds = 5

[datasets.open]
source = "patients.csv"

[policy.shared]
allow = "nothing"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "patients.csv").write_text("id,name,ssn,city,age\n1,Ann,123,Rome,34\n")
    (tmp_path / "ropeway.toml").write_text(TOML)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ran(*words: str) -> str:
    result = CliRunner().invoke(data, ["policy", *words], standalone_mode=False)
    if result.exception:
        raise result.exception
    return result.stdout


def test_check_tells_what_a_class_sees_and_why(project: Path) -> None:
    """Columns with their masks, rows and limits are told in words, and where they are written."""
    told = ran("check", "patients", "--class", "public")
    for each in (
        "patients for runtimes of the class public",
        "Hidden: name.",
        "ssn is replaced by a keyed hash.",
        "Only rows where (city != 'Oslo').",
        "At most 100 rows a query.",
        "ropeway.toml: datasets.patients.policy.public",
        "rounded to multiples of 10",
    ):
        assert each in told
    assert "\n  name " not in told


def test_check_tells_all_datasets_and_classes(project: Path) -> None:
    """Without words it tells every dataset and class, with defaults and general rules as such."""
    lines = [json.loads(line) for line in ran("check", "--json").splitlines()]
    assert len(lines) == 8
    told = {(each["dataset"], each["class"]): each for each in lines}
    assert told["open", "public"]["words"][0] == "Nothing may be read."
    assert told["open", "public"]["why"] == "default"
    assert told["open", "shared"]["why"] == "policy.shared"
    assert told["open", "here"]["allow"] == "rows"
    shown = told["patients", "public"]["columns"]
    assert [each["name"] for each in shown] == ["id", "ssn", "city", "age"]
    assert shown[1] == {"name": "ssn", "type": "VARCHAR", "mask": "replaced by a keyed hash"}
    assert told["patients", "public"]["max_rows"] == 100


def test_a_wrong_policy_is_told_after_the_others(project: Path) -> None:
    """Every dataset is told; one whose policy is wrong answers nobody, and the command fails."""
    toml = project / "ropeway.toml"
    toml.write_text(toml.read_text().replace('["name"]', '["nam"]'))
    result = CliRunner().invoke(data, ["policy", "check", "--class", "here"], standalone_mode=False)
    assert isinstance(result.exception, BadInput)
    assert "hide names the column nam" in str(result.exception)
    assert "nothing is answered" in result.stdout
    assert "open for runtimes of the class here" in result.stdout


def test_a_runtime_has_the_class_that_home_knows(project: Path) -> None:
    """`--runtime` looks up the runtime's class, as given or as usual for its kind."""
    for name, url, given in (
        ("mine", "http://gpu:8888/", "own"),
        ("far", "https://gpu.example/", ""),
        ("lab", "ssh://ann@gpu-box", "shared"),
    ):
        runtime_list().add(Record(name, url, "", {}, given))
    for name, wanted in (("mine", "own"), ("far", "public"), ("lab", "shared"), ("here", "here")):
        told = json.loads(ran("check", "patients", "--runtime", name, "--json"))
        assert told["class"] == wanted
    with pytest.raises(UnknownRuntime, match="nope"):
        ran("check", "--runtime", "nope")
    with pytest.raises(BadInput, match="Both"):
        ran("check", "--runtime", "mine", "--class", "own")


def test_an_unknown_dataset_is_an_error(project: Path) -> None:
    """A name that was not added is answered with those that were."""
    with pytest.raises(UnknownDataset, match="open, patients"):
        ran("check", "nope")


def test_the_key_of_hashes_is_private_and_never_told(project: Path, own_home: Path) -> None:
    """Home's key lies in a file of its owner's alone, is made once, and is not printed."""
    first = ran("check", "patients", "--json")
    key = own_home / "hash.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert ran("check", "patients", "--json") == first
    secret = bytes.fromhex(key.read_text())
    assert len(secret) == 32
    for shape in (secret.hex(), bytes(each ^ 0x36 for each in secret).hex()):
        assert shape not in first


def test_a_role_for_postgres_reads_what_the_policy_shows(project: Path) -> None:
    """The SQL makes a barrier view of visible columns and rows, and a role that can read it."""
    sql = ran("postgres", "patients", "--table", "clinic.patients")
    assert 'create view "ropeway_public"."patients" with (security_barrier) as' in sql
    assert '"id",\n       "ssn",\n       "city",\n       "age"\nfrom "clinic"."patients"' in sql
    assert "where (city != 'Oslo');" in sql
    assert "statement_timeout = '5s'" in sql
    assert '"name"' not in sql


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["open", "--table", "a.b"], "lets nothing cross"),
        (["patients", "--table", 'a"; drop table x'], "name of a table"),
        (["patients", "--table", "a.b", "--role", "x y"], "name of a role"),
    ],
)
def test_no_role_is_made_of_nonsense(project: Path, words: list[str], said: str) -> None:
    """A policy that shows nothing, and names that are none, are errors."""
    with pytest.raises(BadInput, match=said):
        ran("postgres", *words)
