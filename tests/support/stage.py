"""Everything that can fail while cells run: pages, a browser, a workspace, a line and a runtime."""

from __future__ import annotations

import asyncio
import json
import signal
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from playwright.async_api import Error

from support.chromium import Chromium, LabPage
from support.forwarder import Forwarder, forwarder
from support.kernel_client import KernelClient
from support.notebook import Notebook, until
from support.servers import free_port, lent, workspace

EXPOSED = {"expose_app_in_browser": True}


class Stage:
    """A workspace, the runtime `far` behind a line, and who looks at a notebook there.

    `start` it and `end` it. Each part can be taken away and brought back; `notebook` is the one
    that runs now.
    """

    notebook: Notebook

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pages: list[KernelClient] = []
        self.browser: Chromium | None = None
        self.tab: LabPage | None = None
        self._far_stack = ExitStack()
        self._work_stack = ExitStack()
        self._line_port, self._work_port = free_port(), free_port()
        self._browsers = 0

    # --- all of it ------------------------------------------------------------------------------

    def start(self) -> None:
        """Bring everything up."""
        settings = self.folder / "home" / "jupyter-config" / "jupyter_server_config.json"
        settings.parent.mkdir(parents=True)
        settings.write_text(json.dumps({"LabApp": EXPOSED}))
        (self.folder / "far").mkdir()
        self.far = self._far_stack.enter_context(lent(self.folder / "far"))
        self.line = self._new_line()
        self._new_workspace()
        body = {"url": f"http://127.0.0.1:{self._line_port}", "token": self.far.token}
        status, answer = self.work.api("/ropeway/api/runtimes", "POST", {**body, "name": "far"})
        assert status == 201, answer

    def end(self) -> None:
        """Take everything down."""
        self.line.thaw()
        self._work_stack.close()
        self._far_stack.close()
        self.line.stop()

    async def write(self, path: str, sources: list[str], runtime: str) -> None:
        """A new notebook with a session on a runtime, once that is within reach."""
        await asyncio.to_thread(until, lambda: self._in_reach(runtime), 60, f"reaching {runtime}")
        self.notebook = await asyncio.to_thread(Notebook, self.work, path, sources, runtime)

    async def shut(self) -> None:
        """Nobody looks any more, and the session ends."""
        await self.close_pages()
        await self.kill_browser()
        session = f"/api/sessions/{self.notebook.session['id']}"
        await asyncio.to_thread(self.work.api, session, "DELETE")

    def _in_reach(self, runtime: str) -> bool:
        rows = self.work.api("/ropeway/api/runtimes")[1]["runtimes"]
        return any(row["name"] == runtime and row["state"] == "connected" for row in rows)

    # --- pages ----------------------------------------------------------------------------------

    async def open_page(self) -> KernelClient:
        """One more page, without a browser."""
        page = await self.notebook.page().__aenter__()
        self.pages.append(page)
        return page

    async def close_pages(self) -> None:
        """Close those without a browser."""
        for page in self.pages:
            await page.__aexit__(None, None, None)
        self.pages.clear()

    async def open_browser(self) -> LabPage:
        """JupyterLab in a new browser, with the notebook open."""
        await self.kill_browser()
        self._browsers += 1
        folder = self.folder / f"chromium{self._browsers}"
        self.browser = await Chromium(folder).__aenter__()
        self.tab = LabPage(await self.browser.page())
        await self.reload()
        return self.tab

    async def reload(self) -> None:
        """Load the page in the browser anew."""
        assert self.tab is not None
        await self.tab.open(self.work.url, self.work.token, self.notebook.path)

    async def kill_browser(self) -> None:
        """Take the browser away without a word."""
        if self.browser is not None:
            await self.browser.__aexit__(None, None, None)
        self.browser = self.tab = None

    async def shown(self) -> dict[str, Any] | None:
        """The notebook as the browser shows it; None while it shows none."""
        with suppress(Error):
            return None if self.tab is None else await self.tab.shown()
        return None

    # --- the workspace --------------------------------------------------------------------------

    async def restart_workspace(self, number: signal.Signals, away: float = 0) -> None:
        """End the workspace by a signal, and start another on the same port, `away` seconds
        later."""
        self.work.process.send_signal(number)
        await asyncio.to_thread(self.work.process.wait, 60)
        self.pages.clear()  # their connections went with it
        await asyncio.sleep(away)
        await asyncio.to_thread(self._new_workspace)
        self.notebook.work = self.work

    def _new_workspace(self) -> None:
        self._work_stack.close()
        # A page in a browser comes back to the address that it knows.
        made = workspace(
            self.folder / "home", self.folder / "files", "--port", str(self._work_port)
        )
        self.work = self._work_stack.enter_context(made)

    # --- the line -------------------------------------------------------------------------------

    async def cut_line(self, seconds: float, *trouble: str) -> None:
        """Cut the line; the new one comes so many seconds later, with that trouble."""
        self.line.stop()
        await asyncio.sleep(seconds)
        self.line = await asyncio.to_thread(self._new_line, *trouble)

    def _new_line(self, *trouble: str) -> Forwarder:
        target = int(self.far.url.rsplit(":", 1)[1])
        self._making = forwarder(self._line_port, target, *trouble)  # it comes and goes
        return self._making.__enter__()
