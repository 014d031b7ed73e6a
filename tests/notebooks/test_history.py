"""The store of kept versions."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ropeway.errors import NotFound, NotKept
from ropeway.notebooks.history import History

DAY = 86400.0


def notebook(*sources: str, output: str = "") -> bytes:
    """A notebook as nbformat writes it."""
    outputs = [{"output_type": "stream", "name": "stdout", "text": [output]}] if output else []
    cells: list[dict[str, Any]] = [
        {"cell_type": "code", "id": str(n), "metadata": {}, "outputs": outputs, "source": [source]}
        for n, source in enumerate(sources)
    ]
    found = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return (json.dumps(found, indent=1) + "\n").encode()


def store(folder: Path, *, days: float = 90, megabytes: float = 100, **more: Any) -> History:
    """A history in a folder."""
    return History(folder, days=days, megabytes=megabytes, **more)


def test_a_version_tells_what_it_is(tmp_path: Path) -> None:
    """A version has its time, its reason, its size, what it holds and what changed."""
    history = store(tmp_path, clock=lambda: 1e9)
    history.keep("sub/a.ipynb", notebook("1", output="x"), "saved")
    history.keep("sub/a.ipynb", notebook("1", "2", output="x"), "found")
    second, first = history.versions("sub/a.ipynb")
    assert (first.why, first.cells, first.outputs, first.changed) == (
        "saved",
        1,
        1,
        "first version",
    )
    assert (second.why, second.cells, second.changed) == ("found", 2, "1 cell added")
    assert second.size == len(notebook("1", "2", output="x"))
    assert second.time == "2001-09-09T01:46:40.000+00:00"
    assert history.version(second.id) == second
    assert history.versions("a.ipynb") == []


def test_the_same_document_is_kept_once(tmp_path: Path) -> None:
    """Keeping what is the newest version already gives that version."""
    history = store(tmp_path)
    first = history.keep("a.ipynb", notebook("1"), "saved")
    assert history.keep("a.ipynb", notebook("1"), "found") == first
    history.keep("a.ipynb", notebook("2"), "saved")
    assert history.keep("a.ipynb", notebook("1"), "found").id > first.id


bodies = st.binary(max_size=400) | st.builds(
    notebook, st.text(max_size=50), st.text(max_size=50), output=st.text(max_size=50)
)
steps = st.lists(
    st.tuples(st.sampled_from(["keep", "rename", "thin"]), st.sampled_from("abc"), bodies),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_nothing_is_lost(
    tmp_path_factory: pytest.TempPathFactory, done: list[tuple[str, str, bytes]]
) -> None:
    """Whatever is kept, renamed and thinned in the last hour comes back byte for byte."""
    history = store(tmp_path_factory.mktemp("history"))
    known: dict[int, tuple[str, bytes]] = {}
    for step, name, body in done:
        path = f"{name}/x.ipynb"
        if step == "keep":
            known[history.keep(path, body, "saved").id] = (path, body)
        elif step == "rename":
            history.rename(name, "z" + name)
            moved = {k: f"z{p}" for k, (p, _) in known.items() if p.startswith(f"{name}/")}
            known |= {number: (to, known[number][1]) for number, to in moved.items()}
        else:
            history.thin()
    for number, (path, body) in known.items():
        assert history.body(number) == body
        assert number in [version.id for version in history.versions(path)]
    assert {version.path for version in history.notebooks()} == {p for p, _ in known.values()}


def test_another_version_costs_what_changed(tmp_path: Path) -> None:
    """A hundred runs of one cell of a notebook of 2 MB take little more than the notebook."""
    noise = random.Random(1)
    cells = [f"x = '{noise.randbytes(10_000).hex()}'" for _ in range(100)]
    history = store(tmp_path)
    history.keep("a.ipynb", notebook(*cells), "saved")
    once = size(tmp_path)
    for run in range(100):
        cells[50] = f"print({run})"
        history.keep("a.ipynb", notebook(*cells), "saved")
    assert size(tmp_path) < once + 200_000


def size(folder: Path) -> int:
    """Bytes of a store."""
    return sum(path.stat().st_size for path in folder.iterdir())


def test_the_store_keeps_to_its_room(tmp_path: Path) -> None:
    """Beyond its size the store lets the oldest go, never the newest; its file shrinks."""
    noise = random.Random(2)
    history = store(tmp_path, megabytes=1)
    body = b""
    for _ in range(40):
        body = notebook(noise.randbytes(50_000).hex())
        history.keep("a.ipynb", body, "saved")
    versions = history.versions("a.ipynb")
    assert 5 < len(versions) < 25
    assert versions[0].id == 40
    assert history.body(40) == body
    assert (tmp_path / "history.db").stat().st_size <= 1_000_000
    with pytest.raises(NotFound):
        history.body(1)


def test_a_rich_version_outlives_plain_ones(tmp_path: Path) -> None:
    """What was followed by a much poorer document stays when there is no room for others."""
    noise = random.Random(3)
    history = store(tmp_path, megabytes=1)
    rich = notebook(noise.randbytes(50_000).hex(), "2", "3", output="42")
    number = history.keep("a.ipynb", rich, "saved").id
    history.keep("a.ipynb", notebook(), "saved")
    for _ in range(40):
        history.keep("a.ipynb", notebook(noise.randbytes(50_000).hex()), "saved")
    assert history.body(number) == rich


def test_old_versions_end(tmp_path: Path) -> None:
    """A version that was replaced longer ago than the days that are set is let go of."""
    now = [1e9]
    history = store(tmp_path, days=30, clock=lambda: now[0])
    for text in "123":
        history.keep("a.ipynb", notebook(text), "saved")
        now[0] += 20 * DAY
    history.thin()
    assert [version.id for version in history.versions("a.ipynb")] == [3, 2]


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    """Every file of the store has mode 0600."""
    before = os.umask(0)
    try:
        history = store(tmp_path)
        history.keep("a.ipynb", notebook("1"), "saved")
        holder = sqlite3.connect(tmp_path / "history.db")
        holder.execute("SELECT * FROM version").fetchall()
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
        holder.close()
    finally:
        os.umask(before)
    assert "history.db-wal" in modes
    assert set(modes.values()) == {0o600}


def test_a_damaged_store_is_told(tmp_path: Path) -> None:
    """A file that is no store, or one of another format, is an error with its place."""
    (tmp_path / "history.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(NotKept, match=r"history\.db cannot be used"):
        store(tmp_path).keep("a.ipynb", notebook("1"), "saved")
    (tmp_path / "history.db").unlink()
    store(tmp_path).keep("a.ipynb", notebook("1"), "saved")
    db = sqlite3.connect(tmp_path / "history.db")
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(NotKept, match="another version"):
        store(tmp_path).versions("a.ipynb")


def test_a_damaged_version_stops_no_other(tmp_path: Path) -> None:
    """A version that cannot be read is told as such, and the next one is kept."""
    history = store(tmp_path)
    history.keep("a.ipynb", notebook("1"), "saved")
    db = sqlite3.connect(tmp_path / "history.db", isolation_level=None)
    db.execute("UPDATE chunk SET body = x'00' WHERE id = 2")
    db.close()
    with pytest.raises(NotKept):
        history.body(1)
    assert history.keep("a.ipynb", notebook("2"), "saved").id == 2
    assert history.body(2) == notebook("2")


CROWD = """
import random
import sys
from pathlib import Path
from ropeway.notebooks.history import History
history = History(Path(sys.argv[1]), days=90, megabytes=0.1)
choice = random.Random(sys.argv[2])
for _ in range(80):
    noise = random.Random(choice.randrange(40)).randbytes(4000).hex()
    history.keep("a.ipynb", f'{{"cells": [{{"source": "{noise}"}}]}}'.encode(), "saved")
"""


def test_processes_do_not_get_in_each_others_way(tmp_path: Path) -> None:
    """While several processes keep and let go of the same pieces, every version stays whole."""
    crowd = [
        subprocess.Popen([sys.executable, "-c", CROWD, str(tmp_path), str(number)])
        for number in range(3)
    ]
    assert [process.wait(60) for process in crowd] == [0, 0, 0]
    history = store(tmp_path)
    versions = history.versions("a.ipynb")
    assert versions[0].id > len(versions) > 5
    bodies = [history.body(version.id) for version in versions]
    assert all(one != other for one, other in pairwise(bodies))


WRITER = """
import random
import sys
from pathlib import Path
from ropeway.notebooks.history import History
history = History(Path(sys.argv[1]), days=90, megabytes=0.1)
for n in range(10**6):
    noise = random.Random(n).randbytes(4000).hex()
    body = f'{{"cells": [{{"source": "{n}"}}, {{"source": "{noise}"}}]}}'.encode()
    print(history.keep("a.ipynb", body, "saved").id, n, flush=True)
"""


def test_a_killed_process_leaves_a_whole_store(tmp_path: Path) -> None:
    """Killed at any moment, also while it lets old ones go, a store has each version it told of."""
    noise = random.Random(4)
    for _ in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for _ in range(noise.randrange(1, 60)):
            process.stdout.readline()
        time.sleep(noise.random() * 0.05)
        process.send_signal(signal.SIGKILL)
        lines = process.stdout.read().splitlines(keepends=True)
        told = [line.split() for line in lines if line.endswith("\n")]
        process.stdout.close()
        process.wait()
        history = store(tmp_path)
        versions = history.versions("a.ipynb")
        if told:
            number, text = told[-1]
            assert versions[0].id >= int(number)
            assert f'"{text}"'.encode() in history.body(int(number))
        for version in versions:
            assert len(history.body(version.id)) == version.size
    assert versions[-1].id > 1, "the room was never full"
