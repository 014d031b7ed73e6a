"""`google.colab.files`: files between the page and a kernel."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from ropeway.data import ledger
from ropeway.data.ledger import Ledger
from ropeway.errors import BadInput, NotFound
from ropeway.workspace import downloads
from ropeway.workspace.files import Files
from ropeway.workspace.talk import Talk
from ropeway.workspace.uploads import Piece

pytestmark = pytest.mark.asyncio(loop_scope="module")

UPLOAD = "from google.colab import files\nfound = files.upload({!r})\n"
MIME = "application/vnd.ropeway.upload+json"


@pytest.fixture
def desk(notebook: Any, tmp_path: Path) -> Iterator[Files]:
    """The files of a home with a page; the folder of the kernel is `there`."""
    (tmp_path / "there").mkdir()
    made = Files(
        tmp_path, tmp_path / "state", Ledger(ledger.folder_of(tmp_path)), lambda kernel: True
    )
    before, notebook.in_band._files = notebook.in_band._files, made
    yield made
    notebook.in_band._files = before


async def chosen(notebook: Any, desk: Files, code: str, *files: tuple[str, bytes]) -> Any:
    """Run a cell and choose files as the page does, in pieces of at most 1 MB."""
    ran, done = await notebook.begin(code)
    number = await asked(ran)
    for name, data in files:
        for at in range(0, len(data) or 1, 1_000_000):
            piece = Piece(name, at, len(data), data[at : at + 1_000_000])
            await asyncio.wait_for(desk.uploads.give(number, piece), 60)
    desk.uploads.end(number)
    await asyncio.wait_for(done.wait(), 60)
    return ran


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def nothing() -> AsyncIterator[bytes]:
    yield b""


async def asked(ran: Any) -> str:
    await until(lambda: bool(ran.shown or ran.errors))
    return str(ran.ok().shown[0][MIME]["id"])


async def test_files_are_chosen_and_saved(notebook: Any, desk: Files, tmp_path: Path) -> None:
    """Each file is saved under a free name, wherever its own would lead, and given by that name
    with its bytes; the ledger has its size."""
    large = secrets.token_bytes(9_500_000)
    target = str(tmp_path / "there")
    code = UPLOAD.format(target) + "print({k: len(v) for k, v in found.items()})"
    files = (("a.txt", b"one"), ("../../a.txt", b""), ("big.bin", large))
    ran = (await chosen(notebook, desk, code, *files)).ok()
    places = [f"{target}/{name}" for name in ("a.txt", "a (1).txt", "big.bin")]
    assert ran.text.splitlines() == [
        f"Saving a.txt to {places[0]}",
        f"Saving a.txt to {places[1]}",
        f"Saving big.bin to {places[2]}",
        str(dict(zip(places, (3, 0, len(large)), strict=True))),
    ]
    assert Path(places[2]).read_bytes() == large
    assert sorted(map(str, Path(target).iterdir())) == sorted(places)
    kept = [each.entry for each in ledger.read(ledger.folder_of(tmp_path))]
    assert [(each.what, each.value, each.bytes_crossed) for each in kept] == [
        ("upload", name, len(data)) for name, data in files
    ]


async def test_choosing_nothing_and_an_interrupt(
    notebook: Any, desk: Files, tmp_path: Path
) -> None:
    """Nothing chosen is nothing saved; an interrupt ends the upload for the page as well; a file
    that came whole stays, half a file is none."""
    ran = await chosen(notebook, desk, UPLOAD.format("") + "print(found)")
    assert ran.ok().text == "{}\n"
    alone = await chosen(notebook, desk, "files.upload_file('x.txt')")
    assert alone.errors == ["ValueError: No file was chosen, so nothing was saved as x.txt."]
    ran, done = await notebook.begin(f"files.upload({str(tmp_path / 'there')!r})")
    number = await asked(ran)
    with pytest.raises(BadInput):
        await desk.uploads.serve(number, "k2", Talk(number, notebook.reply), Mock())
    for _ in range(2):  # a page that is reloaded begins anew
        await desk.uploads.give(number, Piece("a.txt", 0, 6, b"one"))
    await desk.uploads.give(number, Piece("a.txt", 3, 6, b"two"))
    await desk.uploads.give(number, Piece("b.txt", 0, 6, b"one"))
    with pytest.raises(BadInput):
        await desk.uploads.give(number, Piece("b.txt", 5, 6, b"o"))
    await until(lambda: "a.txt" in ran.text)
    await notebook.manager.interrupt_kernel()
    await asyncio.wait_for(done.wait(), 60)
    assert ran.errors[0].startswith("KeyboardInterrupt")
    await until(lambda: not desk.uploads._open)
    with pytest.raises(NotFound):
        await desk.uploads.give(number, Piece("b.txt", 3, 6, b"two"))
    (whole,) = (tmp_path / "there").iterdir()
    assert whole.read_text() == "onetwo"
    entries = [each.entry for each in ledger.read(ledger.folder_of(tmp_path))]
    assert [each.value for each in entries] == ["a.txt", "a.txt", "b.txt"]


async def test_without_a_page_given_files_answer(
    notebook: Any, desk: Files, tmp_path: Path
) -> None:
    """Each cell that asks gets the next of the given files; where none is left it is told so."""
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(name)
    desk.uploads.given = deque([tmp_path / "a.csv", tmp_path / "b.csv"])
    place = tmp_path / "there" / "x.csv"
    code = UPLOAD.format(str(place.parent)) + f"files.upload_file({str(place)!r})"
    ran = (await notebook.run(code)).ok()
    assert ran.text.splitlines() == [
        f"Saving a.csv to {place.parent / 'a.csv'}",
        f"Saved b.csv to {place}",
    ]
    assert place.read_text() == "b.csv"
    none = await notebook.run(UPLOAD.format(""))
    assert none.errors[0].startswith("Refused: A cell asks for a file, and none is left")


async def test_a_file_is_downloaded(
    notebook: Any, desk: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Home keeps a file until the page takes it, once; a run without a page puts it into its folder
    under a free name. What is not there, or finds no room, is told."""
    file = tmp_path / "there" / "model.bin"
    file.write_bytes(data := secrets.token_bytes(9_000_001))
    code = f"from google.colab import files\nfiles.download({str(file)!r})"
    (await notebook.run(code)).ok()
    (offer,) = desk.offers.all()
    assert (offer.kind, offer.notebook, offer.name) == ("download", "train.ipynb", "model.bin")
    assert desk.downloads[offer.id].path.read_bytes() == data
    desk.offers.take(offer.id)
    with pytest.raises(NotFound):
        desk.offers.take(offer.id)
    desk.downloads.target = tmp_path / "out"
    for name in ("../../evil", "..", "\0"):
        await desk.downloads.keep("train.ipynb", name, nothing())
    names = {each.name for each in desk.downloads.kept}
    assert names == {"evil", "download", "download (1)"}
    desk.downloads.kept.clear()
    for _ in range(2):
        (await notebook.run(code)).ok()
    assert [each.name for each in desk.downloads.kept] == ["model.bin", "model (1).bin"]
    assert desk.downloads.kept[1].read_bytes() == data
    desk.downloads.target = tmp_path / "link"
    desk.downloads.target.symlink_to(tmp_path)
    linked = await notebook.run(code)
    assert linked.errors[0].startswith("NotSaved: link is a link")
    desk.downloads.target = tmp_path / "out"
    missing = await notebook.run("files.download('nowhere.txt')")
    assert missing.errors == ["FileNotFoundError: Cannot find file: nowhere.txt"]
    monkeypatch.setattr(downloads, "MOST", 1000)
    full = await notebook.run(code)
    assert full.errors[0].startswith("NotSaved: Home has no room for this file.")
    assert {each.name for each in (tmp_path / "out").iterdir()} == {
        *names,
        "model.bin",
        "model (1).bin",
    }


async def test_a_file_of_the_workspace_is_viewed_in_the_page(
    notebook: Any, desk: Files, tmp_path: Path
) -> None:
    """What lies below the workspace's folder is opened by the page; other files are shown here."""
    notebook.answered["ropeway_view"] = desk.view
    inside, outside = tmp_path / "there" / "a.txt", tmp_path.parent / "b.txt"
    for place in (inside, outside):
        place.write_text(f"text of {place.name}")
    view = "from google.colab import files\nfiles.view({!r})"
    assert (await notebook.run(view.format(str(inside)))).ok().shown == []
    (offer,) = desk.offers.all()
    assert (offer.kind, offer.path) == ("view", "there/a.txt")
    shown = (await notebook.run(view.format(str(outside)))).ok().shown
    assert "text of b.txt" in shown[0]["text/plain"]
