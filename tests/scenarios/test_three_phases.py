"""The example of three phases, as a person runs it from the shell, with the other machine behind a
slow line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from support.far_network import SlowLine
from support.servers import clean_environment, lent

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def line() -> Iterator[SlowLine]:
    """100 Mbit/s, 42 ms there and back."""
    made = SlowLine()
    try:
        made.start()
        yield made
    finally:
        made.end()


def ropeway(folder: Path, *words: str) -> str:
    """What a command prints; it must end well."""
    done = subprocess.run(
        [sys.executable, "-m", "ropeway", *words],
        cwd=folder,
        env={**os.environ, **clean_environment(folder.parent / "home")},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_prepared_at_home_computed_there_and_kept_at_home(line: SlowLine, tmp_path: Path) -> None:
    """One notebook on a runtime in another network: a query over files at home, a model there,
    scores at home; the ledger has every crossing, and they are small."""
    home = tmp_path / "project"
    home.mkdir()
    (tmp_path / "far").mkdir()
    subprocess.run([sys.executable, EXAMPLES / "get_flights.py", home], check=True)
    options = ("--host", line.there, "--insecure-http")
    with lent(tmp_path / "far", *options, prefix=line.prefix) as far:
        ropeway(home, "connect", f"{far.url}/?token={far.token}", "--name", "far")
        for name in ("flights", "weather"):
            ropeway(home, "data", "add", name, f"{name}.csv")
        notebook = (EXAMPLES / "three-phases.ipynb").read_text("utf-8")
        (home / "three-phases.ipynb").write_text(notebook, "utf-8")
        ropeway(home, "run", "three-phases.ipynb", "--on", "far", "--output", "done.ipynb")
    shown = _shown(nbformat.read(home / "done.ipynb", 4))
    assert "1,092 days scored" in shown
    assert "later_than_expected" in shown
    assert "delay_scores" in ropeway(home, "data", "ls")
    assert "1" in ropeway(home, "data", "versions", "delay_scores")
    told = ropeway(home, "ledger", "--json").splitlines()
    assert len(told) == 3
    crossed = sum(int(line.split('"bytes_crossed": ')[1].split(",")[0]) for line in told)
    assert 0 < crossed < 200_000
    ropeway(home, "ledger", "verify")


def _shown(notebook: Any) -> str:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return "".join(
        str(output.get("text", "")) + str(output.get("data", {}).get("text/plain", ""))
        for output in outputs
    )
