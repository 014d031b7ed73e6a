"""One workspace, one plain Jupyter server and one Chromium for all tests; a fresh page for each."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Locator,
    Page,
    Playwright,
    expect,
    sync_playwright,
)

from support.chromium import CHROMIUM, FLAGS
from support.gpus import with_a_gpu
from support.servers import Server, lent, plain_jupyter
from support.servers import workspace as start_workspace

ARGUMENTS = [
    *FLAGS,
    # Whatever lies on other machines: the page must do without. A route of Playwright's would
    # switch the browser's caches off, and each page would read JupyterLab's 7 MB anew.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
PANEL = ".jp-NotebookPanel:not(.lm-mod-hidden)"

expect.set_options(timeout=40_000)  # the default of 5 s is too short on two busy cores


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


@pytest.fixture
def trainer(workspace: Server, tmp_path: Path) -> Iterator[Server]:
    """A runtime with the agent and, by a stand-in for NVIDIA's library, a GPU of which each kernel
    holds 3 GiB; connected as `trainer`."""
    with lent(tmp_path, prefix=with_a_gpu(tmp_path)) as server:
        connect(workspace, server, "trainer")
        yield server
        disconnect(workspace, "trainer")


def spec(runtime: str) -> dict[str, str]:
    """The kernelspec of a notebook that runs there."""
    return {"name": f"{runtime}.python3", "display_name": runtime, "language": "python"}


def connect(workspace: Server, server: Server, name: str, runtime_class: str = "") -> None:
    """Connect a server as a runtime."""
    body = {"url": server.url, "token": server.token, "name": name}
    body |= {"runtime_class": runtime_class}
    status, answer = workspace.api("/ropeway/api/runtimes", "POST", body)
    assert status == 201, answer


def disconnect(workspace: Server, name: str) -> None:
    """End a runtime's connection, whether it is still there or not."""
    workspace.api(f"/ropeway/api/runtimes/{name}", "DELETE")


def until(happened: Callable[[], bool], seconds: float = 40) -> None:
    """Wait until something is so, not for ever."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"it did not happen within {seconds} seconds"
        time.sleep(0.05)


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    """What drives browsers."""
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="package")
def context(
    playwright: Playwright, workspace: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BrowserContext]:
    """One browser for all tests, with a profile: it keeps JupyterLab's 7 MB read and compiled."""
    made = playwright.chromium.launch_persistent_context(
        tmp_path_factory.mktemp("profile"),
        executable_path=CHROMIUM,
        args=ARGUMENTS,
        viewport={"width": 1280, "height": 800},
        reduced_motion="reduce",
        base_url=workspace.url,
        extra_http_headers={"Authorization": f"token {workspace.token}"},
    )
    made.set_default_timeout(60_000)
    yield made
    made.close()


@pytest.fixture
def browser(playwright: Playwright) -> Iterator[Browser]:
    """Another browser, of one test alone."""
    made = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
    yield made
    made.close()


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
    """Opens a new notebook in an app and gives its first cell, its kernel being idle."""

    def go(
        source: str, app: str = "/doc/tree", more: Sequence[str] = (), **metadata: Any
    ) -> Locator:
        # A path's kernel outlives the page that started it, so every notebook has a new name.
        name = f"n{secrets.token_hex(4)}"
        cells = [nbformat.v4.new_code_cell(each) for each in (source, *more)]
        notebook = nbformat.v4.new_notebook(cells=cells)
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
