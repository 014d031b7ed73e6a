"""The record of one companion: what its runs say is in the journal before anybody hears it.

Its runs stand there under no notebook's path: the cell that asked for them has a run of its own, of
the kernel that says all this again. They are settled once that needs them no more.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any

from ropeway.frames import Frame, pack_v1
from ropeway.workspace.companions.run import Heard, Run
from ropeway.workspace.journal import Journal

log = logging.getLogger(__name__)

SHOWN = frozenset(
    {
        *("stream", "display_data", "update_display_data", "execute_result", "clear_output"),
        *("comm_open", "comm_msg", "comm_close"),
    }
)
"""What the asking kernel says itself."""

_END = frozenset({"execute_reply", "status"})
"""A run has ended once both were said: they come by two ways."""

_KEPT = SHOWN | _END | {"error", "input_request"}


class Record:
    """The runs of the companion `number` that go on; a bridge's tap, whose methods never raise."""

    def __init__(self, journal: Journal, number: str) -> None:
        self._journal = journal
        self._number = number
        self._runs = {run.request: Run(journal, run.id) for run in journal.runs.running(number)}
        self._missing = {request: self._still_missing(run) for request, run in self._runs.items()}
        self._parent: tuple[bytes, str] = (b"", "")
        """The parent header that was met last, and its request."""
        self.began: Callable[[], None] = lambda: None
        """Called when the companion begins with another run."""

    # --- for those who ask ----------------------------------------------------------------------

    def begin(self, request: str) -> Run:
        """A run that the companion is about to be asked for."""
        made = self._journal.runs.begin(self._number, request, "", request)
        self._journal.batch.commit()  # before the companion has it
        assert made is not None, "a run is begun once"
        self._missing[request] = set(_END)
        run = self._runs[request] = Run(self._journal, made)
        return run

    def run(self, request: str, after: int) -> Run:
        """A run that was begun, behind the message `after`."""
        run = self._runs.get(request)
        if run is None:
            found = self._journal.runs.find(request)
            assert found is not None, "it is known"
            run = Run(self._journal, found.id, ended=True)
        run.begin_behind(after)
        return run

    def answered(self, run: Run) -> None:
        """What the run asked for last needs no answer any more."""
        run.answered = self._keep(run, "input_reply", b"", 0) or run.answered
        self._journal.batch.commit()

    def let_go(self, request: str) -> bool:
        """Nobody hears that run any more; whether it goes on."""
        run = self._runs.pop(request, None)
        self._missing.pop(request, None)
        if run is not None:
            self._journal.runs.end(run.id)
            run.end()
        return run is not None

    def catch_up(self) -> None:
        """Let what was said up to now be heard."""
        self._journal.batch.commit()

    # --- for the bridge ---------------------------------------------------------------------------

    def asked(self, frame: Frame, header: dict[str, Any]) -> None:
        """No client speaks to a companion."""

    def said(self, frame: Frame, number: int = 0) -> None:
        """The companion's message; what belongs to no run is nobody's."""
        try:
            parent = bytes(frame.parts[1])
            if parent != self._parent[0]:
                self._parent = (parent, str(frame.decoded(1).get("msg_id", "")))
            run = self._runs.get(self._parent[1])
            if run is not None:
                self._hear(self._parent[1], run, frame, number)
        except Exception as error:  # noqa: BLE001 (whatever is wrong, the cell goes on)
            log.error("a message of companion %s is not heard: %r", self._number, error)

    def then(self, show: Callable[[], None]) -> None:
        """Call `show` once what was said up to now is kept."""
        self._journal.batch.then(show)

    def received(self, number: int) -> None:
        """Everything up to that number has been dealt with; returns once that is kept."""
        self._safely(partial(self._journal.kernels.received, self._number, number))
        self._journal.batch.commit()

    def informed(self, info: dict[str, Any]) -> None:
        """What a companion is, nobody asks."""

    def ended(self) -> None:
        """The companion is no more, and with it what ran."""
        self._safely(partial(self._journal.runs.end_all, self._number))
        for run in self._runs.values():
            self.then(run.end)
        self._runs.clear()
        self._missing.clear()

    def _hear(self, request: str, run: Run, frame: Frame, number: int) -> None:
        kind = str(frame.decoded(0).get("msg_type", ""))
        if kind == "execute_input":
            self.began()
        if kind not in _KEPT:
            return
        if kind == "status" and frame.decoded(3).get("execution_state") != "idle":
            return
        place = self._keep(run, kind, frame.raw or pack_v1(frame), number)
        self.then(partial(run.hear, Heard(place, kind, frame)))
        missing = self._missing[request]
        missing.discard(kind)
        if not missing:
            self._safely(partial(self._journal.runs.end, run.id))
            del self._runs[request], self._missing[request]
            self.then(run.end)

    def _keep(self, run: Run, kind: str, frame: Any, number: int) -> int:
        """The message's number in the journal. A full disk must not stop the cell: then 0."""
        try:
            self._journal.batch.open()
            place = self._journal.messages.add(run.id, kind, frame)
            if number:
                # With the message or not at all, as of every kernel.
                self._journal.kernels.received(self._number, number)
        except (sqlite3.Error, OSError) as error:
            log.error("the journal cannot keep what companion %s says: %s", self._number, error)
            return 0
        return place

    def _safely(self, write: Callable[[], None]) -> None:
        try:
            write()
        except sqlite3.Error as error:
            log.error("the journal cannot keep what companion %s says: %s", self._number, error)

    def _still_missing(self, run: Run) -> set[str]:
        return {kind for kind in _END if self._journal.messages.latest(run.id, kind) is None}
