"""`ropeway history` as a user calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from support.servers import Server, clean_environment, workspace


def call(folder: Path, home: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "ropeway", "history", *arguments],
        cwd=folder,
        env=clean_environment(home) | {"COLUMNS": "150"},
        capture_output=True,
        timeout=60,
    )


def notebook(*sources: str) -> dict[str, Any]:
    """A notebook of these cells."""
    cells = [nbformat.v4.new_code_cell(each, id=f"c{n}") for n, each in enumerate(sources)]
    return dict(nbformat.v4.new_notebook(cells=cells))


def save(work: Server, path: str, content: dict[str, Any]) -> bytes:
    """Save as the page does; gives what lies on disk."""
    body = {"type": "notebook", "format": "json", "content": content}
    assert work.api(f"/api/contents/{path}", "PUT", body)[0] in (200, 201)
    return (work.root / path).read_bytes()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home folder of a user who saved a notebook three times; its workspace has ended."""
    home = tmp_path_factory.mktemp("home")
    with workspace(home, home / "files") as work:
        work.api("/api/contents/sub", "PUT", {"type": "directory"})
        for sources in (("a", "b"), ("a", "c"), ("a", "c", "d")):
            body = save(work, "sub/a.ipynb", notebook(*sources))
            (home / f"{len(list(home.glob('*.kept')))}.kept").write_bytes(body)
    return home


def test_versions_are_listed_from_any_folder(home: Path) -> None:
    """The table has a line for each version, wherever it is asked for."""
    for folder, name in (
        (home / "files/sub", "a.ipynb"),
        (home / "files", "sub/a.ipynb"),
        (Path("/"), str(home / "files/sub/a.ipynb")),
    ):
        ran = call(folder, home, name)
        assert ran.returncode == 0, ran.stderr
        head, newest, second, first = ran.stdout.decode().splitlines()
        assert head.split()[:3] == ["number", "when", "why"]
        assert "1 cell added" in newest
        assert "1 cell edited" in second
        assert "first version" in first
        assert "saved" in first


def test_a_diff_is_printed(home: Path) -> None:
    """--diff A tells what changed since then, --diff A B between two."""
    since = call(home / "files/sub", home, "a.ipynb", "--diff", "1").stdout.decode()
    assert since.splitlines()[0] == "1 cell added, 1 cell edited"
    between = call(home / "files/sub", home, "a.ipynb", "--diff", "1", "2").stdout.decode()
    assert between.splitlines() == ["1 cell edited", "", "code cell 2: edited", "  -b", "  +c"]


def test_json_is_for_programs(home: Path) -> None:
    """--json gives the versions, or the changes, as the REST interface does."""
    found = json.loads(call(home / "files/sub", home, "a.ipynb", "--json").stdout)["versions"]
    assert [(each["id"], each["path"]) for each in found] == [
        (number, "sub/a.ipynb") for number in (3, 2, 1)
    ]
    ran = call(home / "files/sub", home, "a.ipynb", "--diff", "1", "2", "--json")
    assert json.loads(ran.stdout)["changes"][0]["source"] == ["-b", "+c"]


def test_a_version_is_shown_and_restored_exactly(home: Path) -> None:
    """--show prints the document byte for byte, --restore writes it; the present one is kept."""
    file = home / "files/sub/a.ipynb"
    shown = call(home / "files/sub", home, "a.ipynb", "--show", "1")
    assert shown.stdout == (home / "0.kept").read_bytes()
    file.write_bytes(b"somebody else's")
    ran = call(home / "files", home, "sub/a.ipynb", "--restore", "1")
    assert ran.returncode == 0, ran.stderr
    assert b"is version 1 again" in ran.stdout
    assert b"Reload" not in ran.stdout
    assert file.read_bytes() == (home / "0.kept").read_bytes()
    found = json.loads(call(home / "files/sub", home, "a.ipynb", "--json").stdout)["versions"]
    assert [each["why"] for each in found[:2]] == ["restored", "replaced"]
    replaced = call(home / "files/sub", home, "a.ipynb", "--show", str(found[1]["id"]))
    assert replaced.stdout == b"somebody else's"


def test_notebooks_are_listed(home: Path, tmp_path: Path) -> None:
    """Without a notebook those that were kept are listed, and which of them are gone."""
    (line,) = call(home / "files", home).stdout.decode().splitlines()[1:]
    assert line.startswith("sub/a.ipynb")
    assert "deleted" not in line
    (home / "files/sub/a.ipynb").rename(home / "files/sub/b.ipynb")
    (line,) = call(home / "files", home).stdout.decode().splitlines()[1:]
    assert "deleted or moved" in line
    (home / "files/sub/b.ipynb").rename(home / "files/sub/a.ipynb")
    (found,) = json.loads(call(home / "files", home, "--json").stdout)["versions"]
    assert found["path"] == "sub/a.ipynb"
    assert b"Nothing of" in call(tmp_path, home).stdout


def test_a_restore_beside_a_running_workspace(tmp_path: Path) -> None:
    """While the workspace runs, a restore works, and says how the page gets to see it."""
    with workspace(tmp_path, tmp_path / "files") as work:
        first = save(work, "a.ipynb", notebook("1"))
        save(work, "a.ipynb", notebook("2"))
        ran = call(work.root, tmp_path, "a.ipynb", "--restore", "1")
        assert ran.returncode == 0, ran.stderr
        assert b"Reload Notebook from Disk" in ran.stdout
        assert (work.root / "a.ipynb").read_bytes() == first
        found = work.api("/ropeway/api/history?path=a.ipynb")[1]["versions"]
        assert [each["why"] for each in found] == ["restored", "saved", "saved"]


def test_a_run_is_kept(tmp_path: Path) -> None:
    """`ropeway run` keeps what it found and what it wrote."""
    (tmp_path / "files").mkdir()
    nbformat.write(nbformat.from_dict(notebook("print(6 * 7)")), tmp_path / "files" / "a.ipynb")
    command = [sys.executable, "-m", "ropeway", "run", "a.ipynb"]
    environment = clean_environment(tmp_path)
    subprocess.run(command, cwd=tmp_path / "files", env=environment, check=True, timeout=100)
    found = json.loads(call(tmp_path / "files", tmp_path, "a.ipynb", "--json").stdout)["versions"]
    assert [(each["why"], each["outputs"]) for each in found] == [("run", 1), ("found", 0)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("never.ipynb",), "Nothing of never.ipynb was kept"),
        (("a.ipynb", "--restore", "999"), "has no version 999"),
        (("a.ipynb", "--diff", "1", "999"), "has no version 999"),
        (("a.ipynb", "--diff", "1", "--show", "1"), "do not go together"),
        (("a.ipynb", "7"), "--diff alone"),
        (("a.ipynb", "--restore", "x"), "not a valid integer"),
        (("--restore", "1"), "Of which notebook"),
    ],
)
def test_bad_input_has_its_words(home: Path, arguments: tuple[str, ...], words: str) -> None:
    """What cannot be is told in a line, with exit code 2, and changes nothing."""
    before = (home / "files/sub/a.ipynb").read_bytes()
    ran = call(home / "files/sub", home, *arguments)
    assert ran.returncode == 2
    assert words in ran.stderr.decode()
    assert "Traceback" not in ran.stderr.decode()
    assert (home / "files/sub/a.ipynb").read_bytes() == before
