"""A notebook with its recorder and author, without a server: a test says what the kernel says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat

from ropeway.frames import Frame, message
from ropeway.workspace.author import Author
from ropeway.workspace.contents import PortableContents
from ropeway.workspace.journal import Journal, Run
from ropeway.workspace.recorder import Recorder, Tap
from ropeway.workspace.whose import Notebooks


class Desk:
    """A notebook of two cells with its recorder and author; `followed` says whether a page is."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "files" / "a.ipynb"
        self.file.parent.mkdir()
        cells = [nbformat.v4.new_code_cell("x"), nbformat.v4.new_code_cell("y")]
        self.ids = [cell.id for cell in cells]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), self.file)
        self.followed = False
        self.gone = False
        self.paths = ["a.ipynb"]
        self.notebooks = Notebooks(self.file.parent, lambda kernel: self.paths)
        self.folder = folder
        self.journal = Journal(folder / "journal")
        self._staff()

    def _staff(self) -> None:
        self.recorder = Recorder(self.journal, self.notebooks, self.follows)
        self.tap: Tap = self.recorder.tap("k")
        self.contents = PortableContents(root_dir=str(self.file.parent))
        self.author = Author(self.journal, self.contents, self.follows)
        self.contents.author = self.author

    def follows(self, kernel: str) -> bool | None:
        """Whether a page is connected to the kernel; None once that is gone."""
        return None if self.gone else self.followed

    def ask(self, cell: int | str, page: str = "page") -> Frame:
        """A page runs a cell: that of an index, or of an id."""
        cell_id = cell if isinstance(cell, str) else self.ids[cell]
        made = message("shell", "execute_request", {"code": "x"}, session=page)
        metadata = json.dumps({"cellId": cell_id}).encode()
        frame = Frame("shell", [*made.parts[:2], metadata, b"{}"])
        self.tap.asked(frame, frame.decoded(0))
        return frame

    def run_of(self, asked: Frame) -> Run | None:
        """What the journal has of a request."""
        return self.journal.runs.find(str(asked.decoded(0)["msg_id"]))

    def say(self, asked: Frame, kind: str, channel: str = "iopub", **content: Any) -> None:
        """The kernel says something about it."""
        parent = asked.decoded(0)
        self.tap.said(message(channel, kind, content, session="kernel", parent=parent))

    def run(self, cell: int, text: str, count: int) -> None:
        """A whole run that prints a text."""
        asked = self.ask(cell)
        self.say(asked, "execute_input", execution_count=count, code="x")
        self.say(asked, "stream", name="stdout", text=text)
        self.end(asked, count)

    def end(self, asked: Frame, count: int) -> None:
        """The kernel is done with it, and a page that follows says that it heard so."""
        self.say(asked, "execute_reply", "shell", status="ok", execution_count=count)
        self.say(asked, "status", execution_state="idle")
        if self.followed:
            self.journal.runs.heard([str(asked.decoded(0)["msg_id"])])

    def restart(self) -> None:
        """The workspace was killed, and the next one takes the kernel up again."""
        self.journal.close()
        self.journal = Journal(self.folder / "journal")
        self._staff()

    async def opened(self, path: str = "a.ipynb") -> Any:
        """The notebook as a page gets it."""
        return (await self.contents.get(path))["content"]

    async def shown(self) -> list[str]:
        """What the cells print, as a page gets them."""
        return _texts((await self.opened())["cells"])

    async def save(self, notebook: Any) -> None:
        """A page saves the notebook."""
        model = {"type": "notebook", "format": "json", "content": notebook}
        await self.contents.save(model, "a.ipynb")

    def texts(self) -> list[str]:
        """What the cells show, by the file."""
        return _texts(nbformat.read(self.file, 4).cells)


def _texts(cells: list[Any]) -> list[str]:
    return ["".join(output.get("text", "") for output in cell["outputs"]) for cell in cells]
