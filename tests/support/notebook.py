"""A notebook in a workspace, run as its page runs it but without the page."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat

from support.kernel_client import KernelClient
from support.servers import Server


class Notebook:
    """The notebook `path` with its cells (`sources`), and a session on the runtime `runtime`."""

    def __init__(self, work: Server, path: str, sources: list[str], runtime: str = "here") -> None:
        self.work = work
        self.path = path
        self.file: Path = work.root / path
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        self.ids = [cell.id for cell in cells]
        self.sources = sources
        nbformat.write(nbformat.v4.new_notebook(cells=cells), self.file)
        body = {"path": path, "name": path, "type": "notebook"}
        body |= {"kernel": {"name": "python3" if runtime == "here" else f"{runtime}.python3"}}
        status, self.session = work.api("/api/sessions", "POST", body)
        assert status == 201, self.session
        self.kernel = str(self.session["kernel"]["id"])

    def page(self) -> KernelClient:
        """A page that connects to the kernel."""
        return KernelClient(self.work.url, self.work.token, self.kernel)

    def run(self, page: KernelClient, index: int) -> str:
        """Run a cell as JupyterLab does; returns the request's id."""
        body = {"code": self.sources[index], "silent": False, "store_history": True}
        body |= {"user_expressions": {}, "allow_stdin": True, "stop_on_error": True}
        metadata = {"cellId": self.ids[index], "trusted": True}
        return page.send("shell", "execute_request", body, metadata=metadata)

    def cell(self, index: int) -> Any:
        """A cell as the file on disk holds it."""
        return self.on_disk().cells[index]

    def on_disk(self) -> Any:
        """The notebook as the file on disk holds it."""
        return nbformat.read(self.file, 4)

    def text(self, index: int) -> str:
        """What a cell printed, by the file on disk."""
        return "".join(o.get("text", "") for o in self.cell(index).outputs)

    def opened(self) -> Any:
        """The notebook as a page gets it."""
        return self.work.api(f"/api/contents/{self.path}?content=1&type=notebook")[1]["content"]


def until(condition: Callable[[], bool], seconds: float = 30, what: str = "it") -> None:
    """Wait until it is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen within {seconds} s"
        time.sleep(0.1)
