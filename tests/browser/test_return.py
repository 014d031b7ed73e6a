"""Pages that come back to a notebook that was changed meanwhile: by the workspace, or by others."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from support.forwarder import forwarder
from support.servers import Server, free_port

from .conftest import IS_READY, PANEL, Open, run, until
from .test_history import PATH, save, sources, type_into

ASK_TO_SAVE = "() => void window.jupyterapp.commands.execute('docmanager:save')"
WRITTEN_SECONDS = 75
"""The workspace leaves a file alone for a minute after a page has read it."""


def texts(workspace: Server, path: str) -> list[str]:
    """What the cells on disk show."""
    cells = nbformat.read(workspace.root / path, 4).cells
    return ["".join(output.get("text", "") for output in cell.outputs) for cell in cells]


@pytest.fixture
def sleeper(browser: Browser, workspace: Server) -> Iterator[BrowserContext]:
    """A browser that reaches the workspace by a line of its own."""
    made = browser.new_context(
        viewport={"width": 1280, "height": 800},
        extra_http_headers={"Authorization": f"token {workspace.token}"},
    )
    yield made
    made.close()


def dismiss(offline: Locator) -> None:
    """Close JupyterLab's own word that the line was cut, if the sleep was that long."""
    offline.get_by_role("button").last.click()


@pytest.mark.timeout(240)
def test_a_page_that_slept_saves_without_a_question(
    page: Page, open_notebook: Open, workspace: Server, sleeper: BrowserContext, tmp_path: Path
) -> None:
    """What the workspace wrote meanwhile is taken over, typed text stays, and nobody is asked."""
    gate, begun = tmp_path / "gate", tmp_path / "begun"
    wait = (
        f"import os, time\nopen({str(begun)!r}, 'x').close()\n"
        f"while not os.path.exists({str(gate)!r}): time.sleep(0.1)\nprint('end')"
    )
    open_notebook(wait, more=["base"])
    path, port = page.evaluate(PATH), free_port()
    page.goto("about:blank")  # the kernel waits for another page
    target = int(workspace.url.rpartition(":")[2])
    with sleeper.new_page() as tab:
        cut = tab.get_by_role("dialog").filter(has_text="Server Connection Error")
        tab.add_locator_handler(cut, dismiss)
        with forwarder(port, target):
            tab.goto(f"http://127.0.0.1:{port}/doc/workspaces/sleeper/tree/{path}")
            first, other = (tab.locator(f"{PANEL} .jp-CodeCell").nth(n) for n in (0, 1))
            expect(first.locator(".cm-content")).to_be_visible()
            tab.evaluate(IS_READY)
            run(tab, first)
            expect(first.locator(".jp-InputPrompt")).to_have_text("[*]:")
            until(begun.exists)
        gate.touch()
        until(lambda: texts(workspace, path) == ["end\n", ""], WRITTEN_SECONDS)
        with forwarder(port, target):
            type_into(tab, other, "typed")
            save(tab)
            assert sources(workspace, path)[1] == "typed"
            assert texts(workspace, path)[0] == "end\n"
            expect(tab.get_by_role("dialog")).to_have_count(0)
            expect(first.locator(".jp-OutputArea-output")).to_have_text("end\n", timeout=60_000)
            save(tab)
    assert (sources(workspace, path)[1], texts(workspace, path)[0]) == ("typed", "end\n")


def question(page: Page) -> Locator:
    """Save, which asks what to do about the file that has changed; gives the question."""
    page.evaluate(ASK_TO_SAVE)
    asked = page.get_by_role("dialog")
    expect(asked).to_contain_text("has changed on disk since")
    return asked


@pytest.mark.parametrize("app", ["/lab/tree", "/notebooks"])
def test_a_tab_that_was_left_behind_does_not_win(
    page: Page, open_notebook: Open, workspace: Server, context: BrowserContext, app: str
) -> None:
    """A tab that knows nothing of what another one saved asks, and the newer work stays."""
    cell = open_notebook("base", app)
    save(page)
    path = page.evaluate(PATH)
    with context.new_page() as newer:
        newer.goto(page.url)
        type_into(newer, newer.locator(f"{PANEL} .jp-CodeCell").first, "newer")
        save(newer)
    type_into(page, cell, "zombie")
    question(page).get_by_role("button", name="Cancel").click()
    assert sources(workspace, path) == ["newer"]
    expect(cell.locator(".cm-content")).to_have_text("zombie")


def test_what_git_checks_out_is_asked_about(
    page: Page, open_notebook: Open, workspace: Server
) -> None:
    """A checkout under an open page overwrites no typed text, and is not overwritten."""
    cell = open_notebook("base")
    save(page)
    path = page.evaluate(PATH)

    def git(*command: str) -> None:
        who = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com")
        subprocess.run(["git", *who, *command], cwd=workspace.root, check=True, capture_output=True)

    git("init")
    try:
        git("add", path)
        git("commit", "-m", "base")
        type_into(page, cell, "second")
        save(page)
        git("commit", "-am", "second")
        type_into(page, cell, "typed")
        git("checkout", "HEAD~1", "--", path)
        question(page).get_by_role("button", name="Cancel").click()
    finally:
        subprocess.run(["rm", "-rf", ".git"], cwd=workspace.root, check=True)
    assert sources(workspace, path) == ["base"]
    expect(cell.locator(".cm-content")).to_have_text("typed")
