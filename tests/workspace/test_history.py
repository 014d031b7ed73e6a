"""The history through the workspace's own interfaces."""

from __future__ import annotations

import hashlib
import json
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from ropeway import config
from ropeway.notebooks.keeper import RUN, Keeper
from ropeway.workspace.history import KeptContents, because
from support.servers import Server, workspace


def notebook(*sources: str, output: str = "") -> dict[str, Any]:
    """A notebook as the page saves it."""
    made = nbformat.v4.new_notebook()
    for number, source in enumerate(sources):
        cell = nbformat.v4.new_code_cell(source, id=f"cell-{number}")
        if output:
            cell.outputs = [nbformat.v4.new_output("stream", text=output)]
        made.cells.append(cell)
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3 (ipykernel)"}
    return made


def save(work: Server, path: str, content: dict[str, Any]) -> dict[str, Any]:
    """Save as the page does."""
    body = {"type": "notebook", "format": "json", "content": content}
    status, answer = work.api(f"/api/contents/{path}", "PUT", body)
    assert status in (200, 201), answer
    return dict(answer)


def versions(work: Server, path: str) -> list[dict[str, Any]]:
    """The versions of a notebook, the oldest first."""
    status, answer = work.api(f"/ropeway/api/history?path={path}")
    assert status == 200, answer
    return list(reversed(answer["versions"]))


def document(work: Server, number: int) -> bytes:
    """The document of a version as it is sent."""
    url = f"{work.url}/ropeway/api/history/{number}"
    request = urllib.request.Request(url, headers={"Authorization": f"token {work.token}"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return bytes(answer.read())


def test_saves_in_the_page_are_kept(work: Server) -> None:
    """Each save is a version whose document is what lies on disk, byte for byte."""
    save(work, "kept.ipynb", notebook("1"))
    save(work, "kept.ipynb", notebook("1", "2"))
    first, second = versions(work, "kept.ipynb")
    assert [first["why"], second["why"], second["changed"]] == ["saved", "saved", "1 cell added"]
    assert document(work, second["id"]) == (work.root / "kept.ipynb").read_bytes()
    everything = work.api("/ropeway/api/history")[1]["versions"]
    assert second in everything
    assert first not in everything


def test_a_save_answers_with_the_hash(work: Server) -> None:
    """The page learns what it wrote: its next save notices any change, at any time."""
    answer = save(work, "hash.ipynb", notebook("1"))
    assert answer["hash_algorithm"] == "sha256"
    on_disk = (work.root / "hash.ipynb").read_bytes()
    assert answer["hash"] == hashlib.sha256(on_disk).hexdigest()


def test_an_empty_notebook_eats_nothing(work: Server) -> None:
    """A page that saves an empty notebook over a rich one that others wrote: both are kept."""
    save(work, "eaten.ipynb", notebook("1", output="42"))
    rich = nbformat.writes(notebook("1", "2", "3", output="42"))
    (work.root / "eaten.ipynb").write_text(rich)
    save(work, "eaten.ipynb", notebook())
    found = versions(work, "eaten.ipynb")
    assert [each["why"] for each in found] == ["saved", "found", "saved"]
    assert found[2]["changed"] == "3 cells removed"
    assert document(work, found[1]["id"]).decode() == rich


def test_two_tabs_lose_nothing(work: Server) -> None:
    """A tab that slept and saves what it had, against every advice, leaves both to be restored."""
    opened = save(work, "tabs.ipynb", notebook("base"))
    mine = save(work, "tabs.ipynb", notebook("mine"))
    shown = work.api("/api/contents/tabs.ipynb?content=0&hash=1")[1]
    assert shown["hash"] == mine["hash"] != opened["hash"]  # by which JupyterLab knows and asks
    save(work, "tabs.ipynb", notebook("from the tab that slept"))
    bodies = [document(work, each["id"]).decode() for each in versions(work, "tabs.ipynb")]
    assert ['"mine"' in body for body in bodies] == [False, True, False]


def test_a_renamed_notebook_keeps_its_history(work: Server) -> None:
    """Renaming a notebook or its folder takes the versions along."""
    work.api("/api/contents/before", "PUT", {"type": "directory"})
    save(work, "before/a.ipynb", notebook("1"))
    work.api("/api/contents/before/a.ipynb", "PATCH", {"path": "before/b.ipynb"})
    work.api("/api/contents/before", "PATCH", {"path": "after"})
    save(work, "after/b.ipynb", notebook("2"))
    assert [each["why"] for each in versions(work, "after/b.ipynb")] == ["saved", "saved"]
    assert versions(work, "before/a.ipynb") == []


def test_a_deleted_notebook_is_restored(work: Server) -> None:
    """Deleting keeps the last state, though others wrote it, and a restore brings it back."""
    save(work, "gone.ipynb", notebook("1"))
    late = nbformat.writes(notebook("1", "late"))
    (work.root / "gone.ipynb").write_text(late)
    assert work.api("/api/contents/gone.ipynb", "DELETE")[0] == 204
    found = versions(work, "gone.ipynb")
    assert [each["why"] for each in found] == ["saved", "found"]
    status, restored = work.api(f"/ropeway/api/history/{found[1]['id']}/restore", "POST", {})
    assert (status, restored) == (200, found[1])  # it is the newest still
    assert (work.root / "gone.ipynb").read_text() == late


def test_a_diff_between_versions_and_to_the_present(work: Server) -> None:
    """Two versions are compared cell by cell, or one with what lies on disk."""
    save(work, "diff.ipynb", notebook("a", "b"))
    save(work, "diff.ipynb", notebook("a", "c"))
    one, other = (each["id"] for each in versions(work, "diff.ipynb"))
    answer = work.api(f"/ropeway/api/history/{one}/diff?to={other}")[1]
    assert answer["summary"] == "1 cell edited"
    assert answer["changes"][0]["source"] == ["-b", "+c"]
    (work.root / "diff.ipynb").write_text(nbformat.writes(notebook("a")))
    answer = work.api(f"/ropeway/api/history/{one}/diff")[1]
    assert [(each["kind"], each["old"]) for each in answer["changes"]] == [("removed", 1)]
    (work.root / "diff.ipynb").unlink()
    assert work.api(f"/ropeway/api/history/{one}/diff")[1]["summary"].startswith("2 cells removed")


def test_what_only_a_page_has_is_kept(work: Server) -> None:
    """A page can keep what it is about to drop, as it would lie on disk; the file stays."""
    save(work, "drop.ipynb", notebook("1"))
    mine = notebook("only here")
    mine["metadata"]["kernelspec"] = {"name": "gpu.python3", "display_name": "Python 3 · gpu"}
    body = {"path": "drop.ipynb", "content": mine}
    status, kept = work.api("/ropeway/api/history", "POST", body)
    assert (status, kept["why"]) == (201, "dropped")
    found = json.loads(document(work, kept["id"]))
    assert found["metadata"]["kernelspec"]["name"] == "python3"
    assert found["metadata"]["ropeway"] == {"runtime": "gpu"}
    assert "only here" not in (work.root / "drop.ipynb").read_text()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"path": "a.txt", "content": notebook("1")},
        {"path": "../a.ipynb", "content": notebook("1")},
        {"path": "a.ipynb", "content": "text"},
        {"path": "a.ipynb", "content": {"nbformat": 3, "worksheets": []}},
        {"path": "a.ipynb", "content": {"nbformat": 4, "cells": 7}},
        {"path": "a.ipynb", "content": {"nbformat": 4, "cells": ["x"]}},
        {"path": "a.ipynb", "content": {"nbformat": 4, "metadata": 7, "cells": []}},
    ],
)
def test_only_notebooks_are_kept(work: Server, body: dict[str, Any]) -> None:
    """What is no notebook, or lies nowhere in the workspace, is bad input."""
    status, answer = work.api("/ropeway/api/history", "POST", body)
    assert (status, answer["error"]["code"]) == (400, "bad_input")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/ropeway/api/history/999999", 404),
        ("GET", "/ropeway/api/history/999999/diff", 404),
        ("POST", "/ropeway/api/history/999999/restore", 404),
        ("GET", "/ropeway/api/history/1/diff?to=x", 400),
        ("GET", f"/ropeway/api/history/1/diff?to={'9' * 40}", 400),
    ],
)
def test_what_cannot_be_is_told(work: Server, method: str, path: str, status: int) -> None:
    """A version that is not there, or no number, has its status and a message."""
    got, answer = work.api(path, method)
    assert (got, bool(answer["message"])) == (status, True)


def test_a_notebook_saved_as_text_is_kept(work: Server) -> None:
    """The text editor's saves of a notebook are versions as well, an upload's pieces too."""
    save(work, "text.ipynb", notebook("1"))
    text = nbformat.writes(notebook("1", "2"))
    body: dict[str, Any] = {"type": "file", "format": "text", "content": text}
    assert work.api("/api/contents/text.ipynb", "PUT", body)[0] == 200
    upload = {**body, "content": text[:100]}
    assert work.api("/api/contents/text.ipynb", "PUT", {**upload, "chunk": 1})[0] == 200
    assert len(versions(work, "text.ipynb")) == 3
    assert document(work, versions(work, "text.ipynb")[1]["id"]).decode() == text


def test_a_checkpoint_is_restored_with_both_sides_kept(work: Server) -> None:
    """Jupyter's own checkpoint brings back what it has, and what it replaces is kept."""
    save(work, "check.ipynb", notebook("1"))
    made = work.api("/api/contents/check.ipynb/checkpoints", "POST", {})[1]
    (work.root / "check.ipynb").write_text(nbformat.writes(notebook("other")))
    path = f"/api/contents/check.ipynb/checkpoints/{made['id']}"
    assert work.api(path, "POST", {})[0] == 204
    found = [each["why"] for each in versions(work, "check.ipynb")]
    assert found == ["saved", "found", "restored"]


async def test_a_writer_says_why_it_saves(tmp_path: Path) -> None:
    """What is saved with a reason is kept with it, the next save without one is the page's."""
    contents = KeptContents(root_dir=str(tmp_path))
    contents.keeper = Keeper(tmp_path, config.load(tmp_path))
    with because(RUN):
        await contents.save({"type": "notebook", "content": notebook("1")}, "a.ipynb")
    await contents.save({"type": "notebook", "content": notebook("2")}, "a.ipynb")
    found = contents.keeper.history.versions("a.ipynb")
    assert [version.why for version in found] == ["saved", "run"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", place]).returncode:
        pytest.skip("mounting wants root")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_is_told_and_eats_nothing(tmp_path: Path, small_disk: Path) -> None:
    """On a full disk a save answers 507 in words, and the notebook is as it was."""
    with workspace(tmp_path / "home", small_disk) as work:
        save(work, "a.ipynb", notebook("1"))
        before = (small_disk / "a.ipynb").read_bytes()
        large = {"type": "notebook", "format": "json", "content": notebook("x" * 400_000)}
        status, answer = work.api("/api/contents/a.ipynb", "PUT", large)
        assert status == 507
        assert "no space left" in answer["message"]
        assert "Make room" in answer["message"]
        assert (small_disk / "a.ipynb").read_bytes() == before
        save(work, "a.ipynb", notebook("2"))


def test_the_history_is_private_and_lies_with_the_workspace(tmp_path: Path) -> None:
    """The store lies in the workspace's state folder, where nobody else can read it."""
    with workspace(tmp_path, tmp_path / "files") as work:
        save(work, "a.ipynb", notebook("secret"))
        (store,) = (tmp_path / "ropeway" / "workspaces").glob("*/history")
        assert store.stat().st_mode & 0o777 == 0o700
        assert {path.stat().st_mode & 0o777 for path in store.iterdir()} == {0o600}
        assert not any("history" in path.name for path in work.root.iterdir())
        assert json.loads((work.root / "a.ipynb").read_text())["cells"]
