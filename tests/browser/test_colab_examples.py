"""Whole notebooks that were written for Colab, run in the page."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from support.servers import Server

from .conftest import IS_READY, PANEL

EXAMPLES = Path(__file__).parents[2] / "examples" / "colab"
PEOPLE = "name,day,points\nann,2026-03-01,90\nbob,2026-02-01,70\ncyd,2025-02-01,80\n"


@pytest.fixture
def run_all(page: Page, workspace: Server) -> Callable[[str], Locator]:
    """Opens a copy of an example in a folder of its own, runs all of it, and gives its cells."""

    def go(name: str) -> Locator:
        folder = workspace.root / secrets.token_hex(4)
        folder.mkdir()
        shutil.copy(EXAMPLES / name, folder)
        page.goto(f"/doc/workspaces/{folder.name}/tree/{folder.name}/{name}")
        page.wait_for_selector(f"{PANEL} .jp-CodeCell .rw-Form")
        page.evaluate(IS_READY)
        page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
        return page.locator(f"{PANEL} .jp-CodeCell")

    return go


def test_first_steps(run_all: Callable[[str], Locator]) -> None:
    """Shell, magics, files, progress, a picture, and a clear word where Google is needed."""
    cells = run_all("first-steps.ipynb")
    expect(cells.nth(9)).to_contain_text("Error")
    for number, words in ((1, "Shell"), (2, "Python 3."), (5, "['greeting.txt']")):
        expect(cells.nth(number).locator(".jp-OutputArea")).to_contain_text(words)
    expect(cells.nth(6)).to_contain_text("HELLO WORLD")
    expect(cells.nth(7)).to_contain_text("exit code 1")
    expect(cells.nth(8).locator("img")).to_be_visible()


def test_a_file_is_scored(
    page: Page, run_all: Callable[[str], Locator], workspace: Server, tmp_path: Path
) -> None:
    """The person allows the secret and chooses the file; the table shows the best, and the browser
    gets them."""
    (tmp_path / "people.csv").write_text(PEOPLE)
    workspace.api("/ropeway/api/secrets/SCORES_KEY", "PUT", {"value": "sesame"})
    cells = run_all("score-people.ipynb")
    page.get_by_role("button", name="Allow reading SCORES_KEY").click()
    page.get_by_label("Choose files, or drop them here").set_input_files(tmp_path / "people.csv")
    with page.expect_download() as caught:
        pass
    caught.value.save_as(tmp_path / "best.csv")
    assert caught.value.suggested_filename == "best.csv"
    assert (tmp_path / "best.csv").read_text().startswith("name,day,points\nann,2026-03-01,90\n")
    expect(cells.nth(1)).to_contain_text("Mounted at drive")
    expect(cells.nth(2)).to_contain_text("a key of 6 characters")
    expect(cells.nth(4).locator(".jp-OutputArea")).to_contain_text("bob")
    expect(cells.nth(6).locator(".jp-OutputArea")).to_have_text("done\n")
    workspace.api("/ropeway/api/secrets/SCORES_KEY", "DELETE")


def test_a_clone_is_trained(run_all: Callable[[str], Locator]) -> None:
    """A repository is cloned and its script runs with the form's values."""
    cells = run_all("clone-and-train.ipynb")
    expect(cells.nth(5).locator(".jp-OutputArea")).to_contain_text("{'weight': 1.34")
    expect(cells.nth(7).locator(".jp-OutputArea")).to_contain_text("invalid int value: 'many'")
