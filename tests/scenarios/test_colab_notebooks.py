"""Notebooks as people wrote them for Colab, run without a page."""

from __future__ import annotations

import shutil
from collections import deque
from pathlib import Path
from typing import Any

import nbformat
import pytest

from ropeway.data.secrets import Secrets
from ropeway.workspace.choice import choose_kernel
from ropeway.workspace.headless import Progress, run_notebook, running_kernel, serving_home

EXAMPLES = Path(__file__).parents[2] / "examples" / "colab"

PEOPLE = "name,day,points\nann,2026-03-01,90\nbob,2026-02-01,70\ncyd,2025-02-01,80\n"

EXPECTED = {
    "first-steps.ipynb": [
        "<google.colab._shell.Shell",
        "Python 3.",
        "True",
        "['greeting.txt']",
        "HELLO WORLD",
        "cat: nothing.txt: No such file or directory\nexit code 1",
        "image/png",
        "Error",
    ],
    "clone-and-train.ipynb": [
        "Colab only includes TensorFlow 2.x",
        "epoch 1: 0.400\nepoch 2: 0.720\n",
        "{'weight': 1.34",
        "invalid int value: 'many'",
        "it ends with this run",
    ],
    "score-people.ipynb": [
        "Mounted at drive",
        "a key of 6 characters",
        "Saving people.csv to people.csv",
        "3",
        "bob",
        "ann,2026-03-01,90",
        "done",
    ],
}
"""What stands in the outputs of each, in this order."""


def shown(notebook: Any) -> str:
    """What the cells show, as text; of pictures the kind."""
    words = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            words.append(output.get("text") or data.get("text/plain", ""))
            words += [kind for kind in data if kind.startswith("image/")]
    return "\n".join(words)


async def test_they_run_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them ends without an error and shows what it shows in Colab; what it saves on the
    drive and downloads is at home."""
    folders = {"HOME": "state", "DRIVE_FOLDER": "drive"}
    for name, value in folders.items():
        monkeypatch.setenv(f"ROPEWAY_{name}", str(tmp_path / value))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    project = tmp_path / "project"
    shutil.copytree(EXAMPLES, project)
    (tmp_path / "people.csv").write_text(PEOPLE)
    Secrets().set("SCORES_KEY", "sesame")
    Secrets().allow("SCORES_KEY", project / "score-people.ipynb")
    quiet = Progress(lambda *_: None, lambda _: None, lambda _: None)
    async with serving_home(project, runtime="here") as home:
        home.files.uploads.given = deque([tmp_path / "people.csv"])
        home.files.downloads.target = tmp_path / "downloads"
        for name, expected in EXPECTED.items():
            home.notebook = name
            notebook: Any = nbformat.read(project / name, 4)
            kernel = await choose_kernel(home.registry, "here", None)
            async with running_kernel(home, kernel, project) as manager:
                outcome = await run_notebook(manager, notebook, quiet, lambda: None)
            assert (outcome.failed, outcome.error) == (None, ""), name
            text = shown(notebook)
            for words in expected:
                assert words in text, f"{name}: {words!r} is not in {text}"
                text = text.partition(words)[2]
    for kept in ("drive/scores", "downloads"):
        assert (tmp_path / kept / "best.csv").read_text().startswith("name,day,points\n"), kept
