"""`ropeway resume` as a user calls it, and what `ropeway run` leaves for it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from support.servers import Server, clean_environment

WRITE = """\
import json, ropeway as rw
runs = rw.checkpoint("runs")
open(runs / "state.json", "w").write(json.dumps(41))
print("written")
"""

READ = """\
import json, ropeway as rw
print(json.load(open("runs/state.json")) + 1)
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A user's folder with a notebook of two code cells."""
    folder = tmp_path / "project"
    folder.mkdir()
    cells = [
        nbformat.v4.new_markdown_cell("# Training"),
        nbformat.v4.new_code_cell(WRITE),
        nbformat.v4.new_code_cell(READ),
    ]
    made = nbformat.v4.new_notebook(cells=cells)
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(made, folder / "a.ipynb")
    return folder


def call(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "ropeway", *arguments],
        cwd=folder,
        env=clean_environment(folder.parent / "home"),
        capture_output=True,
        text=True,
        timeout=100,
    )


def printed(path: Path) -> list[str]:
    """What each code cell printed, on disk."""
    cells = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    return ["".join(out.get("text", "") for out in cell.outputs) for cell in cells]


def test_a_run_goes_on_where_somebody_lets_it(place: Path, gpu: Server) -> None:
    """What a run wrote in its last moment is at home when the command ends; it goes on from its
    second cell on a runtime that is trusted less once that is allowed, with the files it had."""
    ran = call(place, "run", "a.ipynb")
    assert ran.returncode == 0, ran.stderr
    kept = place / ".ropeway/artefacts/a.ipynb"
    assert json.loads((kept / "files/runs/state.json").read_text()) == 41
    assert json.loads((kept / "environment.json").read_text())["packages"]["ipykernel"]
    assert call(place, "connect", gpu.url, "--token", gpu.token, "--name", "gpu").returncode == 0

    on = ("resume", "a.ipynb", "--on", "gpu", "--from-cell", "2", "-o", "b.ipynb")
    refused = call(place, *on)
    assert refused.returncode == 1
    assert "comes from a runtime of the class here" in refused.stderr
    assert "hint: Allow it at home: ropeway resume --share." in refused.stderr
    assert not (place / "b.ipynb").exists()

    done = call(place, *on, "--share")
    assert done.returncode == 0, done.stderr
    assert "At home: 1 file," in done.stderr
    assert "runs/state.json" in done.stderr
    assert printed(place / "b.ipynb") == ["written\n", "42\n"]
    second = nbformat.read(place / "b.ipynb", 4).cells[2]
    assert second.execution_count == 1, "the first cell did not run again"
    assert (gpu.root / "runs/state.json").exists()


def test_what_cannot_be_resumed_is_said(place: Path) -> None:
    """Without artefacts, without a notebook and without such a cell nothing is started."""
    told = call(place, "resume", "a.ipynb")
    assert told.returncode == 2
    assert "No artefacts of a.ipynb are at home" in told.stderr
    assert "rw.checkpoint" in told.stderr
    assert call(place, "resume", "none.ipynb").returncode == 2
    (place / ".ropeway/artefacts/a.ipynb").mkdir(parents=True)
    (place / ".ropeway/artefacts/a.ipynb/index.json").write_text("{}")
    told = call(place, "resume", "a.ipynb", "--from-cell", "3")
    assert told.returncode == 2
    assert "the notebook has 2 code cells" in told.stderr


def test_a_run_whose_kernel_dies_says_how_to_go_on(place: Path) -> None:
    """Where the kernel dies and kept something, the error names the command that goes on."""
    document = nbformat.read(place / "a.ipynb", 4)
    document.cells[2].source = "import os; runs.flush(); os.kill(os.getpid(), 9)"
    nbformat.write(document, place / "a.ipynb")
    ran = call(place, "run", "a.ipynb")
    assert ran.returncode == 1
    assert "hint: What it kept is at home: ropeway resume a.ipynb --on RUNTIME" in ran.stderr
    assert (
        json.loads((place / ".ropeway/artefacts/a.ipynb/files/runs/state.json").read_text()) == 41
    )
