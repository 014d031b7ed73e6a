"""The main job: data at home, training on another runtime, in one notebook and one page."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Page, expect

from support.servers import Server, clean_environment

from .conftest import IS_READY, PANEL

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def example(workspace: Server) -> str:
    """The example notebook in the workspace, set to run on gpu, with its data added at home."""
    data = workspace.root / "data"
    call = [sys.executable, str(EXAMPLES / "get_flights.py"), str(data)]
    subprocess.run(call, check=True, capture_output=True)
    for name in ("flights", "weather"):
        subprocess.run(
            [sys.executable, "-m", "ropeway", "data", "add", name, f"data/{name}.csv"],
            cwd=workspace.root,
            env=clean_environment(workspace.root.parent),
            check=True,
            capture_output=True,
        )
    notebook = nbformat.read(EXAMPLES / "flight-delays.ipynb", 4)
    notebook.metadata["ropeway"] = {"runtime": "gpu"}
    nbformat.write(notebook, workspace.root / "flight-delays.ipynb")
    return "flight-delays.ipynb"


def test_a_model_is_trained_elsewhere_on_data_from_home(
    page: Page, gpu: Server, workspace: Server, example: str
) -> None:
    """The query is filtered at home, the model trained on gpu, metrics and plot are in the page."""
    page.goto(f"/doc/workspaces/example/tree/{example}")
    page.wait_for_selector(f"{PANEL} .jp-CodeCell .cm-content")
    page.evaluate(IS_READY)
    expect(page.get_by_role("button", name="Runtime: gpu connected", exact=True)).to_be_visible()
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
    notebook = page.locator(PANEL)
    outputs = notebook.locator(".jp-OutputArea-output")
    expect(outputs.filter(has_text="area under the ROC curve")).to_be_visible(timeout=60_000)
    expect(notebook.locator(".jp-RenderedImage img")).to_be_visible(timeout=60_000)
    expect(outputs.filter(has_text="crossed")).to_contain_text("rows")
    page.evaluate("window.jupyterapp.shell.currentWidget.context.save()")
    saved = nbformat.read(workspace.root / example, 4)
    assert saved.metadata["kernelspec"]["name"] == "python3"
    assert saved.metadata["ropeway"] == {"runtime": "gpu"}
    assert not list(gpu.root.iterdir())  # no data file went there
