"""What the recorder takes for a cell's output, and for which cell's."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from ropeway.frames import Frame, message, unpack_v1
from ropeway.workspace import author as author_module
from ropeway.workspace.windows import Windows
from support.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk that is cleared afterwards."""
    made = Desk(tmp_path)
    yield made
    made.journal.close()


@pytest.fixture
def sure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that followed shows at once what was said."""
    monkeypatch.setattr(author_module, "SURE_SECONDS", 0.0)


def display(text: str, display_id: str = "d") -> dict[str, Any]:
    """What is displayed under an id."""
    return {"data": {"text/plain": text}, "metadata": {}, "transient": {"display_id": display_id}}


async def cleared_in_the_page(desk: Desk, cell: int) -> None:
    """A page opens the notebook, its user clears a cell and saves."""
    notebook = await desk.opened()
    notebook["cells"][cell] |= {"outputs": [], "execution_count": None}
    await desk.save(notebook)


async def test_what_a_thread_says_after_its_cell_has_ended_is_kept(desk: Desk) -> None:
    """As long as the cell is not run again, and whatever ran in between."""
    asked = desk.ask(0)
    desk.say(asked, "stream", name="stdout", text="one\n")
    desk.end(asked, 1)
    await desk.opened()
    desk.run(1, "other", 2)
    desk.say(asked, "stream", name="stdout", text="two\n")
    assert await desk.shown() == ["one\ntwo\n", "other"]


async def test_a_restarted_workspace_still_hears_the_thread(desk: Desk) -> None:
    """The journal knows the request, also when the cell had ended before the kill."""
    asked = desk.ask(0)
    desk.end(asked, 1)
    desk.restart()
    desk.say(asked, "stream", name="stdout", text="late")
    assert await desk.shown() == ["late", ""]


async def test_a_cell_that_runs_again_does_not_hear_its_old_thread(desk: Desk) -> None:
    """As in the page, where the old run has no place any more."""
    old = desk.ask(0)
    desk.end(old, 1)
    desk.say(old, "stream", name="stdout", text="before")
    desk.run(0, "new", 2)
    await desk.opened()
    desk.say(old, "stream", name="stdout", text="after")
    assert desk.journal.runs.unsettled_paths() == []
    assert await desk.shown() == ["new", ""]


async def test_what_is_said_late_does_not_bring_back_what_was_cleared(
    desk: Desk, sure: None
) -> None:
    """It stands alone in the cell, which has no number, as in the page."""
    asked = desk.ask(0)
    desk.say(asked, "stream", name="stdout", text="one\n")
    desk.end(asked, 1)
    await cleared_in_the_page(desk, 0)
    desk.say(asked, "stream", name="stdout", text="two\n")
    cell = (await desk.opened())["cells"][0]
    assert (cell["outputs"][0]["text"], cell["execution_count"]) == ("two\n", None)


async def test_what_was_cleared_takes_no_room_in_the_cell(desk: Desk, sure: None) -> None:
    """A cell that had shown all it may is cleared, and shows what its thread says from then on: in
    the page that is there and in the file."""
    heard: list[Frame] = []
    windows = Windows(desk.journal, heard.append)

    def say(text: str) -> None:
        content = {"name": "stdout", "text": text}
        frame = message("iopub", "stream", content, session="kernel", parent=asked.decoded(0))
        windows.meet(frame)
        desk.tap.said(frame)
        heard.extend(windows.shown(frame))
        windows.catch_up()

    asked = desk.ask(0)
    say("x\n" * 30_000)
    say("held\n")
    desk.end(asked, 1)
    await cleared_in_the_page(desk, 0)
    say("two\n")
    say("three\n")
    windows.close()
    texts = [text for frame in heard if (text := frame.decoded(3).get("text"))]
    assert texts == ["x\n" * 20_000, "two\n", "three\n"]
    assert await desk.shown() == ["two\nthree\n", ""]


async def test_a_save_just_before_the_thread_speaks_does_not_lose_it(
    desk: Desk, sure: None
) -> None:
    """A page that has the notebook open saves, hears more, and goes without saving again."""
    desk.followed = True
    asked = desk.ask(0)
    desk.say(asked, "stream", name="stdout", text="one\n")
    desk.end(asked, 1)
    await desk.save(await desk.opened())
    assert desk.journal.runs.unsettled("a.ipynb") == []
    desk.say(asked, "stream", name="stdout", text="two\n")
    desk.followed = False
    assert await desk.shown() == ["one\ntwo\n", ""]


async def test_an_update_from_a_widget_reaches_its_cell(desk: Desk) -> None:
    """Its parent is a message of a comm, and no cell runs."""
    asked = desk.ask(0)
    desk.say(asked, "display_data", **display("old"))
    desk.end(asked, 1)
    await desk.opened()
    comm = message("shell", "comm_msg", {}, session="page")
    desk.say(comm, "update_display_data", **display("new"))
    assert (await desk.opened())["cells"][0]["outputs"][0]["data"] == {"text/plain": "new"}


async def test_a_display_updates_what_another_cell_shows_under_its_id(desk: Desk) -> None:
    """`display(..., display_id=...)` in a second cell changes the first and shows in both."""
    runs = []
    for cell, text in enumerate(("old", "new")):
        asked = desk.ask(cell)
        desk.say(asked, "display_data", **display(text))
        desk.end(asked, cell + 1)
        runs.append(desk.run_of(asked))
    assert runs[0] is not None
    frames = [unpack_v1(frame) for _, _, frame in desk.journal.messages.of(runs[0].id) if frame]
    kinds = [frame.decoded(0)["msg_type"] for frame in frames]  # as a page is given them
    assert kinds == ["display_data", "execute_reply", "update_display_data"]
    shown = [cell["outputs"][0]["data"]["text/plain"] for cell in (await desk.opened())["cells"]]
    assert shown == ["new", "new"]


async def test_an_update_does_not_bring_back_what_was_cleared(desk: Desk, sure: None) -> None:
    """What its user cleared in the page is no target of an update any more."""
    first = desk.ask(0)
    desk.say(first, "display_data", **display("old"))
    desk.end(first, 1)
    await cleared_in_the_page(desk, 0)
    second = desk.ask(1)
    desk.say(second, "update_display_data", **display("new"))
    desk.end(second, 2)
    assert (await desk.opened())["cells"][0]["outputs"] == []


async def test_a_shared_kernel_keeps_its_notebooks_apart(desk: Desk) -> None:
    """The file that holds the cell gets the output, and so do cells that no file holds yet."""
    cells = [nbformat.v4.new_code_cell("z", id="in-b")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), desk.file.with_name("b.ipynb"))
    desk.paths = ["a.ipynb", "/b.ipynb"]
    for cell, page, path in (
        ("in-b", "second", "b.ipynb"),
        ("unsaved", "second", "b.ipynb"),
        (desk.ids[0], "first", "a.ipynb"),
        ("unsaved-too", "first", "a.ipynb"),
    ):
        asked = desk.ask(cell, page)
        desk.end(asked, 1)
        run = desk.run_of(asked)
        assert run is not None
        assert run.path == path


async def test_a_cell_of_an_unknown_notebook_is_not_recorded(desk: Desk) -> None:
    """A copy of a notebook has the same cells: rather none than the wrong one."""
    desk.file.with_name("copy.ipynb").write_bytes(desk.file.read_bytes())
    desk.paths = ["a.ipynb", "copy.ipynb"]
    assert desk.run_of(desk.ask(0)) is None


async def test_a_path_has_no_slash_at_its_ends(desk: Desk) -> None:
    """However the session names its notebook, the journal knows it by one name."""
    desk.paths = ["/a.ipynb"]
    desk.run(0, "hello", 1)
    assert await desk.shown() == ["hello", ""]


async def test_a_question_is_answered_after_a_kill(desk: Desk) -> None:
    """It was asked before the workspace was killed: question and answer stand in the cell."""
    asked = desk.ask(0)
    desk.say(asked, "input_request", "stdin", prompt="Who?", password=False)
    desk.restart()
    reply = message("stdin", "input_reply", {"value": "Ada"}, session="page")
    desk.tap.asked(reply, reply.decoded(0))
    desk.end(asked, 1)
    assert await desk.shown() == ["Who? Ada\n", ""]


async def test_an_answered_question_is_not_answered_again_after_a_kill(desk: Desk) -> None:
    """What comes on stdin then belongs to somebody else."""
    asked = desk.ask(0)
    desk.say(asked, "input_request", "stdin", prompt="Who?", password=False)
    for value in ("Ada", "secret"):
        reply = message("stdin", "input_reply", {"value": value}, session="page")
        desk.tap.asked(reply, reply.decoded(0))
        desk.restart()
    desk.end(asked, 1)
    assert await desk.shown() == ["Who? Ada\n", ""]


async def test_an_aborted_cell_has_ended(desk: Desk) -> None:
    """Some kernels say no more of what they skip after an error than this reply."""
    asked = desk.ask(0)
    desk.say(asked, "execute_reply", "shell", status="aborted")
    run = desk.run_of(asked)
    assert run is not None
    assert run.ended is not None


async def test_nothing_is_shown_before_it_is_on_disk(desk: Desk) -> None:
    """What arrives in one go is written together, and shown in its order after that."""
    asked = desk.ask(0)
    shown: list[tuple[str, int]] = []

    def show(what: str) -> None:
        with sqlite3.connect(desk.folder / "journal" / "journal.sqlite") as other:
            kept = other.execute("SELECT count(*) FROM messages").fetchone()[0]
        shown.append((what, kept))

    for number in range(3):
        desk.say(asked, "stream", name="stdout", text="x")
        desk.tap.then(lambda number=number: show(str(number)))
    assert shown == []
    desk.tap.received(7)
    assert shown == [("0", 3), ("1", 3), ("2", 3)]
    desk.tap.then(lambda: show("at once"))
    assert shown[-1] == ("at once", 3)


async def test_a_full_disk_does_not_keep_a_message_from_being_shown(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be committed is logged, and the next message is kept again."""
    asked = desk.ask(0)
    shown: list[str] = []
    db = desk.journal.batch._db
    db.execute("CREATE TEMP TABLE parent (id INTEGER PRIMARY KEY)")
    db.execute("CREATE TEMP TABLE child (id REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)")
    db.execute("PRAGMA foreign_keys=ON")
    desk.say(asked, "stream", name="stdout", text="lost")
    db.execute("INSERT INTO child VALUES (1)")  # the commit fails
    desk.tap.then(lambda: shown.append("shown"))
    desk.journal.batch.commit()
    assert shown == ["shown"]
    assert "cannot keep" in caplog.text
    desk.say(asked, "stream", name="stdout", text="kept")
    desk.end(asked, 1)
    assert await desk.shown() == ["kept", ""]


@pytest.mark.filterwarnings("ignore::nbformat.warnings.MissingIDFieldWarning")
@pytest.mark.parametrize("minor", [0, 2, 4, 5])
async def test_a_notebook_whose_cells_have_no_ids_gets_its_outputs(desk: Desk, minor: int) -> None:
    """The page went before it saved for the first time: its cells are those of the file."""
    notebook = json.loads(desk.file.read_text())
    notebook["nbformat_minor"] = minor
    for cell in notebook["cells"]:
        del cell["id"]
    desk.file.write_text(json.dumps(notebook))
    desk.ids = [cell["id"] for cell in (await desk.opened())["cells"]]
    desk.run(1, "hello", 1)
    assert await desk.shown() == ["", "hello"]
    nbformat.validate(nbformat.read(desk.file, 4))
