"""A real Chromium as a process of its own, so that a test can put it to sleep and kill it."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
from playwright.async_api import Browser, Error, Page, async_playwright

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or "chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
"""Of every Chromium here: as root, without a GPU, and quiet towards the rest of the world."""

ARGUMENTS = ["--headless=new", *FLAGS, "--remote-debugging-port=0"]


class Chromium:
    """A running browser; use it with `async with`. `folder` is its profile."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def __aenter__(self) -> Chromium:
        self._process = await asyncio.to_thread(_started, self._folder)
        port = await asyncio.to_thread(_port, self._folder / "DevToolsActivePort")
        self._playwright = await async_playwright().start()
        address = f"http://127.0.0.1:{port}"
        self._browser: Browser = await self._playwright.chromium.connect_over_cdp(address)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()
        with suppress(Error):
            await self._browser.close()
        await self._playwright.stop()

    async def page(self) -> Page:
        """A fresh tab."""
        made = await self._browser.contexts[0].new_page()
        made.set_default_timeout(60_000)
        return made

    def sleep(self) -> None:
        """The lid is closed: it does nothing any more, and its connections stay."""
        for process in self._family():
            with suppress(psutil.NoSuchProcess):
                process.suspend()

    def wake(self) -> None:
        """It goes on where it was."""
        for process in self._family():
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def kill(self) -> None:
        """Take it away without a word."""
        for process in self._family():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()

    def _family(self) -> list[psutil.Process]:
        try:
            first = psutil.Process(self._process.pid)
            return [first, *first.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


def _started(folder: Path) -> subprocess.Popen[bytes]:
    (folder / "DevToolsActivePort").unlink(missing_ok=True)
    command = [CHROMIUM, *ARGUMENTS, f"--user-data-dir={folder}", "about:blank"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _port(told: Path) -> int:
    for _ in range(600):
        with suppress(OSError, ValueError, IndexError):
            return int(told.read_text().splitlines()[0])
        time.sleep(0.05)
    raise AssertionError("Chromium did not start")


CONNECTED = """async status => {
  for (let i = 0; i < 1200; i++) {
    const widget = window.jupyterapp?.shell.currentWidget;
    const kernel = widget?.context?.sessionContext?.session?.kernel;
    const ready = widget?.context?.isReady && kernel?.connectionStatus === 'connected';
    if (ready && (!status || kernel.status === status)) {
      return true;
    }
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  throw new Error('no kernel');
}"""
COMMAND = "name => void window.jupyterapp.commands.execute(name)"
SHOWN = """() => {
  const widget = window.jupyterapp?.shell.currentWidget;
  if (!widget?.context?.isReady) {
    return null;
  }
  const kernel = widget.context.sessionContext.session?.kernel;
  const cells = [];
  for (const cell of widget.content.model.cells) {
    cells.push(cell.toJSON());
  }
  return { cells, status: kernel?.status, connection: kernel?.connectionStatus };
}"""
SAVE = """() => {
  window.saved = false;
  const done = () => { window.saved = true; };
  window.jupyterapp.commands.execute('docmanager:save').then(done, done);
}"""


class LabPage:
    """JupyterLab in a browser with one notebook open."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def open(self, url: str, token: str, path: str, app: str = "/doc/tree") -> None:
        """Open a notebook, or load it anew."""
        await self.page.goto(f"{url}{app}/{path}?token={token}")

    async def connected(self) -> None:
        """Wait until the notebook and its kernel are there."""
        await self.page.evaluate(CONNECTED)

    async def idle(self) -> None:
        """Wait until a cell can be run: one that is run before is lost, or raises a dialog."""
        await self.page.evaluate(CONNECTED, "idle")

    async def run_all(self) -> None:
        """Run all cells, and do not wait for their end."""
        await self.page.evaluate(COMMAND, "notebook:run-all-cells")

    async def shown(self) -> dict[str, Any] | None:
        """The notebook as the page has it: its `cells`, and the kernel's `status`; None before."""
        found: dict[str, Any] | None = await self.page.evaluate(SHOWN)
        return found

    async def ended(self, seconds: float = 120) -> dict[str, Any]:
        """The notebook as the page shows it, once its last cell has run."""
        end = time.monotonic() + seconds
        while (shown := await self.shown()) is None or not shown["cells"][-1]["execution_count"]:
            assert time.monotonic() < end, f"the page shows no end: {shown}"
            await asyncio.sleep(0.5)
        return shown

    async def save(self, seconds: float = 20) -> bool:
        """Save, and overwrite the file should the page ask; whether that came to an end."""
        await self.page.evaluate(SAVE)
        overwrite = self.page.get_by_role("dialog").get_by_role("button", name="Overwrite")
        end = time.monotonic() + seconds
        while not await self.page.evaluate("() => window.saved"):
            if time.monotonic() > end:
                return False
            if await overwrite.count():
                await overwrite.first.click(force=True)
            await asyncio.sleep(0.1)
        return True
