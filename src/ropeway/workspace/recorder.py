"""The recorder: puts what kernels say about cells into the journal, before anybody hears it.

JupyterLab names the cell in each request that it sends (`metadata.cellId`), so the workspace knows
to which cell an output belongs without asking the page, and when there is no page any more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from ropeway.frames import Frame, message, pack_v1
from ropeway.workspace.journal import Journal

log = logging.getLogger(__name__)

_UPDATE = "update_display_data"


class Recorder:
    """Records the kernels of a workspace.

    `path_of` knows the notebook of a kernel, `followed` whether a page is connected to it (None:
    there is no such kernel any more).
    """

    def __init__(
        self,
        journal: Journal,
        path_of: Callable[[str], str | None],
        followed: Callable[[str], bool | None],
    ) -> None:
        self.journal = journal
        self.path_of = path_of
        self.followed = followed

    def tap(self, kernel: str) -> Tap:
        """What a kernel's bridge tells the messages that pass it."""
        return Tap(self, kernel)


class Tap:
    """One kernel's messages on their way through the bridge. Its methods never raise."""

    def __init__(self, recorder: Recorder, kernel: str) -> None:
        self._recorder = recorder
        self._journal = recorder.journal
        self._kernel = kernel
        self._runs = {run.request: run.id for run in self._journal.running(kernel)}
        self._asking: tuple[int, dict[str, Any]] | None = None
        """The run that waits for an answer to `input()`, and what it asked."""

    def asked(self, frame: Frame, header: dict[str, Any]) -> None:
        """A client's request is about to be sent to the kernel."""
        try:
            if header.get("msg_type") == "execute_request":
                self._begin(frame, str(header.get("msg_id", "")))
            elif frame.channel == "stdin" and self._asking is not None:
                self._answered(*self._asking, frame)
                self._asking = None
        except Exception as error:  # noqa: BLE001 (whatever is wrong, the cell goes on)
            self._failed(error)

    def said(self, frame: Frame, number: int = 0) -> None:
        """The kernel's message is about to be shown."""
        try:
            parent = str(frame.decoded(1).get("msg_id", ""))
            run = self._runs.get(parent)
            if run is not None:
                self._add(run, parent, frame, number)
            elif frame.channel == "stdin":
                self._asking = None  # somebody else is asked, and it may be for a password
        except Exception as error:  # noqa: BLE001 (whatever is wrong, the cell goes on)
            self._failed(error)

    def received(self, number: int) -> None:
        """Everything up to that number has been dealt with."""
        try:
            self._journal.received(self._kernel, number)
        except Exception as error:  # noqa: BLE001
            self._failed(error)

    def informed(self, info: dict[str, Any]) -> None:
        """The kernel told what it is."""
        try:
            self._journal.informed(self._kernel, info)
        except Exception as error:  # noqa: BLE001
            self._failed(error)

    def ended(self) -> None:
        """The kernel is no more, and with it what ran."""
        try:
            followed = bool(self._recorder.followed(self._kernel))
            self._journal.end_all(self._kernel, followed=followed)
        except Exception as error:  # noqa: BLE001
            self._failed(error)
        self._runs.clear()
        self._asking = None

    def _begin(self, frame: Frame, request: str) -> None:
        cell = frame.decoded(2).get("cellId")
        path = self._recorder.path_of(self._kernel) if cell else None
        if not path or not request or frame.decoded(3).get("silent"):
            return
        run = self._journal.begin(self._kernel, request, path, str(cell))
        if run is not None:
            self._runs[request] = run

    def _add(self, run: int, request: str, frame: Frame, number: int) -> None:
        kind = str(frame.decoded(0).get("msg_type", ""))
        if kind == "status":
            if frame.decoded(3).get("execution_state") == "idle":
                self._journal.end(run)
                del self._runs[request]
                if self._asking is not None and self._asking[0] == run:
                    self._asking = None  # nobody will answer any more
            return
        kept = (self._kernel, number) if number else None
        self._journal.add(run, kind, frame.raw or pack_v1(frame), kept)
        if kind in ("execute_input", "execute_reply"):
            self._journal.count(run, frame.decoded(3).get("execution_count"))
        elif kind in ("display_data", "execute_result", _UPDATE):
            self._displayed(run, kind, frame)
        elif kind == "input_request":
            self._asking = (run, frame.decoded(3))

    def _answered(self, run: int, question: dict[str, Any], frame: Frame) -> None:
        """Keep question and answer as JupyterLab shows them; of a password that there was one."""
        self._journal.add(run, "input_reply", b"")
        answer = str(frame.decoded(3).get("value", ""))
        shown = "·" * 8 if question.get("password") else answer
        text = f"{question.get('prompt', '')} {shown}\n"
        content = {"name": "stdin", "text": text}
        self._journal.add(run, "stream", pack_v1(message("iopub", "stream", content, session="")))

    def _displayed(self, run: int, kind: str, frame: Frame) -> None:
        if b"display_id" not in bytes(frame.parts[3]):
            return
        display = str((frame.decoded(3).get("transient") or {}).get("display_id") or "")
        if kind != _UPDATE:
            self._journal.displayed(self._kernel, display, run)
            return
        for other in self._journal.displaying(self._kernel, display):
            if other != run:  # it changes what another cell shows
                self._journal.add(other, kind, frame.raw or pack_v1(frame))
                self._journal.settle(other, settled=False)

    def _failed(self, error: Exception) -> None:
        # A full disk must not stop the cell: the page still shows what is said.
        log.error("the journal cannot keep a message of kernel %s: %s", self._kernel, error)
