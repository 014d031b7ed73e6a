"""What pages are shown of the cells that run in one kernel: each run through its window, and at a
pace that a page can follow.

What belongs to no run of a cell (a console, a widget of an earlier cell) passes as it is.
"""

from __future__ import annotations

import asyncio
import json
import logging
import shlex
from collections import OrderedDict
from collections.abc import Callable
from uuid import uuid4

from ropeway.frames import Frame, Part, content_v1
from ropeway.notebooks.pace import MOMENT_SECONDS, Pace
from ropeway.notebooks.window import FULL, Said, Window
from ropeway.workspace.journal import Journal, Run

log = logging.getLogger(__name__)

WINDOWS_KEPT = 50
"""A thread may go on to print when its cell has ended."""


def window_of(run: Run) -> Window:
    """The window of a run, through which nobody looked yet."""
    return Window(run.request, f"{shlex.quote(run.path)} --cell {run.cell}")


class Windows:
    """The windows of one kernel's runs, as the pages that follow it look through them.

    `show` publishes a message to every page.
    """

    def __init__(self, journal: Journal, show: Callable[[Frame], None]) -> None:
        self._journal = journal
        self._show = show
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._last_parent: Part = b""
        self._last: _Open | None = None
        self._timer: asyncio.TimerHandle | None = None

    def close(self) -> None:
        """Show nothing more."""
        if self._timer is not None:
            self._timer.cancel()

    def catch_up(self) -> None:
        """Show what waits for the end of the moment."""
        for opened in self._open.values():
            self._show_all(opened.pace.flush())

    def meet(self, frame: Frame) -> None:
        """A message of the kernel is about to be kept: what was kept before it is known."""
        parent = frame.parts[1]
        if parent == self._last_parent:
            return
        self._last_parent, self._last = bytes(parent), None
        try:
            self._last = self._find(str(frame.decoded(1).get("msg_id", "")))
        except Exception as error:  # noqa: BLE001 (whatever is wrong, the cell goes on)
            log.error("a message passes without a window: %r", error)

    def shown(self, frame: Frame) -> list[Frame]:
        """What is shown in the place of the message that was met last."""
        if self._last is None:
            return [frame]
        try:
            return self._through(self._last, frame)
        except Exception as error:  # noqa: BLE001 (whatever is wrong, the cell goes on)
            log.error("a message passes without a window: %r", error)
            return [frame]

    def _through(self, opened: _Open, frame: Frame) -> list[Frame]:
        opened.clear_up_to(self._journal.runs.cleared(opened.run))
        kind = str(frame.decoded(0).get("msg_type", ""))
        if kind == "status":  # a cell shows its last lines before it says that it has ended
            return [*opened.pace.flush(), *opened.updates(), frame]
        said = opened.window.take(kind, frame.parts[3])
        more = opened.window.take(FULL, b"") if self._journal.messages.is_full(opened.run) else None
        if said is not None or more is not None:
            opened.heads = opened.heads or heads_of(frame)
        through = [(kind, frame)] if said is None else []
        through += [(each.kind, replaced(each, frame)) for each in (*(said or ()), *(more or ()))]
        opened.pace.drawing = opened.window.drawing
        shown = [each for kind, made in through for each in opened.pace.take(kind, made)]
        if opened.pace.busy or opened.heads is not None:
            self._tick_later()
        return shown

    def _tick_later(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(MOMENT_SECONDS, self._tick)

    def _tick(self) -> None:
        self._timer = None
        for opened in self._open.values():
            self._show_all([*opened.pace.tick(), *opened.updates()])
            if opened.pace.busy:
                self._tick_later()

    def _show_all(self, frames: list[Frame]) -> None:
        for frame in frames:
            self._show(frame)

    def _find(self, request: str) -> _Open | None:
        if request in self._open:
            self._open.move_to_end(request)
            return self._open[request]
        run = self._journal.runs.find(request) if request else None
        if run is None:
            return None
        opened = self._open[request] = _Open(run)
        before = self._journal.messages.of(run.id, run.cleared)  # kept by another process, say
        for _, kind, kept in before:
            opened.window.take(kind, content_v1(kept) if kept else b"")
        if len(self._open) > WINDOWS_KEPT:
            self._open.popitem(last=False)
        return opened


class _Open:
    """The window of a run; `heads` are those of its messages, once something was held back."""

    def __init__(self, run: Run) -> None:
        self.run = run.id
        self.window = window_of(run)
        self.pace = Pace()
        self.heads: Frame | None = None
        self._cleared = run.cleared

    def clear_up_to(self, number: int) -> None:
        """Its user cleared the cell: what it says from now on is shown from its beginning on."""
        if number > self._cleared:
            self._cleared = number
            self.window.clear()

    def updates(self) -> list[Frame]:
        """What brings note and last lines up to date on every page."""
        heads = self.heads
        return [] if heads is None else [replaced(each, heads) for each in self.window.update()]


def heads_of(frame: Frame) -> Frame:
    """What `replaced` wants to know of a run's message, without its content."""
    return Frame(frame.channel, [bytes(part) for part in frame.parts[:3]])


def replaced(said: Said, frame: Frame) -> Frame:
    """What is shown in the place of a kernel's message, as a message of the same run.

    The part of a message keeps its id, and a display of ours has the same one on every page: who
    hears it a second time knows it.
    """
    header = frame.decoded(0)
    if said.kind != "stream":
        header |= {"msg_type": said.kind, "msg_id": said.id or uuid4().hex}
    parts = [json.dumps(header).encode(), *frame.parts[1:3], json.dumps(said.content).encode()]
    return Frame("iopub", parts)
