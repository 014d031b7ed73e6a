"""What a companion says: kept before it is heard, and heard once and in order, whatever is cut."""

from __future__ import annotations

import asyncio
import io
import sqlite3
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ropeway.frames import Frame, message
from ropeway.kernel.elsewhere import _Cell
from ropeway.kernel.said import Said, joined, pack
from ropeway.wire import Reply
from ropeway.workspace.companions import run as module
from ropeway.workspace.companions.record import Record
from ropeway.workspace.journal import Journal


def frame(kind: str, **content: Any) -> Frame:
    return message("iopub", kind, content, session="", parent={"msg_id": "r"})


class Asker:
    """The asking kernel: what it has shown, and what it says to home."""

    def __init__(self) -> None:
        self.screen = io.StringIO()
        self.told: list[tuple[str, dict[str, Any]]] = []
        self._cell = _Cell(SimpleNamespace(), self, {})  # type: ignore[arg-type]

    def say(self, op: str, **fields: Any) -> None:
        self.told.append((op, fields))

    def hears(self, kind: str, body: dict[str, Any], *buffers: bytes) -> None:
        with redirect_stdout(self.screen):
            self._cell.hear(Reply("r1", kind, 0, body=body), list(buffers))

    def shown(self) -> int:
        """Up to which message, as it tells a home that was started anew."""
        self.hears("again", {"home": "anew"})
        return int(self.told[-1][1]["after"])


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("says"), st.integers(1, 5)),
        st.tuples(st.just("takes"), st.integers(1, 4)),
        st.tuples(st.just("half"), st.integers(1, 4)),
        st.tuples(st.just("lost"), st.integers(1, 4)),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None)
@given(EVENTS)
def test_everything_is_shown_once_and_in_order(events: list[tuple[str, int]]) -> None:
    """Home is killed at any moment, with batches on their way that arrive whole, in part or not at
    all: what was shown and what comes after is everything, once."""
    with TemporaryDirectory() as folder:
        asyncio.run(_played(Path(folder), events))


async def _played(folder: Path, events: list[tuple[str, int]]) -> None:
    journal, asker = Journal(folder), Asker()
    record = Record(journal, "companion")
    run = record.begin("r")
    number = 0
    module.LIVE_BYTES, live_bytes = 2_000, module.LIVE_BYTES  # some of it is read again
    try:
        for event, many in [*events, ("lost", 1)]:
            if event == "says":
                for _ in range(many):
                    number += 1
                    record.said(frame("stream", name="stdout", text=f"{number} "))
                continue
            found = run.take(many)
            batch = [Said(h.kind, h.frame.decoded(3)) for h in found if h.frame is not None]
            data = pack(joined(batch))
            if batch and event != "lost":
                body = {"number": run.after, "last": event == "takes"}
                asker.hears("said", body, data if event == "takes" else data[: len(data) // 2])
            if event != "takes":  # and home is killed
                journal.batch.commit()
                record = Record(journal, "companion")
                run = record.run("r", asker.shown())
        while found := run.take(100):
            data = pack(joined(Said(h.kind, h.frame.decoded(3)) for h in found if h.frame))
            asker.hears("said", {"number": run.after, "last": True}, data)
    finally:
        module.LIVE_BYTES = live_bytes
        journal.close()
    assert asker.screen.getvalue() == "".join(f"{each} " for each in range(1, number + 1))


async def test_a_run_belongs_to_no_notebook(tmp_path: Path) -> None:
    """What a companion says is brought to no file, and can be dropped; that its run was begun stays
    known."""
    journal = Journal(tmp_path)
    record = Record(journal, "companion")
    run = record.begin("r")
    record.said(frame("stream", name="stdout", text="a"))
    for each in (frame("execute_reply", status="ok"), frame("status", execution_state="idle")):
        assert not run.ended
        record.said(each)
        journal.batch.commit()
    assert run.ended
    assert (journal.runs.unsettled_paths(), journal.runs.running("companion")) == ([], [])
    assert journal.messages.size(run.id) > 0
    while journal.messages.drop(run.id):
        pass
    assert (journal.messages.size(run.id), journal.runs.find("r") is not None) == (0, True)
    journal.close()


async def test_a_full_disk_does_not_stop_the_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the journal cannot keep is heard all the same, and so is the end."""
    journal = Journal(tmp_path)
    record = Record(journal, "companion")
    run = record.begin("r")

    def full(*_: Any) -> int:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(journal.messages, "add", full)
    record.said(frame("stream", name="stdout", text="a"))
    record.said(frame("execute_reply", status="ok"))
    record.said(frame("status", execution_state="idle"))
    journal.batch.commit()
    assert [each.kind for each in run.take(9)] == ["stream", "execute_reply", "status"]
    assert (run.ended, run.reply) == (True, {"status": "ok"})
    journal.close()
