"""From a kernel's messages to the notebook's file: the recorder and the author together."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from ropeway.frames import Frame, message
from ropeway.workspace import author as author_module
from support.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk that is cleared afterwards."""
    made = Desk(tmp_path)
    yield made
    made.journal.close()


async def until(happened: Callable[[], bool]) -> None:
    """Wait until something is so, not for ever."""
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end
        await asyncio.sleep(0.05)


async def test_who_opens_a_notebook_finds_what_was_said(desk: Desk) -> None:
    """The file and the page get the outputs, the number and trust; then nothing is lacking."""
    desk.run(0, "hello", 3)
    cell = (await desk.opened())["cells"][0]
    assert cell["outputs"][0]["text"] == "hello"
    assert cell["execution_count"] == 3
    assert cell["metadata"]["trusted"] is True
    assert desk.texts() == ["hello", ""]
    assert desk.journal.runs.unsettled("a.ipynb") == []


async def test_a_file_that_is_to_hold_no_outputs_holds_none(desk: Desk) -> None:
    """Of a notebook with Colab's `private_outputs` a page is given from the journal what was said
    while there was none, each time until one has saved; no save writes it down."""
    notebook = json.loads(desk.file.read_text())
    notebook["metadata"]["colab"] = {"private_outputs": True}
    desk.file.write_text(json.dumps(notebook))
    before = desk.file.read_bytes()
    desk.run(0, "secret", 3)
    assert await desk.shown() == await desk.shown() == ["secret", ""]
    assert desk.file.read_bytes() == before
    await desk.save(await desk.opened())
    saved = json.loads(desk.file.read_text())["cells"][0]
    assert (saved["outputs"], saved["execution_count"]) == ([], None)
    assert await desk.shown() == ["", ""]


async def test_what_still_runs_has_no_number_yet(desk: Desk) -> None:
    """Its outputs so far are shown, and it stays due."""
    asked = desk.ask(0)
    desk.say(asked, "execute_input", execution_count=1, code="x")
    desk.say(asked, "stream", name="stdout", text="half")
    cell = (await desk.opened())["cells"][0]
    assert (cell["outputs"][0]["text"], cell["execution_count"]) == ("half", None)
    desk.say(asked, "stream", name="stdout", text=" whole")
    desk.end(asked, 1)
    cell = (await desk.opened())["cells"][0]
    assert (cell["outputs"][0]["text"], cell["execution_count"]) == ("half whole", 1)


async def test_a_file_is_left_to_the_page_that_has_it_open(desk: Desk) -> None:
    """A second page sees everything; the file stays as its writer left it."""
    desk.followed = True
    desk.run(0, "hello", 1)
    before = desk.file.read_bytes()
    assert (await desk.opened())["cells"][0]["outputs"][0]["text"] == "hello"
    assert desk.file.read_bytes() == before


async def test_what_the_page_saved_is_not_written_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that heard the end and saves means what it saves: cleared outputs stay cleared."""
    monkeypatch.setattr(author_module, "SURE_SECONDS", 0.0)
    desk.followed = True
    desk.run(0, "hello", 1)
    notebook = await desk.opened()
    notebook["cells"][0] |= {"outputs": [], "execution_count": None}
    await desk.save(notebook)
    desk.followed = False
    assert (await desk.opened())["cells"][0]["outputs"] == []
    assert desk.texts() == ["", ""]


async def test_a_page_that_missed_the_end_does_not_settle_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stale page saves an older document: the outputs are brought back."""
    monkeypatch.setattr(author_module, "SURE_SECONDS", 0.0)
    stale = await desk.opened()
    desk.run(0, "hello", 1)
    await desk.save(stale)
    assert desk.texts() == ["", ""]
    await desk.opened()
    assert desk.texts() == ["hello", ""]


async def test_the_last_run_of_a_cell_counts(desk: Desk) -> None:
    """A cell that ran twice shows its second run."""
    desk.run(0, "first", 1)
    desk.run(0, "second", 2)
    await desk.opened()
    assert desk.texts() == ["second", ""]


async def test_a_cell_that_is_gone_stays_gone(desk: Desk) -> None:
    """Its user removed it: nothing is due any more."""
    asked = desk.ask(1)
    notebook = await desk.opened()
    del notebook["cells"][1]
    await desk.save(notebook)
    desk.followed = True
    desk.end(asked, 1)
    await desk.save(notebook)
    assert desk.journal.runs.unsettled("a.ipynb") == []


async def test_an_update_of_another_cells_display_reaches_that_cell(desk: Desk) -> None:
    """A display of the first cell that the second updates while nobody looks."""
    first = desk.ask(0)
    shown = {"metadata": {}, "transient": {"display_id": "d"}}
    desk.say(first, "display_data", data={"text/plain": "old"}, **shown)
    desk.end(first, 1)
    await desk.opened()
    second = desk.ask(1)
    desk.say(second, "update_display_data", data={"text/plain": "new"}, **shown)
    desk.end(second, 2)
    cells = (await desk.opened())["cells"]
    assert cells[0]["outputs"][0]["data"] == {"text/plain": "new"}
    assert cells[1]["outputs"] == []


async def test_answers_are_kept_and_passwords_are_not(desk: Desk, tmp_path: Path) -> None:
    """The question and its answer stand in the cell as in the page; a password nowhere."""
    asked = desk.ask(0)
    for prompt, password, answer in (("Who?", False, "Ada"), ("Word?", True, "secret-1")):
        desk.say(asked, "input_request", "stdin", prompt=prompt, password=password)
        reply = message("stdin", "input_reply", {"value": answer}, session="page")
        desk.tap.asked(reply, reply.decoded(0))
    desk.end(asked, 1)
    await desk.opened()
    assert desk.texts() == ["Who? Ada\nWord? ········\n", ""]
    kept = b"".join(path.read_bytes() for path in (tmp_path / "journal").iterdir())
    assert b"Ada" in kept
    assert b"secret-1" not in kept


async def test_what_is_no_cell_is_not_recorded(desk: Desk) -> None:
    """Requests without a cell, such as completions and a console's, leave no trace."""
    made = message("shell", "execute_request", {"code": "x"}, session="page")
    desk.tap.asked(made, made.decoded(0))
    desk.say(made, "stream", name="stdout", text="x")
    assert desk.journal.runs.find(str(made.decoded(0)["msg_id"])) is None


async def test_a_renamed_notebook_gets_its_outputs(desk: Desk) -> None:
    """The cell ran under the old name; the new one gets what it said."""
    desk.run(0, "hello", 1)
    desk.followed = True
    await desk.contents.rename_file("a.ipynb", "b.ipynb")
    desk.followed = False
    assert (await desk.contents.get("b.ipynb"))["content"]["cells"][0]["outputs"]


async def test_a_file_that_cannot_be_written_can_be_read(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page gets everything even so, and the file stays due."""
    desk.run(0, "hello", 1)

    async def fails(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(desk.contents, "write", fails)
    assert (await desk.opened())["cells"][0]["outputs"][0]["text"] == "hello"
    assert len(desk.journal.runs.unsettled("a.ipynb")) == 1


async def test_a_full_disk_does_not_stop_the_cell(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be kept is logged, and passes on."""

    def fails(*_: Any) -> bool:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(desk.journal.messages, "add", fails)
    desk.run(0, "hello", 1)
    assert "No space left" in caplog.text


async def test_the_author_writes_by_itself(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once no page follows, and not before."""
    monkeypatch.setattr(author_module, "LOOK_SECONDS", 0.05)
    desk.followed = True
    desk.author.start()
    desk.run(0, "hello", 1)
    await asyncio.sleep(0.3)
    assert desk.texts() == ["", ""]
    desk.followed = False
    await until(lambda: desk.texts() == ["hello", ""])
    await desk.author.aclose()


async def test_a_page_whose_kernel_was_shut_down_still_writes(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot be seen any more: the file is its own for as long as it takes to save by itself."""
    monkeypatch.setattr(author_module, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(author_module, "LOADING_SECONDS", 0.0)
    desk.followed = True
    desk.run(0, "hello", 1)
    desk.gone = True
    desk.author.start()
    await asyncio.sleep(0.3)
    assert desk.texts() == ["", ""]
    monkeypatch.setattr(author_module, "AUTOSAVE_SECONDS", 0.0)
    await until(lambda: desk.texts() == ["hello", ""])
    await desk.author.aclose()


async def test_a_workspace_that_ends_leaves_whole_files(desk: Desk) -> None:
    """Whatever pages are open: they cannot save any more."""
    desk.followed = True
    desk.author.start()
    desk.run(0, "hello", 1)
    await desk.author.aclose()
    assert desk.texts() == ["hello", ""]


async def test_a_cell_that_no_page_saved_yet_is_not_given_up(desk: Desk) -> None:
    """It was run and the page went before it saved: once the file has the cell, it has its
    outputs."""
    notebook = await desk.opened()
    second = notebook["cells"].pop(1)
    await desk.save(notebook)
    desk.run(1, "hello", 1)
    await desk.opened()
    assert len(desk.journal.runs.unsettled("a.ipynb")) == 1
    notebook["cells"].append(second)
    await desk.save(notebook)
    await desk.opened()
    assert desk.texts() == ["", "hello"]


async def test_a_deleted_notebook_is_not_looked_for(desk: Desk) -> None:
    """Nothing is due to a file that its user removed."""
    desk.run(0, "hello", 1)
    desk.followed = True  # else the file would be written first
    await desk.contents.delete_file("a.ipynb")
    assert desk.journal.runs.unsettled_paths() == []


async def test_a_password_asked_by_somebody_else_is_not_kept(desk: Desk, tmp_path: Path) -> None:
    """A question of a cell that was interrupted is not answered by what a console is asked."""
    asked = desk.ask(0)
    desk.say(asked, "input_request", "stdin", prompt="Who?", password=False)
    stranger = message("shell", "execute_request", {"code": "x"}, session="console")
    desk.say(stranger, "input_request", "stdin", prompt="Word?", password=True)
    reply = message("stdin", "input_reply", {"value": "secret-2"}, session="console")
    desk.tap.asked(reply, reply.decoded(0))
    assert b"secret-2" not in b"".join(p.read_bytes() for p in (tmp_path / "journal").iterdir())


async def test_bytes_that_are_no_text_are_shown_as_far_as_they_are(desk: Desk) -> None:
    """A file name in another encoding does not cost the output."""
    asked = desk.ask(0)
    made = message("iopub", "stream", {}, session="k", parent=asked.decoded(0))
    odd = Frame("iopub", [*made.parts[:3], b'{"name": "stdout", "text": "caf\xe9"}'])
    desk.tap.said(odd)
    desk.end(asked, 1)
    await desk.opened()
    assert desk.texts() == ["caf\ufffd", ""]


async def test_a_save_does_not_come_between(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a page saves while the author is at the file is not written over."""
    desk.run(0, "hello", 1)
    notebook = (await desk.contents.read("a.ipynb"))["content"]
    notebook["cells"][1]["source"] = "typed meanwhile"
    read = desk.contents.read

    async def slow(path: str) -> Any:
        found = await read(path)
        await asyncio.sleep(0.3)
        return found

    monkeypatch.setattr(desk.contents, "read", slow)
    writing = asyncio.create_task(desk.author.opened("a.ipynb"))
    await asyncio.sleep(0.1)
    await desk.save(notebook)
    await writing
    assert nbformat.read(desk.file, 4).cells[1].source == "typed meanwhile"


async def test_who_reads_on_and_on_holds_nobody_up(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that reads a notebook has its time to connect; reading it again gives no more."""
    monkeypatch.setattr(author_module, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(author_module, "LOADING_SECONDS", 2.0)
    desk.author.start()
    began = time.monotonic()
    await desk.opened()
    await asyncio.sleep(1.2)
    await desk.opened()
    desk.run(0, "hello", 1)
    await asyncio.sleep(0.2)
    assert desk.texts() == ["", ""]
    while desk.texts() != ["hello", ""]:
        assert time.monotonic() < began + 3.0
        await asyncio.sleep(0.02)
    await desk.author.aclose()


async def test_the_author_forgets_what_is_done(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of runs that others took the place of, and of notebooks that lack nothing, nothing is kept in
    memory."""
    monkeypatch.setattr(author_module, "RUNNING_SECONDS", 0.2)
    monkeypatch.setattr(author_module, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(author_module, "LOADING_SECONDS", 0.0)
    desk.followed = True
    for number in range(3):
        asked = desk.ask(0)
        desk.say(asked, "stream", name="stdout", text=f"{number}")
        await desk.opened()
    desk.end(asked, 3)
    desk.followed = False
    desk.author.start()
    await until(lambda: desk.texts() == ["2", ""])
    await until(lambda: desk.author._shown == desk.author._written == {})
    await desk.author.aclose()


async def test_a_thread_that_goes_on_and_on_is_not_written_on_and_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each write is a version that is kept: there is time between two of them, whoever reads."""
    monkeypatch.setattr(author_module, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(author_module, "LOADING_SECONDS", 0.0)
    written: list[str] = []
    write = desk.contents.write

    async def counted(path: str, *rest: Any) -> None:
        written.append(path)
        await write(path, *rest)

    monkeypatch.setattr(desk.contents, "write", counted)
    asked = desk.ask(0)
    desk.end(asked, 1)
    desk.author.start()
    for number in range(10):
        desk.say(asked, "stream", name="stdout", text=f"{number}")
        await asyncio.sleep(0.1)
        assert (await desk.shown())[0] == "".join(str(each) for each in range(number + 1))
    assert len(written) == 1
    await desk.author.aclose()
    assert desk.texts() == ["0123456789", ""]
