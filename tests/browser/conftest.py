"""One workspace, one plain Jupyter server and one Chromium for all tests; a fresh page for each."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import pytest

pytest.importorskip("playwright")

from playwright.sync_api import (
    BrowserContext,
    Locator,
    Page,
    Route,
    expect,
    sync_playwright,
)

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
EXTENSION = Path(__file__).parents[2] / "src/ropeway/labextension/ropeway/package.json"
PANEL = ".jp-NotebookPanel:not(.lm-mod-hidden)"

expect.set_options(timeout=20_000)  # the default of 5 s is too short on two busy cores


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip where there is no browser or no built front end, and say which."""
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    reason = "" if CHROMIUM else "no Chromium on this machine"
    if not EXTENSION.is_file():
        reason = "the front end is not built: npm ci && npm run build:prod in lab/"
    for item in here if reason else []:
        item.add_marker(pytest.mark.skip(reason=reason))


def environment(folder: Path) -> dict[str, str]:
    """An environment in which nothing of this machine's own Jupyter is seen."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "ROPEWAY"))}
    settings = folder / "config"
    settings.mkdir(exist_ok=True)
    exposed = {"expose_app_in_browser": True}
    (settings / "jupyter_server_config.json").write_text(
        json.dumps({"LabApp": exposed, "JupyterNotebookApp": exposed})
    )
    return kept | {
        "HOME": str(folder),
        "ROPEWAY_HOME": str(folder / "ropeway"),
        "ROPEWAY_RUNTIMES_REFRESH": "1",
        "JUPYTER_CONFIG_DIR": str(settings),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "run"),
        "IPYTHONDIR": str(folder / "ipython"),
    }


def ask(url: str, token: str, method: str = "GET", body: object = None) -> Any:
    """The JSON that a server answers."""
    request = urllib.request.Request(
        url,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"token {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read() or b"null")


@dataclass
class Process:
    """A server that was started for the tests."""

    command: list[str]
    folder: Path
    url: str = ""
    token: str = ""
    process: subprocess.Popen[bytes] | None = None
    root: Path = field(init=False)

    def __post_init__(self) -> None:
        self.root = self.folder / "files"
        self.root.mkdir()

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    def start(self, found: Callable[[], tuple[str, str] | None]) -> None:
        """Start it and wait until `found` gives its URL and token and it answers there."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env=environment(self.folder),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + 60
        while True:
            place = found()
            if place:
                self.url, self.token = place
                try:
                    self.api("api/status")
                    return
                except OSError:
                    pass
            if self.process.poll() is not None or time.monotonic() > end:
                pytest.fail(self.log.read_text()[-3000:])
            time.sleep(0.1)

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def api(self, path: str, method: str = "GET", body: object = None) -> Any:
        return ask(f"{self.url}/{path}", self.token, method, body)


@pytest.fixture(scope="package")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A workspace as `ropeway` starts it."""
    folder = tmp_path_factory.mktemp("workspace")
    made = Process([], folder)
    made.command = [sys.executable, "-m", "ropeway", "--no-browser", "--port", "0", str(made.root)]

    def found() -> tuple[str, str] | None:
        for path in (folder / "ropeway" / "workspaces").glob("*/workspace.json"):
            state = json.loads(path.read_text())
            return state["url"].rstrip("/").removesuffix("/lab"), state["token"]
        return None

    made.start(found)
    yield made
    made.stop()


@pytest.fixture(scope="package")
def start_plain(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Process]:
    """Starts a Jupyter server that has never heard of Ropeway."""

    def start() -> Process:
        folder = tmp_path_factory.mktemp("plain")
        token = secrets.token_hex(16)
        made = Process([], folder)
        made.command = [
            *(sys.executable, "-m", "jupyter_server", "--ServerApp.ip=127.0.0.1"),
            *("--no-browser", "--ServerApp.port=0", "--ServerApp.allow_root=True"),
            *(f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={made.root}"),
            "--ServerApp.jpserver_extensions={}",
        ]

        def found() -> tuple[str, str] | None:
            for path in (folder / "run").glob("jpserver-*.json"):
                if text := path.read_text():
                    return json.loads(text)["url"].rstrip("/"), token
            return None

        made.start(found)
        return made

    return start


@pytest.fixture(scope="package")
def plain(start_plain: Callable[[], Process]) -> Iterator[Process]:
    """A plain Jupyter server that lives as long as the tests."""
    made = start_plain()
    yield made
    made.stop()


@pytest.fixture
def gpu(workspace: Process, plain: Process) -> Iterator[Process]:
    """The plain server, connected as the runtime `gpu`."""
    connect(workspace, plain, "gpu")
    yield plain
    disconnect(workspace, "gpu")


@pytest.fixture
def box(workspace: Process, start_plain: Callable[[], Process]) -> Iterator[Process]:
    """A plain server of this test's own, connected as the runtime `box`: it may be killed."""
    made = start_plain()
    connect(workspace, made, "box")
    yield made
    disconnect(workspace, "box")
    made.stop()


def connect(workspace: Process, server: Process, name: str) -> None:
    body = {"url": server.url, "token": server.token, "name": name}
    workspace.api("ropeway/api/runtimes", "POST", body)


def until(happened: Callable[[], bool]) -> None:
    """Wait until something is so, 20 seconds at most."""
    end = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < end, "it did not happen within 20 seconds"
        time.sleep(0.05)


def disconnect(workspace: Process, name: str) -> None:
    """End a runtime's connection, whether it is still there or not."""
    try:
        workspace.api(f"ropeway/api/runtimes/{name}", "DELETE")
    except urllib.error.HTTPError as error:
        error.close()


@pytest.fixture(scope="package")
def context(workspace: Process) -> Iterator[BrowserContext]:
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
    context: BrowserContext, workspace: Process, request: pytest.FixtureRequest
) -> Iterator[Page]:
    """A fresh page; the kernels that it started end with it."""
    made = context.new_page()
    yield made
    if shots := os.environ.get("SHOTS"):
        name = request.node.name.replace("/", "-")
        made.screenshot(path=Path(shots) / f"{name}.png")
    made.close()
    for session in workspace.api("api/sessions"):
        workspace.api(f"api/sessions/{session['id']}", "DELETE")


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
def open_notebook(page: Page, workspace: Process) -> Open:
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
