"""The drive for kernels on other machines: who has it, and what never happens to its files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ropeway import artefacts
from ropeway.artefacts import File
from ropeway.data import drive, ledger
from ropeway.data.query import Home
from ropeway.errors import BadInput, NotFound, NotSaved, Refused, TokenRefused
from ropeway.wire import Asker

GPU = Asker("gpu", "k1", "own", "train.ipynb", "c1", "in-band")


class Kernel:
    """A kernel that asks about the drive; it shows the ticket that it was given."""

    def __init__(self, home: Home, asker: Asker = GPU) -> None:
        self.home = home
        self.asker = asker
        self.ticket = ""

    def ask(self, op: str, data: bytes = b"", **told: Any) -> tuple[dict[str, Any], bytes]:
        question = artefacts.pack({"op": op, "ticket": self.ticket, "drive": True, **told}, data)
        answer, rest = artefacts.unpack(self.home.checkpoints.answer(self.asker, question))
        self.ticket = answer.get("ticket", self.ticket)
        return answer, bytes(rest)

    def files(self) -> set[str]:
        return {each["path"] for each in self.ask("open")[0]["files"]}

    def fetch(self, path: str) -> tuple[File, bytes]:
        file = artefacts.file(self.ask("describe", path=path)[0]["file"])
        return file, self.ask("fetch", path=path, start=0)[1]

    def send(self, path: str, data: bytes, before: File | None = None) -> str:
        """Write a file; under which path home has it."""
        told = {"file": File(path, len(data), 1, (artefacts.digest(data),)).to_json()}
        told["before"] = artefacts.version(before) if before else ""
        if self.ask("offer", **told)[0]["missing"]:
            self.ask("chunks", data, sizes=[len(data)])
        return str(self.ask("offer", **told)[0]["path"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The drive; it holds one file."""
    made = tmp_path / "My Drive"
    (made / "data").mkdir(parents=True)
    (made / "data" / "a.txt").write_text("one")
    return made


@pytest.fixture
def home(tmp_path: Path, folder: Path) -> Iterator[Home]:
    root = tmp_path / "home"
    root.mkdir()
    (root / "ropeway.toml").write_text(f'[drive]\nfolder = "{folder}"\n')
    with Home(root) as made:
        yield made


def test_files_go_there_and_come_back(home: Home, folder: Path, tmp_path: Path) -> None:
    """A runtime has the files, and what it writes is in the folder; the ledger has each of them."""
    kernel = Kernel(home)
    assert kernel.files() == {"data/a.txt"}
    file, data = kernel.fetch("data/a.txt")
    assert data == b"one"
    assert kernel.send("data/a.txt", b"two", file) == "data/a.txt"
    assert kernel.send("new/b.txt", b"three") == "new/b.txt"
    assert (folder / "data" / "a.txt").read_text() == "two"
    assert kernel.files() == {"data/a.txt", "new/b.txt"}
    entries = [each.entry for each in ledger.read(ledger.folder_of(tmp_path / "home"))]
    assert [(each.what, each.value, each.type) for each in entries] == [
        ("drive", "data/a.txt", "file to runtime"),
        ("drive", "data/a.txt", "file from runtime"),
        ("drive", "new/b.txt", "file from runtime"),
    ]


def test_what_changed_at_home_is_never_replaced(home: Home, folder: Path) -> None:
    """A file that is another one at home by now, or that the runtime never had, stays; the
    runtime's is kept beside it, and goes on there."""
    kernel = Kernel(home)
    kernel.files()
    file, _ = kernel.fetch("data/a.txt")
    (folder / "data" / "a.txt").write_text("changed at home")
    assert kernel.send("data/a.txt", b"two", file) == "data/a (from gpu).txt"
    assert kernel.send("data/a.txt", b"no base") == "data/a (from gpu 2).txt"
    assert (folder / "data" / "a.txt").read_text() == "changed at home"
    assert (folder / "data" / "a (from gpu).txt").read_text() == "two"
    assert kernel.send("data/a.txt", b"changed at home") == "data/a.txt"


def test_no_path_and_no_link_leads_out(home: Home, folder: Path, tmp_path: Path) -> None:
    """Links in the drive are neither given nor followed nor replaced, no path leads out of it, and
    what is Ropeway's own in it is nobody's."""
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    (folder / "link.txt").symlink_to(secret)
    (folder / "out").symlink_to(tmp_path, target_is_directory=True)
    kernel = Kernel(home)
    assert kernel.files() == {"data/a.txt"}
    for path in ("link.txt", "out/secret.txt", "../secret.txt"):
        with pytest.raises(NotFound):
            kernel.fetch(path)
    assert kernel.send("link.txt", b"x") == "link (from gpu).txt"
    for path in ("out/secret.txt", "out/new.txt", "../new.txt", ".ropeway/index.json"):
        with pytest.raises(BadInput):
            kernel.send(path, b"x")
    assert secret.read_text() == "secret"
    assert (folder / "link.txt").is_symlink()
    assert not (tmp_path / "new.txt").exists()


def test_who_may_and_how_much(home: Home, folder: Path, tmp_path: Path) -> None:
    """Farther runtimes than home allows have nothing of it, with a ticket or without; a drive that
    is too large is refused before anything is read."""
    kernel = Kernel(home)
    kernel.files()
    public = Kernel(home, replace(GPU, runtime_class="public", kernel="k2"))
    with pytest.raises(Refused, match=r"up to the class own"):
        public.files()
    public.ticket = kernel.ticket
    with pytest.raises(TokenRefused):
        public.fetch("data/a.txt")
    settings = tmp_path / "home" / "ropeway.toml"
    settings.write_text(settings.read_text() + 'farthest = "public"\nmegabytes = 1\n')
    public.ticket = ""
    assert public.files() == {"data/a.txt"}
    with (folder / "large.bin").open("wb") as file:
        file.truncate(2_000_000)
    with pytest.raises(NotSaved, match=r"2,000,003 bytes in 2 files"):
        kernel.files()


def test_the_drive_has_a_place_without_a_setting(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a setting it is a folder that its owner sees."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "home" / "ropeway.toml").write_text("")
    assert drive.folder_of(home.project.settings()) == tmp_path / "Ropeway Drive"
