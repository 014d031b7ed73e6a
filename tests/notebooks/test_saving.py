"""Files are replaced whole or not at all."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ropeway.errors import NotSaved
from ropeway.notebooks.saving import replace_file

PRELUDE = """
import os, resource, signal, sys
from pathlib import Path
from ropeway.errors import NotSaved, ReadOnly
from ropeway.notebooks.saving import replace_file
path = Path(sys.argv[1])
"""


def elsewhere(code: str, path: Path) -> None:
    """Run code about a file in a process of its own, which may give up rights."""
    subprocess.run([sys.executable, "-c", PRELUDE + code, str(path)], check=True, timeout=30)


TOO_LARGE = """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    replace_file(path, b"x" * 20_000)
except NotSaved as error:
    assert "as it was" in error.message and error.hint
else:
    raise AssertionError("saved")
"""

AS_NOBODY = "os.setuid(65534)\n"


def test_a_file_is_made_and_replaced(tmp_path: Path) -> None:
    """A new file has the mode that the user's umask gives, a replaced one keeps its own."""
    path = tmp_path / "a.ipynb"
    before = os.umask(0o027)
    try:
        replace_file(path, b"one")
    finally:
        os.umask(before)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"one", 0o640)
    path.chmod(0o604)
    inode = path.stat().st_ino
    replace_file(path, b"two")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"two", 0o604)
    assert path.stat().st_ino != inode
    assert [each.name for each in tmp_path.iterdir()] == ["a.ipynb"]


def test_owner_and_attributes_stay(tmp_path: Path) -> None:
    """A file of another user stays theirs, with its extended attributes."""
    path = tmp_path / "a.ipynb"
    path.write_bytes(b"one")
    os.chown(path, 1234, 2345)
    os.setxattr(path, "user.note", b"mine")
    replace_file(path, b"two")
    found = path.stat()
    assert (found.st_uid, found.st_gid) == (1234, 2345)
    assert os.getxattr(path, "user.note") == b"mine"
    assert path.read_bytes() == b"two"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """Through a symbolic link its target is replaced; a file with two names keeps both."""
    target, link, twin = tmp_path / "deep" / "b", tmp_path / "a", tmp_path / "twin"
    target.parent.mkdir()
    target.write_bytes(b"one, a long text")
    link.symlink_to("deep/b")
    replace_file(link, b"two")
    assert link.is_symlink()
    assert target.read_bytes() == b"two"
    os.link(target, twin)
    replace_file(link, b"three")
    replace_file(twin, b"4")
    assert (target.read_bytes(), twin.read_bytes()) == (b"4", b"4")


def test_a_long_name_can_be_saved(tmp_path: Path) -> None:
    """The longest name that a disk allows can be saved under."""
    path = tmp_path / ("n" * 249 + ".ipynb")
    replace_file(path, b"one")
    assert path.read_bytes() == b"one"


def test_a_file_that_is_read_only_stays(tmp_path: Path) -> None:
    """A read-only file, though its folder could be written to, is refused with its reason."""
    tmp_path.chmod(0o777)
    for folder in tmp_path.parents[:2]:
        folder.chmod(0o755)
    path = tmp_path / "a.ipynb"
    path.write_bytes(b"one")
    path.chmod(0o444)

    code = """
for refused in (path, Path("/x.ipynb")):
    try:
        replace_file(refused, b"two")
    except ReadOnly as error:
        assert "permission denied" in error.message
    else:
        raise AssertionError(refused)
"""
    elsewhere(AS_NOBODY + code, path)
    assert path.read_bytes() == b"one"


def test_a_file_of_others_is_written_in_place(tmp_path: Path) -> None:
    """Whoever may write a file but not make another one like it writes into it."""
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    path = tmp_path / "a.ipynb"
    path.write_bytes(b"one")
    path.chmod(0o666)
    inode = path.stat().st_ino

    code = 'replace_file(path, b"two and more"); replace_file(path, b"2")'
    elsewhere(AS_NOBODY + code, path)
    assert (path.read_bytes(), path.stat().st_ino) == (b"2", inode)


@pytest.mark.parametrize("names", [1, 2])
def test_a_save_that_is_too_large_changes_nothing(tmp_path: Path, names: int) -> None:
    """Where the new file does not fit, the old one is untouched, also when written in place."""
    path = tmp_path / "a.ipynb"
    path.write_bytes(b"one")
    if names == 2:
        os.link(path, tmp_path / "twin")

    elsewhere(TOO_LARGE, path)
    assert path.read_bytes() == b"one"
    assert len(list(tmp_path.iterdir())) == names


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 128 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "none", place])
    if mounted.returncode:
        pytest.skip("mounting wants root")
    yield place
    subprocess.run(["umount", place], check=True)


NO_FALLOCATE = """
import errno
def unknown(*_): raise OSError(errno.EOPNOTSUPP, "")
os.posix_fallocate = unknown
"""


def test_what_was_half_written_is_put_back(tmp_path: Path) -> None:
    """Where room cannot be taken first, a file that is written in place gets its text back."""
    path = tmp_path / "a.ipynb"
    path.write_bytes(b"one" * 1000)
    os.link(path, tmp_path / "twin")
    elsewhere(NO_FALLOCATE + TOO_LARGE, path)
    assert path.read_bytes() == b"one" * 1000
    elsewhere(NO_FALLOCATE + 'replace_file(path, b"2" * 9000)', path)
    assert path.read_bytes() == b"2" * 9000


def test_what_has_no_room_is_not_begun(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is written in place is not touched when there is no room for the new text."""
    path = small_disk / "a.ipynb"
    path.write_bytes(b"one")
    os.link(path, small_disk / "twin")
    begun: list[object] = []
    monkeypatch.setattr(os, "pwrite", lambda *given: begun.append(given))
    with pytest.raises(NotSaved, match="no space left"):
        replace_file(path, b"x" * 200_000)
    assert begun == []
    assert path.read_bytes() == b"one"


@pytest.mark.parametrize("names", [1, 2])
def test_a_full_disk_changes_nothing(small_disk: Path, names: int) -> None:
    """On a full disk the save fails in words, and the file is as it was, byte for byte."""
    path = small_disk / "a.ipynb"
    old = random.Random(1).randbytes(50_000)
    path.write_bytes(old)
    if names == 2:
        os.link(path, small_disk / "twin")
    with pytest.raises(NotSaved, match="no space left") as caught:
        replace_file(path, b"x" * 200_000)
    assert "Make room" in caught.value.hint
    assert path.read_bytes() == old
    replace_file(path, b"small")
    assert path.read_bytes() == b"small"


def test_what_is_raised_before_stops_the_save(tmp_path: Path) -> None:
    """What looks at the old file at the last moment can stop its end."""
    path = tmp_path / "a.ipynb"
    path.write_bytes(b"one")

    def stop() -> None:
        assert path.read_bytes() == b"one"
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(NotSaved, match="input/output"):
        replace_file(path, b"two", stop)
    assert path.read_bytes() == b"one"
    assert len(list(tmp_path.iterdir())) == 1


def test_saves_at_the_same_time_do_not_mix(tmp_path: Path) -> None:
    """Of several saves at once one wins, whole."""
    path = tmp_path / "a.ipynb"
    texts = [bytes([letter]) * 200_000 for letter in b"abcdefgh"]
    threads = [threading.Thread(target=replace_file, args=(path, text)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in texts
    assert [each.name for each in tmp_path.iterdir()] == ["a.ipynb"]


SAVER = """
import itertools, sys
from pathlib import Path
from ropeway.notebooks.saving import replace_file
for n in itertools.count():
    replace_file(Path(sys.argv[1]), str(n % 10).encode() * 300_000)
    print(flush=True)
"""


def test_a_killed_save_leaves_a_whole_file(tmp_path: Path) -> None:
    """Killed at any moment, a save leaves the old file or the new one, and at most one beside it
    that the next save takes away."""
    path = tmp_path / "a.ipynb"
    noise = random.Random(5)
    for _ in range(15):
        process = subprocess.Popen([sys.executable, "-c", SAVER, str(path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(noise.random() * 0.05)
        process.kill()
        process.stdout.close()
        process.wait()
        body = path.read_bytes()
        assert body == body[:1] * 300_000
        assert len(list(tmp_path.iterdir())) <= 2
    replace_file(path, b"last")
    assert [each.name for each in tmp_path.iterdir()] == ["a.ipynb"]
