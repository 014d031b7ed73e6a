"""What of a folder is sent home and when, against a real home without a kernel between."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ropeway.artefacts import CHUNK, unpack
from ropeway.data.query import Home as DataHome
from ropeway.errors import HomeUnreachable, NotFound, ProtocolError
from ropeway.kernel import folder, sender
from ropeway.kernel.resume import bring
from ropeway.kernel.sender import Home, Sender
from ropeway.wire import Asker


class Runtime:
    """A folder on a runtime, and the road home, which can be cut."""

    def __init__(self, home: DataHome, base: Path, kernel: str = "k1") -> None:
        self.base = base
        self.asked: list[str] = []
        self.sizes: list[int] = []
        self.cut = False
        self._asker = Asker("gpu", kernel, "own", "train.ipynb")
        self._answer = home.checkpoints.answer
        self.home = Home(self.ask)
        (base / "runs").mkdir(parents=True)

    def ask(self, question: bytes) -> bytes:
        if self.cut:
            raise HomeUnreachable("Home is away.")
        told, data = unpack(question)
        self.asked.append(told["op"])
        self.sizes.append(len(data))
        return self._answer(self._asker, question)

    def write(self, name: str, data: bytes) -> Path:
        path = self.base / "runs" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        return path

    def sender(self) -> Sender:
        self.home.open("runs")
        return Sender(self.home, "runs", self.base)


def never() -> None:
    """No pause between two pieces."""


def sent(made: Sender, *, whole: bool = True) -> list[str]:
    """What one round sends."""
    ready = made.look(0.0, whole=whole)
    return [path for path in ready if made.send(path, never)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def home(root: Path) -> Iterator[DataHome]:
    with DataHome(root) as made:
        yield made


@pytest.fixture
def gpu(home: DataHome, tmp_path: Path) -> Runtime:
    return Runtime(home, tmp_path / "gpu")


def kept(root: Path) -> dict[str, bytes]:
    """The files at home."""
    place = root / ".ropeway/artefacts/train.ipynb/files"
    found = [path for path in place.rglob("*") if path.is_file()]
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in found}


def test_a_file_counts_once_it_rested(gpu: Runtime, root: Path) -> None:
    """What changed since the last look is not sent, so that no half-written file gets home; what
    is said to be whole is."""
    made = gpu.sender()
    gpu.write("a", b"half")
    assert sent(made, whole=False) == []
    gpu.write("a", b"half and half")
    assert sent(made, whole=False) == []
    assert made.behind().files == 1
    assert sent(made, whole=False) == ["runs/a"]
    assert kept(root) == {"runs/a": b"half and half"}
    assert made.behind().files == 0
    gpu.write("sub/b", b"b")
    assert sent(made, whole=True) == ["runs/sub/b"]
    assert sent(made, whole=True) == []


def test_the_oldest_comes_first(gpu: Runtime) -> None:
    """Files are sent in the order in which they were written."""
    made = gpu.sender()
    for name, when in (("b", 1), ("a", 3), ("c", 2)):
        os.utime(gpu.write(name, b"x"), (when, when))
    assert sent(made) == ["runs/b", "runs/c", "runs/a"]


def test_only_what_changed_crosses(gpu: Runtime, root: Path) -> None:
    """Of 10 MB of which one byte changed 1 MB crosses, a few chunks at a time."""
    made = gpu.sender()
    data = bytearray(os.urandom(10 * CHUNK))
    gpu.write("a", bytes(data))
    sent(made)
    assert sum(gpu.sizes) == 10 * CHUNK
    assert max(gpu.sizes) <= 3 * CHUNK
    data[5 * CHUNK] ^= 1
    gpu.write("a", bytes(data))
    gpu.sizes.clear()
    assert sent(made) == ["runs/a"]
    assert sum(gpu.sizes) == CHUNK
    assert kept(root) == {"runs/a": bytes(data)}


def test_a_file_that_changes_on_its_way_comes_later(gpu: Runtime, root: Path) -> None:
    """A file that is written anew between being read and being sent is not torn at home: the
    earlier version stays until the next round."""
    made = gpu.sender()
    gpu.write("a", b"1" * CHUNK)
    sent(made)
    gpu.write("a", os.urandom(5 * CHUNK))
    (ready,) = made.look(1.0, whole=True)

    def write() -> None:
        gpu.write("a", b"3" * (4 * CHUNK))

    assert not made.send(ready, write)
    assert kept(root) == {"runs/a": b"1" * CHUNK}
    assert sent(made) == ["runs/a"]
    assert kept(root) == {"runs/a": b"3" * (4 * CHUNK)}


def test_a_cut_is_no_loss(gpu: Runtime, root: Path) -> None:
    """While home is away nothing counts as sent; when it is back the rest comes, and what had
    crossed does not cross again."""
    made = gpu.sender()
    gpu.write("a", os.urandom(9 * CHUNK))
    (ready,) = made.look(1.0, whole=True)
    gpu_cuts = iter(range(100))

    def cut() -> None:
        gpu.cut = next(gpu_cuts) == 1

    with pytest.raises(HomeUnreachable):
        made.send(ready, cut)
    assert kept(root) == {}
    gpu.cut = False
    before = sum(gpu.sizes)
    assert 0 < before < 9 * CHUNK
    assert sent(made) == ["runs/a"]
    assert sum(gpu.sizes) == 9 * CHUNK
    assert len(kept(root)["runs/a"]) == 9 * CHUNK


def test_a_file_that_cannot_be_kept_holds_nobody_up(gpu: Runtime, root: Path) -> None:
    """Of a file that home has no room for it is told why; the others come, and it is tried again
    once it changed."""
    (root / "ropeway.toml").write_text("[artefacts]\nmegabytes = 1\n")
    made = gpu.sender()
    gpu.write("large", bytes(2 * CHUNK))
    gpu.write("small", b"x")
    sent(made, whole=True)
    assert set(kept(root)) == {"runs/small"}
    assert "artefacts.megabytes" in made.troubles["runs/large"].hint
    sent(made, whole=False)
    assert sent(made, whole=False) == []
    gpu.write("large", b"not any more")
    assert sent(made) == ["runs/large"]
    assert made.troubles == {}


def test_what_is_deleted_is_deleted_at_home(gpu: Runtime, root: Path) -> None:
    """Old checkpoints that are rotated away go at home too; where the whole folder is gone, home
    keeps what it has."""
    made = gpu.sender()
    first, second = gpu.write("1", b"1"), gpu.write("2", b"2")
    sent(made)
    first.unlink()
    sent(made)
    made.forget_gone()
    assert set(kept(root)) == {"runs/2"}
    second.unlink()
    (gpu.base / "runs").rmdir()
    sent(made)
    made.forget_gone()
    assert set(kept(root)) == {"runs/2"}


def test_links_and_odd_names_stay(gpu: Runtime, root: Path) -> None:
    """What a link leads to is not the folder's, and a name that no system bears is left out."""
    made = gpu.sender()
    (gpu.base / "secret").write_text("secret")
    (gpu.base / "runs/link").symlink_to(gpu.base / "secret")
    (gpu.base / "runs/out").symlink_to(gpu.base)
    gpu.write("a:b", b"x")
    gpu.write("good", b"x")
    assert sent(made) == ["runs/good"]


def test_what_is_at_home_is_brought_elsewhere(gpu: Runtime, home: DataHome, tmp_path: Path) -> None:
    """Another runtime gets the same files with their times; what it has already does not cross,
    and one that is newer there stays."""
    made = gpu.sender()
    os.utime(gpu.write("a", os.urandom(5 * CHUNK + 7)), (1_000, 1_000))
    os.utime(gpu.write("sub/b", b""), (2_000, 2_000))
    os.utime(gpu.write("c", b"old"), (3_000, 3_000))
    sent(made)
    lab = Runtime(home, tmp_path / "lab", "k2")
    os.utime(lab.write("c", b"newer"), (4_000, 4_000))
    told: list[str] = []
    lab.home.open()
    brought = bring(lab.home, lab.base, "runs", tell=told.append)
    assert [path.relative_to(lab.base).as_posix() for path in brought] == ["runs/a", "runs/sub/b"]
    assert (lab.base / "runs/a").read_bytes() == (gpu.base / "runs/a").read_bytes()
    assert (lab.base / "runs/c").read_bytes() == b"newer"
    assert folder.latest("runs", lab.base, "a*") == lab.base / "runs/a"
    assert any("runs/c stays" in line for line in told)
    lab.asked.clear()
    bring(lab.home, lab.base, "runs")
    assert "fetch" not in lab.asked
    with pytest.raises(NotFound):
        lab.home.describe("runs/none")


def test_bytes_that_are_not_those_are_not_kept(
    gpu: Runtime, home: DataHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What crosses is checked against its hashes: a wrong byte leaves no file behind."""
    made = gpu.sender()
    gpu.write("a", os.urandom(CHUNK))
    sent(made)
    lab = Runtime(home, tmp_path / "lab", "k2")
    lab.home.open()
    answer = lab._answer

    def tampered(asker: Asker, question: bytes) -> bytes:
        told = answer(asker, question)
        return told[:-1] + bytes([told[-1] ^ 1]) if b'"fetch"' in question else told

    monkeypatch.setattr(lab, "_answer", tampered)
    with pytest.raises(ProtocolError, match="not what home described"):
        bring(lab.home, lab.base, "runs")
    assert list((lab.base / "runs").iterdir()) == []


def test_the_newest_file_is_found_by_its_time(gpu: Runtime) -> None:
    """`latest` goes by the time a file was written, within the pattern, below the folder."""
    for name, when in (("step-9.npz", 9), ("step-10.npz", 10), ("sub/step-8.npz", 11), ("log", 12)):
        os.utime(gpu.write(name, b""), (when, when))
    assert folder.latest("runs", gpu.base, "step-*.npz") == gpu.base / "runs/sub/step-8.npz"
    assert folder.latest("runs", gpu.base, "step-1*") == gpu.base / "runs/step-10.npz"
    assert folder.latest("runs", gpu.base, "*.pt") is None
    assert folder.latest("none", gpu.base, "*") is None


def test_a_slow_line_gets_less_at_a_time(gpu: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where chunks take long to cross they go one by one."""
    monkeypatch.setattr(sender, "QUICK", 0.0)
    made = gpu.sender()
    gpu.write("a", os.urandom(5 * CHUNK))
    sent(made)
    assert [size for size in gpu.sizes if size] == [CHUNK] * 5
