"""A runtime dies in the middle of a training, and the training goes on elsewhere from what had come
home."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest

from support.notebook import Notebook, until
from support.servers import Server, clean_environment, lent, plain_jupyter, workspace

STEPS = 40

TRAIN = f"""\
import time, numpy as np, ropeway as rw
runs = rw.checkpoint("runs/")
rng = np.random.default_rng(7)
x = rng.normal(size=(5000, 20)); y = x @ np.arange(20.0)
step, weights = 0, np.zeros(20)
if newest := runs.latest("step-*.npz"):
    kept = np.load(newest)
    step, weights = int(kept["step"]), kept["weights"]
print("from step", step)
while step < {STEPS}:
    weights -= 0.1 * x.T @ (x @ weights - y) / len(y)
    step += 1
    np.savez(runs / f"step-{{step:03}}.npz", step=step, weights=weights)
    for old in sorted(runs.path.glob("step-*.npz"))[:-3]:
        old.unlink()
    time.sleep(PAUSE)
print("done at", step, "with", round(float(weights.sum()), 6))
"""


def undisturbed() -> float:
    """What the training ends with where nothing dies."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(5000, 20))
    y, weights = x @ np.arange(20.0), np.zeros(20)
    for _ in range(STEPS):
        weights -= 0.1 * x.T @ (x @ weights - y) / len(y)
    return round(float(weights.sum()), 6)


@pytest.fixture
def train(tmp_path: Path) -> Iterator[tuple[Server, Server, Server]]:
    """A workspace with two runtimes: `gpu`, which has our agent, and `lab`, a plain server."""
    (tmp_path / "gpu").mkdir()
    with (
        lent(tmp_path / "gpu") as gpu,
        plain_jupyter(tmp_path / "lab") as lab,
        workspace(tmp_path / "home", tmp_path / "files") as work,
    ):
        for name, runtime in (("gpu", gpu), ("lab", lab)):
            body = {"url": runtime.url, "token": runtime.token, "name": name}
            status, answer = work.api("/ropeway/api/runtimes", "POST", body)
            assert status == 201, answer
        yield work, gpu, lab


def ropeway(work: Server, *words: str) -> subprocess.CompletedProcess[str]:
    """A command in the workspace's folder."""
    home = work.root.parent / "home"
    return subprocess.run(
        [sys.executable, "-m", "ropeway", *words],
        cwd=work.root,
        env={**os.environ, **clean_environment(home), "ROPEWAY_HOME": str(home / "ropeway")},
        capture_output=True,
        text=True,
        timeout=100,
    )


async def test_a_killed_training_goes_on_elsewhere(train: tuple[Server, Server, Server]) -> None:
    """A runtime with the agent is killed in mid-training; on a plain server the notebook begins
    with the last checkpoint that came home, and ends as if nothing had happened."""
    work, gpu, lab = train
    home = work.root / ".ropeway/artefacts/train.ipynb/files/runs"
    notebook = Notebook(work, "train.ipynb", [TRAIN.replace("PAUSE", "0.7")], "gpu")
    async with notebook.page() as page:
        notebook.run(page, 0)
        until(lambda: len(list(home.glob("step-*.npz"))) >= 3, 60, "three checkpoints at home")
    gpu.kill()
    kept = {path.name: int(np.load(path)["step"]) for path in home.glob("step-*.npz")}
    newest = max(kept.values())
    assert all(name == f"step-{step:03}.npz" for name, step in kept.items())
    assert not lab.root.joinpath("runs").exists()

    _speed_up(notebook.file)
    done = ropeway(work, "resume", "train.ipynb", "--on", "lab", "-o", "done.ipynb")
    assert done.returncode == 0, done.stderr
    told = _printed(work.root / "done.ipynb")
    first, last = (line for line in told.splitlines() if "step" in line or "done" in line)
    assert int(first.removeprefix("from step ")) >= newest >= 3
    assert last == f"done at {STEPS} with {undisturbed()}"
    assert (home / f"step-{STEPS:03}.npz").exists()
    assert lab.root.joinpath("runs", f"step-{STEPS:03}.npz").exists()
    assert "packages are as they were" in done.stderr

    records = ropeway(work, "ledger", "--json").stdout
    assert '"what": "artefact"' in records
    assert '"what": "resume"' in records


def _speed_up(path: Path) -> None:
    document = nbformat.read(path, 4)
    document.cells[0].source = TRAIN.replace("PAUSE", "0.01")
    nbformat.write(document, path)


def _printed(path: Path) -> str:
    outputs: list[Any] = [out for cell in nbformat.read(path, 4).cells for out in cell.outputs]
    return "".join(out.get("text", "") for out in outputs)
