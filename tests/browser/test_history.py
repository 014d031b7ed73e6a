"""The history of a notebook in the page, and pages that would eat one another's work."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Locator, Page, expect

from support.servers import Server

from .conftest import Open, run

PATH = "window.jupyterapp.shell.currentWidget.context.path"
SAVE = "async () => await window.jupyterapp.commands.execute('docmanager:save')"
SAVED = "() => !window.jupyterapp.shell.currentWidget.context.model.dirty"


def show(page: Page) -> Locator:
    """Open the dialog from the File menu and give it."""
    page.get_by_role("menuitem", name="File", exact=True).click()
    page.get_by_role("menuitem", name="Notebook History…").click()
    return page.get_by_role("dialog")


def type_into(page: Page, cell: Locator, text: str) -> None:
    """Replace what a cell says."""
    cell.locator(".cm-content").click()
    expect(cell.locator(".cm-editor.cm-focused")).to_be_visible()
    page.keyboard.press("Control+A")
    page.keyboard.type(text)


def save(page: Page) -> None:
    """Save, and wait until it is done."""
    page.evaluate(SAVE)
    page.wait_for_function(SAVED)


def versions(workspace: Server, path: str) -> list[dict[str, Any]]:
    """The versions of a notebook, the oldest first."""
    answer = workspace.api(f"/ropeway/api/history?path={path}")[1]
    return list(reversed(answer["versions"]))


def sources(workspace: Server, path: str) -> list[str]:
    """What the cells on disk say."""
    return [str(cell.source) for cell in nbformat.read(workspace.root / path, 4).cells]


@pytest.mark.parametrize("app", ["/lab/tree", "/notebooks"])
def test_an_older_version_is_shown_and_restored(
    page: Page, open_notebook: Open, workspace: Server, app: str
) -> None:
    """The dialog lists the versions, shows what changed since, and goes back with one press;
    what was only in the page is kept as well."""
    cell = open_notebook("print('one')", app)
    run(page, cell)
    expect(cell.locator(".jp-OutputArea-output")).to_contain_text("one")
    save(page)
    type_into(page, cell, "print('two')")
    save(page)
    type_into(page, cell, "print('not saved')")
    path = page.evaluate(PATH)
    dialog = show(page)
    expect(dialog).to_contain_text("changes that are not saved")
    rows = dialog.get_by_role("radio")
    expect(rows).to_have_count(3)
    expect(rows.nth(1)).to_be_checked()
    shown = dialog.get_by_role("region", name="What changed since")
    expect(shown).to_contain_text("Code cell 1: edited since")
    expect(shown.locator("[data-kind=removed]")).to_have_text("-print('one')")
    expect(shown.locator("[data-kind=added]")).to_have_text("+print('two')")
    if shots := os.environ.get("SHOTS"):
        page.screenshot(path=Path(shots) / f"history{app.replace('/', '-')}.png")
    rows.nth(1).focus()
    page.keyboard.press("ArrowDown")
    expect(rows.nth(2)).to_be_checked()
    page.keyboard.press("ArrowUp")
    expect(rows.nth(1)).to_be_checked()
    dialog.get_by_role("button", name="Restore this version").click()
    expect(cell.locator(".cm-content")).to_have_text("print('one')")
    expect(cell.locator(".jp-OutputArea-output")).to_contain_text("one")
    assert sources(workspace, path) == ["print('one')"]
    kept = [each["why"] for each in versions(workspace, path)]
    assert kept == ["found", "saved", "saved", "saved", "restored"]


def test_a_tab_that_slept_is_asked_and_eats_nothing(
    page: Page, open_notebook: Open, workspace: Server
) -> None:
    """A page whose notebook was changed on disk, within the same instant even, asks before it
    saves; and when it is told to overwrite, what it replaced can be restored."""
    cell = open_notebook("base")
    save(page)
    path = page.evaluate(PATH)
    file = workspace.root / path
    for turn in ("first", "second"):  # the save after an overwrite must ask as well
        before = file.stat()
        theirs = nbformat.read(file, 4)
        theirs.cells[0].source = f"theirs, {turn}"
        nbformat.write(theirs, file)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        type_into(page, cell, f"mine, {turn}")
        page.evaluate("() => void window.jupyterapp.commands.execute('docmanager:save')")
        question = page.get_by_role("dialog")
        expect(question).to_contain_text("has changed on disk since")
        assert sources(workspace, path) == [f"theirs, {turn}"]
        question.get_by_role("button", name="Overwrite").click()
        page.wait_for_function(SAVED)
        expect(question).to_be_hidden()
    kept = [
        json.loads(_document(workspace, each["id"]))["cells"][0]["source"]
        for each in versions(workspace, path)
    ]
    assert ["".join(each) for each in kept][-4:] == [
        "theirs, first",
        "mine, first",
        "theirs, second",
        "mine, second",
    ]


def test_what_a_page_drops_is_kept(page: Page, open_notebook: Open, workspace: Server) -> None:
    """A page that is told to load the changed file drops its own text into the history."""
    cell = open_notebook("base")
    save(page)
    path = page.evaluate(PATH)
    file = workspace.root / path
    file.write_text(file.read_text().replace("base", "theirs"))
    type_into(page, cell, "mine")
    page.evaluate("() => void window.jupyterapp.commands.execute('docmanager:save')")
    page.get_by_role("dialog").get_by_role("button", name="Revert").click()
    expect(cell.locator(".cm-content")).to_have_text("theirs")
    dropped = versions(workspace, path)[-1]
    assert (dropped["why"], dropped["changed"]) == ("dropped", "1 cell edited")
    assert '"mine"' in _document(workspace, dropped["id"])
    show(page).get_by_role("radio").nth(0).check()
    page.get_by_role("button", name="Restore this version").click()
    expect(cell.locator(".cm-content")).to_have_text("mine")
    assert sources(workspace, path) == ["mine"]


def _document(workspace: Server, number: int) -> str:
    return json.dumps(workspace.api(f"/ropeway/api/history/{number}")[1])
