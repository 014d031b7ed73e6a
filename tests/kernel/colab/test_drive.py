"""`google.colab.drive`: a folder at home where notebooks look for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ropeway import config
from ropeway.data import ledger
from ropeway.data.ledger import Ledger
from ropeway.workspace.colab import Asker
from ropeway.workspace.drive import Drive

pytestmark = pytest.mark.asyncio(loop_scope="module")

MOUNT = "from google.colab import drive\ndrive.mount({!r}, {})"


@pytest.fixture
def folder(notebook: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The drive's folder, of a home that answers the kernel."""
    monkeypatch.setenv("ROPEWAY_DRIVE_FOLDER", str(tmp_path / "My own drive"))
    drive = Drive(Ledger(ledger.folder_of(tmp_path)), config.load(tmp_path))
    notebook.answered["ropeway_drive"] = drive.mount
    return tmp_path / "My own drive"


async def said(notebook: Any, place: Any, more: str = "") -> str:
    """What mounting prints, or how it fails."""
    ran = await notebook.run(MOUNT.format(str(place), more))
    return str(ran.text or ran.errors[0])


async def test_the_drive_is_mounted_and_taken_away(
    notebook: Any, folder: Path, tmp_path: Path
) -> None:
    """What a cell writes below either name lies in the folder at home; mounting again says so, by
    force it is done anew, and what was taken away is mounted no more."""
    place = tmp_path / "content" / "drive"
    assert await said(notebook, place) == f"Mounted at {place}\n"
    write = "from pathlib import Path\nfor name in ('MyDrive', 'My Drive'):\n"
    write += f"    (Path({str(place)!r}) / name / name).write_text(name)"
    (await notebook.run(write)).ok()
    assert sorted(each.name for each in folder.iterdir()) == ["My Drive", "MyDrive"]
    again = f"Drive already mounted at {place}; to attempt to forcibly remount, call "
    assert await said(notebook, place) == f'{again}drive.mount("{place}", force_remount=True).\n'
    assert await said(notebook, place, "force_remount=True") == f"Mounted at {place}\n"
    (await notebook.run("drive.flush_and_unmount()")).ok()
    assert not place.exists()
    assert sorted(each.name for each in folder.iterdir()) == ["My Drive", "MyDrive"]
    ended = (await notebook.run("drive.flush_and_unmount()")).ok()
    assert ended.text == "Drive not mounted, so nothing to flush and unmount.\n"
    kept = [each.entry for each in ledger.read(ledger.folder_of(tmp_path))]
    assert {(each.what, each.value, each.state) for each in kept} == {("drive", str(place), "done")}
    assert await said(notebook, "drive") == "Mounted at drive\n"
    (await notebook.run("assert Path('drive/MyDrive/MyDrive').is_file()")).ok()


async def test_what_cannot_be_a_mountpoint(notebook: Any, folder: Path, tmp_path: Path) -> None:
    """Each kind of wrong mountpoint is named as Colab names it, and nothing that is there is
    touched."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "MyDrive").write_text("a file of that name")
    (tmp_path / "link").symlink_to(tmp_path / "full")
    wrong = {
        "a b": "Mountpoint must not contain a space.",
        "link": "Mountpoint must not be a symlink",
        "full": "Mountpoint must not already contain files",
        "file": "Mountpoint must either be a directory or not exist",
    }
    for name, words in wrong.items():
        assert await said(notebook, tmp_path / name) == f"ValueError: {words}"
    told = await said(notebook, "/proc/content/drive")
    assert "sudo install -d -o $USER /proc/content or mount at a path from here" in told
    assert (tmp_path / "full" / "MyDrive").read_text() == "a file of that name"
    assert len(list((tmp_path / "full").iterdir())) == 1


async def test_another_machine_mirrors_the_drive(
    notebook: Any, project: Path, folder: Path, tmp_path: Path
) -> None:
    """On another machine the files are fetched, and what cells write is at home; what changed at
    home meanwhile stays, and a mount by force has it. The next process of
    the kernel knows what is new. After a flush nothing is left there."""
    elsewhere(notebook, "own")
    settings = project / "ropeway.toml"
    written = settings.read_text()
    settings.write_text(f'{written}[drive]\nfolder = "{folder}"\n')
    try:
        (folder / "data").mkdir(parents=True)
        settings.write_text(f"{settings.read_text()}megabytes = 1\n")
        (folder / "large.bin").write_bytes(bytes(1_500_000))
        place = tmp_path / "drive"
        assert "at most 1,000,000 bytes in" in await said(notebook, place)
        assert not place.exists()
        (folder / "large.bin").unlink()
        for name in ("a", "b", "c"):
            (folder / "data" / f"{name}.txt").write_text(name)
        assert (await said(notebook, place)).endswith(f"Mounted at {place}\n")
        assert not (place / "MyDrive").is_symlink()
        assert (place / "My Drive" / "data" / "a.txt").read_text() == "a"
        assert (await said(notebook, place)).startswith("Drive already mounted at")
        for name in ("b", "c"):
            (folder / "data" / f"{name}.txt").write_text("by somebody at home")
        write = "from pathlib import Path\ndata = Path({!r}) / 'MyDrive' / 'data'\n"
        write += "for name in 'abd':\n    (data / f'{{name}}.txt').write_text('by a cell')"
        (await notebook.run(write.format(str(place)))).ok()
        again = await said(notebook, place, "force_remount=True")
        assert again.endswith(f"Mounted at {place}\n")
        assert "yours is data/b (from here).txt there" in again
        assert (place / "MyDrive" / "data" / "c.txt").read_text() == "by somebody at home"
        begin = "drive._mounted[Path({!r})][0].stop()\ndrive._mounted.clear()\n"  # a new process
        begin += "(data / 'a.txt').write_text('never sent')"
        (await notebook.run(begin.format(str(place)))).ok()
        (folder / "data" / "c.txt").write_text("once more")
        assert (await said(notebook, place)).endswith(f"Mounted at {place}\n")
        assert (place / "MyDrive" / "data" / "c.txt").read_text() == "once more"
        (await notebook.run("drive.flush_and_unmount()")).ok()
        assert not place.exists()
        files = {each.name: each.read_text() for each in (folder / "data").iterdir()}
        assert files == {
            **dict.fromkeys(("b (from here).txt", "d.txt"), "by a cell"),
            "b.txt": "by somebody at home",
            "c.txt": "once more",
            "a.txt": "never sent",
        }
    finally:
        settings.write_text(written)


async def test_a_farther_machine_is_told_what_works_instead(
    notebook: Any, folder: Path, tmp_path: Path
) -> None:
    """A runtime that home does not let have the drive is told at once what works, and the ledger
    knows; not even the folder is made."""
    elsewhere(notebook, "public")
    told = await said(notebook, tmp_path / "drive")
    assert told.startswith(
        "ValueError: mount failed: The drive is for runtimes up to the class own"
    )
    assert "rw.checkpoint" in told
    assert not (tmp_path / "drive").exists()
    assert not folder.exists()
    (kept,) = (each.entry for each in ledger.read(ledger.folder_of(tmp_path)))
    assert (kept.what, kept.state, kept.runtime) == ("drive", "refused", "gpu")


def elsewhere(notebook: Any, runtime_class: str) -> None:
    """Let home take the kernel for one on another machine."""
    at_home = notebook.answered["ropeway_drive"]

    async def answer(asker: Asker, request: Any) -> Any:
        return await at_home(replace(asker, runtime="gpu", runtime_class=runtime_class), request)

    notebook.answered["ropeway_drive"] = answer
