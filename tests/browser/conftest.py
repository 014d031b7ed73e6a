"""One workspace, one plain Jupyter server and one Chromium for all tests; a fresh page for each."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import (
    BrowserContext,
    Locator,
    Page,
    Route,
    expect,
    sync_playwright,
)

from support.servers import Server, plain_jupyter
from support.servers import workspace as start_workspace

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
PANEL = ".jp-NotebookPanel:not(.lm-mod-hidden)"

expect.set_options(timeout=20_000)  # the default of 5 s is too short on two busy cores


@pytest.fixture(scope="package")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A workspace that lets the tests see JupyterLab's own objects and looks at runtimes often."""
    home = tmp_path_factory.mktemp("workspace")
    settings = home / "jupyter-config"
    settings.mkdir()
    exposed = {"expose_app_in_browser": True}
    (settings / "jupyter_server_config.json").write_text(
        json.dumps({"LabApp": exposed, "JupyterNotebookApp": exposed})
    )
    often = {"ROPEWAY_RUNTIMES_REFRESH": "1"}
    with start_workspace(home, home / "files", variables=often) as server:
        yield server


@pytest.fixture(scope="package")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A plain Jupyter server that lives as long as the tests."""
    with plain_jupyter(tmp_path_factory.mktemp("plain")) as server:
        yield server


@pytest.fixture
def gpu(workspace: Server, plain: Server) -> Iterator[Server]:
    """The plain server, connected as the runtime `gpu`."""
    connect(workspace, plain, "gpu")
    yield plain
    disconnect(workspace, "gpu")


@pytest.fixture
def box(workspace: Server, tmp_path: Path) -> Iterator[Server]:
    """A plain server of this test's own, connected as the runtime `box`: it may be killed."""
    with plain_jupyter(tmp_path) as server:
        connect(workspace, server, "box")
        yield server
        disconnect(workspace, "box")


def connect(workspace: Server, server: Server, name: str) -> None:
    """Connect a server as a runtime."""
    body = {"url": server.url, "token": server.token, "name": name}
    status, answer = workspace.api("/ropeway/api/runtimes", "POST", body)
    assert status == 201, answer


def disconnect(workspace: Server, name: str) -> None:
    """End a runtime's connection, whether it is still there or not."""
    workspace.api(f"/ropeway/api/runtimes/{name}", "DELETE")


def until(happened: Callable[[], bool]) -> None:
    """Wait until something is so, 20 seconds at most."""
    end = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < end, "it did not happen within 20 seconds"
        time.sleep(0.05)


@pytest.fixture(scope="package")
def context(workspace: Server) -> Iterator[BrowserContext]:
    """One browser for all tests, so that the 7 MB of JupyterLab are loaded once."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        made = browser.new_context(
            viewport={"width": 1280, "height": 800},
            reduced_motion="reduce",
            base_url=workspace.url,
            extra_http_headers={"Authorization": f"token {workspace.token}"},
        )
        made.set_default_timeout(30_000)
        made.route(lambda url: not url.startswith((workspace.url, "data:", "blob:")), refuse)
        yield made
        browser.close()


def refuse(route: Route) -> None:
    """Whatever lies on other machines: the page must do without."""
    route.abort()


@pytest.fixture
def page(
    context: BrowserContext, workspace: Server, request: pytest.FixtureRequest
) -> Iterator[Page]:
    """A fresh page; the kernels that it started end with it."""
    made = context.new_page()
    yield made
    if shots := os.environ.get("SHOTS"):
        name = request.node.name.replace("/", "-")
        made.screenshot(path=Path(shots) / f"{name}.png")
    made.close()
    for session in workspace.api("/api/sessions")[1]:
        workspace.api(f"/api/sessions/{session['id']}", "DELETE")


IS_READY = """async () => {
  const app = window.jupyterapp;
  await app.restored;
  for (let i = 0; i < 600; i++) {
    const widget = app.shell.currentWidget;
    const kernel = widget?.context?.sessionContext?.session?.kernel;
    if (widget?.context?.isReady && kernel?.status === 'idle' && (await kernel.info)) {
      return true;
    }
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  throw new Error('no idle kernel');
}"""

Open = Callable[..., Locator]


@pytest.fixture
def open_notebook(page: Page, workspace: Server) -> Open:
    """Opens a new notebook with one cell in an app and gives its cell, its kernel being idle."""

    def go(source: str, app: str = "/doc/tree", **metadata: Any) -> Locator:
        # A path's kernel outlives the page that started it, so every notebook has a new name.
        name = f"n{secrets.token_hex(4)}"
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
        notebook.metadata.update(metadata)
        notebook.metadata.setdefault(
            "kernelspec", {"name": "python3", "display_name": "Python 3", "language": "python"}
        )
        nbformat.write(notebook, workspace.root / f"{name}.ipynb")
        # The server keeps the default workspace's tabs: a name of its own begins with none.
        for shell in ("/lab/", "/doc/"):
            app = app.replace(shell, f"{shell}workspaces/{name}/")
        page.goto(f"{app}/{name}.ipynb")
        page.wait_for_selector(f"{PANEL} .jp-CodeCell .cm-content")
        page.evaluate(IS_READY)  # a cell that is run before is lost, or raises a dialog
        return page.locator(f"{PANEL} .jp-CodeCell").first

    return go


def run(page: Page, cell: Locator) -> None:
    """Run a cell as a user does."""
    cell.locator(".cm-content").click()
    expect(cell.locator(".cm-editor.cm-focused")).to_be_visible()  # keys go nowhere before
    page.keyboard.press("Control+Enter")
