"""The recorder: puts what kernels say about cells into the journal, before anybody hears it.

JupyterLab names the cell in each request that it sends (`metadata.cellId`), so the workspace knows
to which cell an output belongs without asking the page, and when there is no page any more.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

from ropeway.frames import Frame, message, pack_v1, unpack_v1
from ropeway.workspace.journal import Journal
from ropeway.workspace.whose import Notebooks

log = logging.getLogger(__name__)

_UPDATE = "update_display_data"
_DISPLAY = b"display_data"
_DISPLAYS = ("display_data", "execute_result", _UPDATE)
_COUNTED = ("execute_input", "execute_reply")
_SHOWN = (*_DISPLAYS, *_COUNTED, "stream", "error", "clear_output")


class Recorder:
    """Records the kernels of a workspace.

    `notebooks` knows to which notebook a kernel's cell belongs, `followed` whether a page is
    connected to a kernel (None: there is no such kernel any more).
    """

    def __init__(
        self, journal: Journal, notebooks: Notebooks, followed: Callable[[str], bool | None]
    ) -> None:
        self.journal = journal
        self.notebooks = notebooks
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
        self._runs = {run.request: run.id for run in self._journal.runs.running(kernel)}
        self._parent: tuple[bytes, str, int | None] = (b"", "", None)
        """The parent header that was met last, its request and that one's run."""
        self.began: Callable[[], None] = lambda: None
        """Called when the kernel begins with another cell."""
        self._asking = self._unanswered()
        """The run that waits for an answer to `input()`, and what it asked."""

    def asked(self, frame: Frame, header: dict[str, Any]) -> None:
        """A client's request is about to be sent to the kernel."""
        try:
            if header.get("msg_type") == "execute_request":
                self._begin(frame, header)
            elif frame.channel == "stdin" and self._asking is not None:
                self._answered(*self._asking, frame)
                self._asking = None
        except Exception as error:  # noqa: BLE001 (whatever is wrong, the cell goes on)
            self._failed(error)

    def said(self, frame: Frame, number: int = 0) -> None:
        """The kernel's message is about to be shown."""
        try:
            request, run = self._run_of(frame)
            if run is not None:
                self._add(run, request, frame, number)
            elif frame.channel == "stdin":
                self._asking = None  # somebody else is asked, and it may be for a password
            elif _DISPLAY in bytes(frame.parts[0]):
                self._displayed(None, str(frame.decoded(0).get("msg_type", "")), frame)
        except Exception as error:  # noqa: BLE001 (whatever is wrong, the cell goes on)
            self._failed(error)

    def then(self, show: Callable[[], None]) -> None:
        """Call `show` once what was said up to now is kept."""
        self._journal.batch.then(show)

    def received(self, number: int) -> None:
        """Everything up to that number has been dealt with; returns once that is kept."""
        try:
            self._journal.kernels.received(self._kernel, number)
        except Exception as error:  # noqa: BLE001
            self._failed(error)
        self._journal.batch.commit()

    def informed(self, info: dict[str, Any]) -> None:
        """The kernel told what it is."""
        try:
            self._journal.kernels.informed(self._kernel, info)
        except Exception as error:  # noqa: BLE001
            self._failed(error)

    def ended(self) -> None:
        """The kernel is no more, and with it what ran."""
        try:
            followed = bool(self._recorder.followed(self._kernel))
            self._journal.runs.end_all(self._kernel, followed=followed)
        except Exception as error:  # noqa: BLE001
            self._failed(error)
        self._runs.clear()
        self._asking = None

    def _begin(self, frame: Frame, header: dict[str, Any]) -> None:
        request, client = (str(header.get(key, "")) for key in ("msg_id", "session"))
        cell = str(frame.decoded(2).get("cellId") or "")
        if not cell or not request or frame.decoded(3).get("silent"):
            return
        path = self._recorder.notebooks.of(self._kernel, cell, client)
        if path is None:
            return
        self._journal.batch.open()
        run = self._journal.runs.begin(self._kernel, request, path, cell)
        if run is not None:
            self._runs[request] = run
            self._parent = (b"", "", None)  # what ran in that cell before is heard no more
            if len(self._runs) == 1:
                # Nothing runs before it, and its first question may be quicker than the kernel's
                # word that it has begun.
                self.began()
        self._journal.batch.commit()  # before the kernel has it

    def _run_of(self, frame: Frame) -> tuple[str, int | None]:
        """The request that a message belongs to, and its run: one that goes on, or the last one of
        its cell, whose threads may still speak."""
        parent = bytes(frame.parts[1])
        if parent != self._parent[0]:
            request = str(frame.decoded(1).get("msg_id", ""))
            run = self._runs.get(request)
            if run is None and request:
                found = self._journal.runs.latest(self._kernel, request)
                run = found.id if found is not None else None
            self._parent = (parent, request, run)
        return self._parent[1:]

    def _add(self, run: int, request: str, frame: Frame, number: int) -> None:
        kind = str(frame.decoded(0).get("msg_type", ""))
        late = request not in self._runs
        if kind == "status":
            if not late and frame.decoded(3).get("execution_state") == "idle":
                self._end(run, request)
            return
        if late and kind not in _SHOWN:
            if kind == "input_request":
                self._asking = None
            return
        self._journal.batch.open()
        self._journal.messages.add(run, kind, frame.raw or pack_v1(frame))
        if number:
            # With the message or not at all: what the runtime sends once more after a kill is
            # known by its number.
            self._journal.kernels.received(self._kernel, number)
        if late:
            self._journal.runs.unsettle(run)
        if kind == "execute_input":
            self.began()
        if kind in _COUNTED:
            reply = frame.decoded(3)
            self._journal.runs.count(run, reply.get("execution_count"))
            if not late and reply.get("status") == "aborted":  # some kernels say no more of it
                self._end(run, request)
        elif kind in _DISPLAYS:
            self._displayed(run, kind, frame)
        elif kind == "input_request":
            self._asking = (run, frame.decoded(3))

    def _end(self, run: int, request: str) -> None:
        self._journal.runs.end(run)
        del self._runs[request]
        if self._asking is not None and self._asking[0] == run:
            self._asking = None  # nobody will answer any more

    def _unanswered(self) -> tuple[int, dict[str, Any]] | None:
        """What was asked before this process began, and is not answered."""
        for run in self._runs.values():
            if frame := self._journal.messages.unanswered(run):
                return run, unpack_v1(frame).decoded(3)
        return None

    def _answered(self, run: int, question: dict[str, Any], frame: Frame) -> None:
        """Keep question and answer as JupyterLab shows them; of a password that there was one."""
        self._journal.messages.add(run, "input_reply", b"")
        answer = str(frame.decoded(3).get("value", ""))
        shown = "·" * 8 if question.get("password") else answer
        text = f"{question.get('prompt', '')} {shown}\n"
        shown_as = message("iopub", "stream", {"name": "stdin", "text": text}, session="")
        self._journal.messages.add(run, "stream", pack_v1(shown_as))

    def _displayed(self, run: int | None, kind: str, frame: Frame) -> None:
        """As JupyterLab does: whatever has a display id changes what other cells show under it."""
        if b"display_id" not in bytes(frame.parts[3]):
            return
        display = str((frame.decoded(3).get("transient") or {}).get("display_id") or "")
        others = [id for id in self._journal.displays.runs(self._kernel, display) if id != run]
        if others:
            self._journal.batch.open()
            update = pack_v1(frame if kind == _UPDATE else _as_update(frame))
            for other in others:
                self._journal.messages.add(other, _UPDATE, update)
                self._journal.runs.unsettle(other)
        if run is not None and kind != _UPDATE:
            self._journal.displays.add(self._kernel, display, run)

    def _failed(self, error: Exception) -> None:
        # A full disk must not stop the cell: the page still shows what is said.
        log.error("the journal cannot keep a message of kernel %s: %s", self._kernel, error)


def _as_update(frame: Frame) -> Frame:
    header = json.dumps({**frame.decoded(0), "msg_type": _UPDATE}).encode()
    return Frame(frame.channel, [header, *frame.parts[1:]])
