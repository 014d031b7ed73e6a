"""What runtimes and kernels use, in the sidebar."""

from __future__ import annotations

import os
import re

import pytest
from playwright.sync_api import Locator, Page, expect

from support.servers import Server

from .accessibility import assert_accessible
from .conftest import Open, run, spec, until

HOLD = "held = bytearray(b'x' * 600_000_000)\nlen(held)"


def show(page: Page) -> Locator:
    """Open the sidebar from the View menu and give it."""
    page.get_by_role("menuitem", name="View", exact=True).click()
    page.get_by_role("menuitem", name="Resources").click()
    return page.get_by_role("region", name="Resources")


@pytest.mark.parametrize("app", ["/doc/tree", "/notebooks"])
def test_what_a_kernel_holds_is_freed_with_one_press(
    page: Page, open_notebook: Open, app: str
) -> None:
    """In every app the sidebar shows memory and disk of the runtime and what each kernel holds; the
    press of a button restarts a kernel, and its memory is free."""
    cell = open_notebook(HOLD, app)
    run(page, cell)
    expect(cell.locator(".jp-OutputArea")).to_contain_text("600000000")
    here = show(page).get_by_role("region", name="here")
    expect(here.get_by_role("img", name="RAM")).to_have_attribute(
        "aria-label", re.compile(r"RAM: [\d.]+ of [\d.]+ GiB; \d+% to \d+% in the last 10 minutes")
    )
    expect(here.get_by_role("meter", name="Disk")).to_be_visible()
    row = here.get_by_role("row").filter(has_text=".ipynb")
    expect(row.get_by_role("cell").nth(1)).to_have_text(re.compile(r"[67]\d\d MiB"))
    row.get_by_role("button", name="Restart the kernel of").click()
    expect(row.get_by_role("cell").nth(1)).to_have_text(re.compile(r"^\d\d MiB|1\d\d MiB"))
    expect(row.get_by_role("button", name="Restart the kernel of")).to_be_enabled()
    cell.locator(".cm-content").fill("'held' in globals()")
    run(page, cell)
    expect(cell.locator(".jp-OutputArea")).to_contain_text("False")


def test_a_reopened_panel_has_a_past(page: Page, open_notebook: Open, workspace: Server) -> None:
    """The graph begins with what the workspace measured while nobody looked."""
    open_notebook("1")
    past = "/ropeway/api/runtimes/here/usage/past"
    until(lambda: len(workspace.api(past)[1]["samples"]) > 3, 40)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    curve = show(page).get_by_role("region", name="here").locator(".rw-Graph-line").first
    expect(curve).to_have_attribute("d", re.compile(r"M.+L.+L.+L"))
    assert _measured(page, asked, "here") == 1


def test_nobody_is_measured_while_nobody_looks(
    page: Page, open_notebook: Open, gpu: Server
) -> None:
    """A plain runtime is measured again and again, by its own kernels, while the sidebar is open,
    and no more once it is closed."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    open_notebook("1", kernelspec=spec("gpu"))
    page.wait_for_timeout(3_000)
    assert _measured(page, asked, "gpu") == 0
    region = show(page).get_by_role("region", name="gpu")
    row = region.get_by_role("row").filter(has_text=page.url.rsplit("/", 1)[1])
    expect(row.get_by_role("cell").nth(1)).to_have_text(re.compile(r"\d+ MiB"))
    until(lambda: _measured(page, asked, "gpu") > 1)
    page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
    expect(page.get_by_role("region", name="Resources")).to_be_hidden()
    until(lambda: not _measured_within(7_000, page, asked, "gpu"))  # one may be under way


def _measured_within(milliseconds: int, page: Page, asked: list[str], runtime: str) -> bool:
    before = _measured(page, asked, runtime)
    page.wait_for_timeout(milliseconds)
    return _measured(page, asked, runtime) > before


def _measured(page: Page, asked: list[str], runtime: str) -> int:
    """How often the sidebar asked; a notebook's own bars name its kernel."""
    page.wait_for_timeout(50)  # events come while Playwright waits
    path = f"/runtimes/{runtime}/usage?"
    return sum(path in url and "kernel=" not in url for url in asked)


def test_work_is_not_lost_by_one_press(
    page: Page, open_notebook: Open, workspace: Server, box: Server
) -> None:
    """A kernel that runs a cell, or that somebody else started, is restarted after a question; a
    runtime that cannot be measured says why."""
    box.api("/api/kernels", "POST", {"name": "python3"})
    cell = open_notebook("import time; time.sleep(600)")
    run(page, cell)
    panel = show(page)
    region = panel.get_by_role("region", name="box")
    expect(region).to_contain_text("Runtime box cannot be measured right now.")
    region.get_by_role("button", name="Restart the kernel of started elsewhere").click()
    question = region.get_by_role("group", name="This kernel was not started from this workspace.")
    question.get_by_role("button", name="Cancel").click()
    expect(question).to_have_count(0)
    here = panel.get_by_role("region", name="here")
    button = here.get_by_role("button", name="Restart the kernel of")
    expect(here.get_by_role("row").filter(has_text=".ipynb")).to_have_count(1)
    until(lambda: _is_busy(workspace))
    for _ in range(2):  # the first of them may have been asked for before
        page.wait_for_event("response", lambda answer: "/here/kernels" in answer.url)
    page.wait_for_timeout(200)  # drawn
    button.click()
    question = here.get_by_role("group", name="A cell runs in this kernel.")
    question.get_by_role("button", name="Restart", exact=True).click()
    expect(question).to_have_count(0)
    until(lambda: not _is_busy(workspace), 60)


def _is_busy(workspace: Server) -> bool:
    return any(k["execution_state"] == "busy" for k in workspace.api("/api/kernels")[1])


def test_gpus_are_shown_and_axe_finds_nothing_wrong(
    page: Page, open_notebook: Open, trainer: Server
) -> None:
    """Memory and load of each GPU are shown, and what each kernel holds of it; in a light and in a
    dark theme axe finds no violation."""
    cell = open_notebook(HOLD, kernelspec=spec("trainer"))
    run(page, cell)
    expect(cell.locator(".jp-OutputArea")).to_contain_text("600000000")
    panel = show(page)
    region = panel.get_by_role("region", name="trainer")
    expect(region).to_contain_text("GPU · NVIDIA H200")
    expect(region.get_by_role("img", name="Memory of GPU, NVIDIA H200")).to_have_attribute(
        "aria-label", re.compile("40.0 of 140 GiB; 29% to 29%")
    )
    expect(region.get_by_role("img", name="GPU busy: 50%")).to_be_visible()
    row = region.get_by_role("row").filter(has_text=".ipynb")
    expect(row.get_by_role("cell").nth(2)).to_have_text("3.0 GiB")
    if os.environ.get("SHOTS"):
        page.wait_for_timeout(int(os.environ.get("SHOTS_AFTER", "0")))  # for longer curves
    assert_accessible(page, "#ropeway-resources", "resources")
