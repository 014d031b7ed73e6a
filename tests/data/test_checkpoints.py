"""Who may send artefacts home and have them, and what is written down of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ropeway import artefacts
from ropeway.artefacts import File
from ropeway.data import checkpoints, ledger
from ropeway.data.artefacts import folder_of
from ropeway.data.query import Home
from ropeway.errors import BadInput, NotFound, Refused, RopewayError, TokenRefused
from ropeway.wire import Asker, LedgerEntry

GPU = Asker("gpu", "k1", "own", "train.ipynb", "c1", "in-band")
DATA = b"weights"
FILE = File("runs/a", len(DATA), 1, (artefacts.digest(DATA),))

AROUND = {
    **{"time": "2026-11-21T14:02:11+00:00", "python": "3.12.1", "platform": "Linux"},
    **{"machine": "x86_64", "packages": {"numpy": "2.1.0"}, "used": ["numpy"], "gpus": []},
}


class Kernel:
    """A kernel that asks; it shows the ticket that it was given."""

    def __init__(self, home: Home, asker: Asker = GPU) -> None:
        self.home = home
        self.asker = asker
        self.ticket: str | None = ""

    def ask(self, op: str, data: bytes = b"", **told: Any) -> tuple[dict[str, Any], bytes]:
        question = artefacts.pack({"op": op, "ticket": self.ticket, **told}, data)
        answer, rest = artefacts.unpack(self.home.checkpoints.answer(self.asker, question))
        return answer, bytes(rest)

    def open(self, folder: str | None = "runs") -> dict[str, Any]:
        answer, _ = self.ask("open", folder=folder, environment=AROUND)
        self.ticket = answer["ticket"]
        return answer

    def send(self, file: File = FILE, data: bytes = DATA) -> None:
        self.open()
        assert self.ask("offer", file=file.to_json())[0] == {"missing": [0]}
        self.ask("chunks", data, sizes=[len(data)])
        assert self.ask("offer", file=file.to_json(), crossed=len(data))[0] == {"missing": []}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def home(root: Path) -> Iterator[Home]:
    with Home(root) as made:
        yield made


def written(root: Path) -> list[LedgerEntry]:
    return [record.entry for record in ledger.read(ledger.folder_of(root))]


def test_a_file_comes_home_and_is_written_down(home: Home, root: Path) -> None:
    """The ledger names the file, its notebook and runtime, and the bytes that crossed."""
    Kernel(home).send()
    assert (root / ".ropeway/artefacts/train.ipynb/files/runs/a").read_bytes() == DATA
    (entry,) = written(root)
    assert (entry.what, entry.state, entry.notebook) == ("artefact", "done", "train.ipynb")
    assert (entry.runtime, entry.runtime_class, entry.cell) == ("gpu", "own", "c1")
    assert entry.bytes_crossed == len(DATA)
    assert "runs/a" in entry.reason


def test_it_goes_to_a_runtime_and_that_is_written_down_before(home: Home, root: Path) -> None:
    """Another runtime of the class gets what home has and the environment; the ledger knows it
    before the first byte leaves."""
    Kernel(home).send()
    lab = Kernel(home, replace(GPU, runtime="lab", kernel="k2"))
    told = lab.open(None)
    assert told["environment"] == {**AROUND, "runtime": "gpu", "runtime_class": "own"}
    assert [(each["path"], each["chunks"]) for each in told["files"]] == [("runs/a", [])]
    with pytest.raises(BadInput, match="not described"):
        lab.ask("fetch", path="runs/a", start=0)
    assert len(written(root)) == 1
    assert artefacts.file(lab.ask("describe", path="runs/a")[0]["file"]).chunks == FILE.chunks
    assert (written(root)[-1].what, written(root)[-1].runtime) == ("resume", "lab")
    assert lab.ask("fetch", path="runs/a", start=0) == ({}, DATA)
    with pytest.raises(BadInput):
        lab.ask("fetch", path="runs/a", start=1)
    with pytest.raises(NotFound):
        lab.ask("describe", path="../environment.json")


def test_who_may_put_nothing_sends_nothing(home: Home, root: Path) -> None:
    """A public runtime is refused until the policy of its class says `put = true`; the ledger
    has the refusal."""
    public = Kernel(home, replace(GPU, runtime_class="public"))
    with pytest.raises(Refused, match="class public may send no artefacts") as refused:
        public.open()
    assert "put = true in [policy.public]" in refused.value.hint
    assert not (root / ".ropeway").exists()
    assert (written(root)[0].what, written(root)[0].state) == ("artefact", "refused")
    (root / "ropeway.toml").write_text('[policy.public]\nallow = "nothing"\nput = true\n')
    public.send()


@pytest.mark.parametrize("ask", ["offer", "chunks", "forget"])
def test_the_policy_holds_for_each_question(home: Home, root: Path, ask: str) -> None:
    """A right that is taken away counts from the next question on."""
    kernel = Kernel(home)
    kernel.send()
    (root / "ropeway.toml").write_text('[policy.own]\nallow = "rows"\nput = false\n')
    told: dict[str, dict[str, Any]] = {
        "offer": {"file": FILE.to_json()},
        "chunks": {"sizes": []},
        "forget": {"path": "runs/a"},
    }
    with pytest.raises(Refused):
        kernel.ask(ask, **told[ask])
    assert (root / ".ropeway/artefacts/train.ipynb/files/runs/a").exists()


@pytest.mark.parametrize(
    ("origin", "wanted", "may"),
    [
        ("own", "here", True),
        ("own", "own", True),
        ("own", "shared", False),
        ("own", "public", False),
        ("shared", "own", True),
        ("public", "shared", True),
        ("here", "own", False),
    ],
)
def test_no_artefact_goes_to_who_is_trusted_less(
    home: Home, root: Path, origin: str, wanted: str, may: bool
) -> None:
    """A runtime has the artefacts of those that are trusted as much or less, and of others once
    somebody at home shared them with its class."""
    (root / "ropeway.toml").write_text('[policy.public]\nallow = "nothing"\nput = true\n')
    Kernel(home, replace(GPU, runtime_class=origin)).send()
    lab = Kernel(home, replace(GPU, runtime="lab", kernel="k2", runtime_class=wanted))
    lab.open(None)
    if not may:
        with pytest.raises(Refused, match=f"class {origin} and may not go to one of the class"):
            lab.ask("describe", path="runs/a")
        assert written(root)[-1].state == "refused"
        with pytest.raises(BadInput):
            lab.ask("fetch", path="runs/a", start=0)
        checkpoints.share(folder_of(root / "train.ipynb"), wanted)
    lab.ask("describe", path="runs/a")
    assert lab.ask("fetch", path="runs/a", start=0)[1] == DATA


def test_a_kernel_has_its_own_notebooks_artefacts_alone(home: Home, root: Path) -> None:
    """A ticket is one kernel's and one notebook's, and cannot be made up; between two cells, when
    home does not know what runs, it still counts."""
    kernel = Kernel(home)
    kernel.send()
    idle = Kernel(home, replace(GPU, notebook="", cell=""))
    idle.ticket = kernel.ticket
    idle.ask("describe", path="runs/a")
    assert idle.open()["ticket"] == kernel.ticket
    stranger = Kernel(home, replace(GPU, kernel="k2"))
    other = kernel.ticket.replace("train", "other")
    for ticket in (kernel.ticket, other, "", "x:train.ipynb", "ü", None):
        stranger.ticket = ticket
        with pytest.raises(TokenRefused):
            stranger.ask("describe", path="runs/a")
    elsewhere = Kernel(home, replace(GPU, notebook="sub/other.ipynb"))
    assert elsewhere.open(None)["files"] == []


def test_without_a_notebook_there_is_nothing_to_belong_to(home: Home) -> None:
    """A console is told that artefacts belong to a notebook."""
    with pytest.raises(BadInput, match="belong to a notebook"):
        Kernel(home, replace(GPU, notebook="")).open()


@pytest.mark.parametrize(
    "question",
    [
        lambda kernel: kernel.ask("steal"),
        lambda kernel: kernel.ask("open", folder="../x"),
        lambda kernel: kernel.ask("open", folder=5),
        lambda kernel: kernel.ask("open", folder="runs", environment={}),
        lambda kernel: kernel.ask("open", folder="runs", environment=5),
        lambda kernel: kernel.ask("offer", file={"path": "/etc/passwd"}),
        lambda kernel: kernel.ask("offer", file=None),
        lambda kernel: kernel.ask("chunks", b"abc", sizes=[1, 1]),
        lambda kernel: kernel.ask("chunks", b"abc", sizes=[-1, 4]),
        lambda kernel: kernel.ask("chunks", b"abc", sizes="abc"),
        lambda kernel: kernel.ask("chunks", b"abc", sizes=[True, True, True]),
        lambda kernel: kernel.ask("fetch", path="runs/a", start=-1),
        lambda kernel: kernel.ask("forget", path=None),
    ],
)
def test_nonsense_is_an_error_and_changes_nothing(
    home: Home, root: Path, question: Callable[[Kernel], Any]
) -> None:
    """Whatever a kernel asks, home answers with an error of its own and keeps what it has."""
    kernel = Kernel(home)
    kernel.send()
    with pytest.raises(RopewayError):
        question(kernel)
    assert kernel.ask("offer", file=FILE.to_json())[0] == {"missing": []}
    assert [path.name for path in (root / ".ropeway/artefacts").iterdir()] == ["train.ipynb"]
