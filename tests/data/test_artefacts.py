"""A notebook's artefacts at home: what is kept of them, and what a runtime cannot do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ropeway import artefacts
from ropeway.artefacts import CHUNK, File
from ropeway.data import artefacts as store
from ropeway.data.artefacts import UNKNOWN, Artefacts, Origin, folder_of
from ropeway.errors import BadInput, NotFound, NotSaved

GPU = Origin("gpu", "own")


def cut(data: bytes) -> list[bytes]:
    return [data[i : i + CHUNK] for i in range(0, len(data), CHUNK)]


def described(path: str, data: bytes, mtime: int = 1_700_000_000_000_000_000) -> File:
    return File(path, len(data), mtime, tuple(map(artefacts.digest, cut(data))))


def bring(kept: Artefacts, path: str, data: bytes) -> int:
    """Bring a file home as a kernel does; the chunks that crossed."""
    file = described(path, data)
    missing = kept.keep(file, GPU)
    for index in missing:
        kept.take(cut(data)[index])
    assert kept.keep(file, GPU) == []
    return len(missing)


@pytest.fixture
def kept(tmp_path: Path) -> Artefacts:
    made = Artefacts(folder_of(tmp_path / "train.ipynb"), 20 * CHUNK)
    made.begin({"python": "3.12.1"})
    return made


def test_a_file_comes_home_whole(kept: Artefacts, tmp_path: Path) -> None:
    """What a runtime wrote is a file of its own at home, with its time; git ignores it."""
    data = os.urandom(3 * CHUNK + 5)
    assert bring(kept, "runs/a.npz", data) == 4
    path = tmp_path / ".ropeway/artefacts/train.ipynb/files/runs/a.npz"
    assert path.read_bytes() == data
    assert path.stat().st_mtime_ns == 1_700_000_000_000_000_000
    assert (tmp_path / ".ropeway/.gitignore").read_text() == "*\n"
    assert kept.environment() == {"python": "3.12.1"}
    assert kept["runs/a.npz"].origin == GPU
    assert list(kept.folder.joinpath("chunks").iterdir()) == []


def test_only_changed_chunks_cross(kept: Artefacts) -> None:
    """Of a file that changed in one place that chunk crosses; what another file holds does not."""
    data = os.urandom(5 * CHUNK)
    bring(kept, "runs/a", data)
    changed = data[:CHUNK] + os.urandom(CHUNK) + data[2 * CHUNK :]
    assert bring(kept, "runs/a", changed) == 1
    assert (kept.place / "runs/a").read_bytes() == changed
    assert bring(kept, "runs/b", changed + b"more") == 1
    assert bring(kept, "runs/c", changed) == 0
    assert bring(kept, "runs/zeros", bytes(4 * CHUNK)) == 1


def test_another_process_sees_the_same(kept: Artefacts) -> None:
    """What one process kept, another knows and adds to."""
    bring(kept, "runs/a", b"1")
    other = Artefacts(kept.folder, 20 * CHUNK)
    bring(other, "runs/b", b"2")
    assert list(kept.files()) == list(other.files()) == ["runs/a", "runs/b"]


def test_a_file_without_all_chunks_changes_nothing(kept: Artefacts) -> None:
    """Until the last chunk is here the old version stays, whatever comes."""
    bring(kept, "runs/a", b"old" * CHUNK)
    data = os.urandom(2 * CHUNK)
    assert kept.keep(described("runs/a", data), GPU) == [0, 1]
    kept.take(data[:CHUNK])
    assert kept.keep(described("runs/a", data), GPU) == [1]
    assert (kept.place / "runs/a").read_bytes() == b"old" * CHUNK


def test_a_chunk_that_is_not_what_it_says_is_no_part(kept: Artefacts) -> None:
    """A chunk that rotted while it waited is refused, and asked for again."""
    data = os.urandom(CHUNK)
    file = described("runs/a", data)
    kept.take(data)
    (kept.folder / "chunks" / file.chunks[0]).write_bytes(b"rotten")
    with pytest.raises(NotSaved, match="changed at home"):
        kept.keep(file, GPU)
    assert kept.keep(file, GPU) == [0]
    assert kept.files() == {}


def test_sizes_must_add_up(kept: Artefacts) -> None:
    """A file whose chunks are shorter than it says is refused."""
    lie = File("runs/a", 2 * CHUNK, 1, (artefacts.digest(b"x"), artefacts.digest(b"y")))
    kept.take(b"x")
    kept.take(b"y")
    with pytest.raises(BadInput, match="do not make up its size"):
        kept.keep(lie, GPU)
    assert kept.files() == {}


def test_what_was_changed_at_home_counts(kept: Artefacts) -> None:
    """A file that somebody edits, adds or deletes at home is what home has from then on; one that
    no runtime sent is home's own."""
    bring(kept, "runs/a", b"from the runtime")
    bring(kept, "runs/b", b"gone soon")
    (kept.place / "runs/a").write_bytes(b"edited")
    (kept.place / "runs/b").unlink()
    (kept.place / "mine").write_bytes(b"mine")
    found = kept.files()
    assert set(found) == {"runs/a", "mine"}
    assert found["runs/a"].file.chunks == (artefacts.digest(b"edited"),)
    assert (found["runs/a"].origin, found["mine"].origin) == (GPU, UNKNOWN)
    assert kept.read(found["runs/a"].file, 0, 3) == b"edited"


def test_a_read_of_what_changed_meanwhile_is_refused(kept: Artefacts) -> None:
    """Bytes that are not those that were described are not given."""
    bring(kept, "runs/a", b"one")
    file = kept["runs/a"].file
    (kept.place / "runs/a").write_bytes(b"two")
    with pytest.raises(NotFound, match="just changed"):
        kept.read(file, 0, 3)


def test_nothing_is_written_through_a_link(kept: Artefacts, tmp_path: Path) -> None:
    """A folder at home that is a link leads nowhere, and a linked file is none of the artefacts."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (kept.place / "runs").symlink_to(outside)
    (kept.place / "one").symlink_to(outside / "secret")
    assert kept.files() == {}
    kept.take(b"x")
    with pytest.raises(BadInput, match="link"):
        kept.keep(described("runs/a", b"x"), GPU)
    kept.keep(described("one", b"x"), GPU)
    assert (outside / "secret").read_text() == "secret"
    assert sorted(outside.iterdir()) == [outside / "secret"]


def test_a_file_does_not_become_a_folder(kept: Artefacts) -> None:
    """Where a file stands no folder can be, and the other way round; both are said."""
    bring(kept, "runs/a", b"x")
    for path in ("runs/a/b", "runs"):
        with pytest.raises(BadInput, match="a file stands where"):
            kept.keep(described(path, b"x"), GPU)


def test_the_room_has_an_end(kept: Artefacts, monkeypatch: pytest.MonkeyPatch) -> None:
    """More bytes, files or waiting chunks than a notebook may have are refused with what to do;
    what is replaced does not count twice."""
    bring(kept, "runs/a", os.urandom(15 * CHUNK))
    assert bring(kept, "runs/a", os.urandom(15 * CHUNK)) == 15
    with pytest.raises(NotSaved, match="artefacts of one notebook") as refused:
        kept.keep(described("runs/b", bytes(6 * CHUNK)), GPU)
    assert "artefacts.megabytes" in refused.value.hint
    monkeypatch.setattr(store, "MOST_FILES", 1)
    with pytest.raises(NotSaved):
        kept.keep(described("runs/c", b"x"), GPU)
    for number in range(21):
        kept.take(number.to_bytes(4, "big"))
    with pytest.raises(NotSaved):
        kept.take(b"one more")


def test_a_full_disk_is_said(kept: Artefacts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Home keeps some room on its disk, and refuses what would take it."""
    monkeypatch.setattr(store, "FREE", 10**18)
    with pytest.raises(NotSaved, match="disk is full"):
        kept.keep(described("runs/a", b"x"), GPU)
    with pytest.raises(NotSaved, match="disk is full"):
        kept.take(b"x")


def test_what_is_gone_is_forgotten(kept: Artefacts) -> None:
    """A file that was deleted on its runtime is deleted at home; one that is not there is no
    error, and a path that leads out is."""
    bring(kept, "runs/a", b"x")
    kept.forget("runs/a")
    kept.forget("runs/a")
    assert kept.files() == {}
    with pytest.raises(BadInput):
        kept.forget("../environment.json")
    assert kept.environment()


def test_chunks_that_nobody_took_are_dropped(kept: Artefacts) -> None:
    """What a kernel sent and never finished is gone after a day."""
    kept.take(b"old")
    kept.take(b"new")
    os.utime(kept.folder / "chunks" / artefacts.digest(b"old"), (1, 1))
    kept.begin(None)
    assert [path.name for path in (kept.folder / "chunks").iterdir()] == [artefacts.digest(b"new")]
