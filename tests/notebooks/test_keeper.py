"""Notebook files whose versions are kept."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ropeway import config
from ropeway.errors import BadInput, NotFound, NotKept, NotSaved
from ropeway.notebooks.keeper import FOUND, REPLACED, RESTORED, RUN, SAVED, Keeper


def notebook(*sources: str) -> bytes:
    """A small notebook."""
    cells = [{"cell_type": "code", "source": each, "outputs": []} for each in sources]
    return json.dumps({"cells": cells, "metadata": {}}).encode()


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    """A folder with notebooks and its history."""
    root = tmp_path / "files"
    root.mkdir()
    return Keeper(root, config.load(root))


def reasons(keeper: Keeper, path: str = "a.ipynb") -> list[str]:
    """Why each version was kept, the oldest first."""
    return [version.why for version in reversed(keeper.history.versions(path))]


def test_what_is_saved_is_kept(keeper: Keeper) -> None:
    """Each save is a version, with its reason."""
    file = keeper.root / "a.ipynb"
    keeper.save(file, notebook("1"))
    keeper.save(file, notebook("2"), RUN)
    assert reasons(keeper) == [SAVED, RUN]
    assert keeper.history.body(1) == notebook("1")
    assert file.read_bytes() == notebook("2")


def test_what_others_wrote_is_kept_before_it_is_replaced(keeper: Keeper) -> None:
    """A file that is not the version that was written last is kept before it is replaced."""
    file = keeper.root / "a.ipynb"
    file.write_bytes(notebook("from git"))
    keeper.save(file, notebook("1"))
    file.write_bytes(b"<<<<<<< HEAD\n")
    keeper.save(file, notebook("2"))
    assert reasons(keeper) == [FOUND, SAVED, FOUND, SAVED]
    assert keeper.history.body(1) == notebook("from git")
    assert keeper.history.body(3) == b"<<<<<<< HEAD\n"
    assert keeper.history.version(3).changed == "not a notebook"


def test_a_restore_is_exact_and_keeps_what_is_there(keeper: Keeper) -> None:
    """Restoring gives the bytes of the version, after what is on disk was kept."""
    file = keeper.root / "sub" / "a.ipynb"
    file.parent.mkdir()
    odd = b'{"cells" : [ ],\r\n\t"metadata":{}}'
    keeper.save(file, odd)
    keeper.save(file, notebook("2"))
    file.write_bytes(notebook("unknown"))
    keeper.restore(1)
    assert file.read_bytes() == odd
    assert reasons(keeper, "sub/a.ipynb") == [SAVED, SAVED, REPLACED, RESTORED]
    assert keeper.history.body(3) == notebook("unknown")


def test_a_deleted_notebook_comes_back(keeper: Keeper) -> None:
    """A notebook that was deleted with its folder is restored to where it was."""
    file = keeper.root / "sub" / "a.ipynb"
    file.parent.mkdir()
    keeper.save(file, notebook("1"))
    file.write_bytes(notebook("2"))
    (file.parent / ".ipynb_checkpoints").mkdir()
    (file.parent / ".ipynb_checkpoints" / "a-checkpoint.ipynb").write_bytes(notebook("1"))
    keeper.note(keeper.root / "sub")
    shutil.rmtree(file.parent)
    assert [version.path for version in keeper.history.notebooks()] == ["sub/a.ipynb"]
    keeper.restore(2)
    assert file.read_bytes() == notebook("2")
    with pytest.raises(NotFound):
        keeper.restore(99)


def test_a_path_elsewhere_is_refused(keeper: Keeper, tmp_path: Path) -> None:
    """Only notebooks of the workspace have a history."""
    with pytest.raises(BadInput, match="does not lie in"):
        keeper.path_of(tmp_path / "x.ipynb")


def test_a_link_has_the_path_that_it_is_opened_by(keeper: Keeper, tmp_path: Path) -> None:
    """A notebook behind a link has its history under the link's path."""
    (tmp_path / "far").mkdir()
    (keeper.root / "link").symlink_to(tmp_path / "far")
    keeper.save(keeper.root / "link" / "a.ipynb", notebook("1"))
    assert reasons(keeper, "link/a.ipynb") == [SAVED]


def test_a_folder_behind_a_link_is_the_folder(tmp_path: Path) -> None:
    """A workspace opened through a link has the history of the folder, links in it included."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "elsewhere.ipynb").write_bytes(notebook("0"))
    (tmp_path / "real" / "a.ipynb").symlink_to(tmp_path / "elsewhere.ipynb")
    through, straight = (
        Keeper(root, config.load(root)) for root in (tmp_path / "link", tmp_path / "real")
    )
    through.save(tmp_path / "link" / "a.ipynb", notebook("1"))
    assert reasons(straight) == [FOUND, SAVED]
    assert (tmp_path / "elsewhere.ipynb").read_bytes() == notebook("1")


def test_a_history_that_was_thrown_away_begins_anew(keeper: Keeper) -> None:
    """Whoever deletes the folder of the history can go on saving."""
    shutil.rmtree(keeper.history.folder)
    keeper.save(keeper.root / "a.ipynb", notebook("1"))
    assert reasons(keeper) == [SAVED]
    assert keeper.history.folder.stat().st_mode & 0o777 == 0o700


def damage(keeper: Keeper) -> None:
    """Make a history unusable."""
    for path in keeper.history.folder.iterdir():
        path.unlink()
    (keeper.history.folder / "history.db").write_bytes(b"nothing of the kind" * 100)


def test_a_broken_history_stops_only_a_loss(
    keeper: Keeper, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a history notebooks are saved, unless most of one would be gone for good."""
    file = keeper.root / "a.ipynb"
    keeper.save(file, notebook("1", "2", "3"))
    damage(keeper)
    keeper.save(file, notebook("1", "2", "3", "4"))
    assert "cannot be used" in caplog.text
    with pytest.raises(NotSaved, match="much of it would be gone"):
        keeper.save(file, notebook())
    assert file.read_bytes() == notebook("1", "2", "3", "4")
    with pytest.raises(NotKept):
        keeper.restore(1)


texts = st.lists(st.sampled_from("123"), max_size=3).map(lambda found: notebook(*found))
steps = st.lists(
    st.tuples(st.sampled_from(["save", "run", "other", "restore"]), texts, st.integers(1, 8)),
    max_size=10,
)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_nothing_that_lay_on_disk_is_lost(
    tmp_path_factory: pytest.TempPathFactory, done: list[tuple[str, bytes, int]]
) -> None:
    """Whoever writes the file, each state that a save or a restore replaced can be restored."""
    root = tmp_path_factory.mktemp("root")
    keeper = Keeper(root, config.load(root))
    file = root / "a.ipynb"
    lay = []
    for step, body, number in done:
        before = file.read_bytes() if file.exists() else None
        if step == "other":
            file.write_bytes(body)
            continue  # what another program replaces is seen by nobody
        if step == "restore":
            try:
                keeper.restore(number)
            except NotFound:
                continue
        else:
            keeper.save(file, body, SAVED if step == "save" else RUN)
            assert file.read_bytes() == body
        lay += [before, file.read_bytes()]
    kept = {keeper.history.body(version.id) for version in keeper.history.versions("a.ipynb")}
    assert {body for body in lay if body is not None} <= kept


SAVER = """
import itertools, json, sys
from pathlib import Path
from ropeway import config
from ropeway.notebooks.keeper import Keeper
root = Path(sys.argv[1])
keeper = Keeper(root, config.load(root))
for n in itertools.count(int(sys.argv[2])):
    cells = [{"cell_type": "code", "source": f"{n} {i}", "outputs": []} for i in range(n % 5)]
    keeper.save(root / "a.ipynb", json.dumps({"cells": cells, "metadata": {"n": n}}).encode())
    print(n, flush=True)
"""


def test_a_kill_loses_no_version(keeper: Keeper) -> None:
    """Killed at any moment: the file is whole, and all that was ever saved can be restored."""
    noise = random.Random(6)
    saved: set[int] = set()
    for number in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", SAVER, str(keeper.root), str(number * 1000)],
            stdout=subprocess.PIPE,
            env=dict(os.environ),
            text=True,
        )
        assert process.stdout is not None
        saved.add(int(process.stdout.readline()))
        time.sleep(noise.random() * 0.2)
        process.kill()
        saved |= {int(line) for line in process.stdout.read().split("\n")[:-1]}
        process.stdout.close()
        process.wait()
        json.loads((keeper.root / "a.ipynb").read_bytes())
    keeper.note(keeper.root / "a.ipynb")
    versions = keeper.history.versions("a.ipynb")
    kept = [json.loads(keeper.history.body(each.id))["metadata"]["n"] for each in versions]
    assert saved <= set(kept)
    assert json.loads((keeper.root / "a.ipynb").read_bytes())["metadata"]["n"] == kept[0]
