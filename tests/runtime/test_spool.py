"""What is kept for a home that is away: all of it, in order, within bounds."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropeway.frames import Frame, message, unpack_numbered
from ropeway.runtime.spool import Spool

PARENT = {"msg_id": "cell", "msg_type": "execute_request"}


@pytest.fixture
def spools() -> Iterator[Callable[..., Spool]]:
    """Makes spools that are closed in the end."""
    with ExitStack() as stack:

        def made(**bounds: int) -> Spool:
            return stack.enter_context(closing(Spool(**bounds)))

        yield made


def text(number: int, size: int = 1000, parent: dict[str, Any] = PARENT) -> Frame:
    """Something printed that can be told from others."""
    content = {"name": "stdout", "text": f"{number} ".ljust(size, ".")}
    return message("iopub", "stream", content, session="s", parent=parent)


def display(number: int, size: int = 1000) -> Frame:
    """Something shown."""
    content = {"data": {"text/plain": f"{number} ".ljust(size, ".")}, "metadata": {}}
    return message("iopub", "display_data", content, session="s", parent=PARENT)


def taken(spool: Spool) -> Iterator[tuple[int, Frame]]:
    """What it gives, until there is no more."""
    while (data := spool.take()) is not None:
        yield unpack_numbered(data)


def shown(frame: Frame) -> str:
    """The beginning of what the frame shows."""
    content = frame.decoded(3)
    said: str = content["text"] if "text" in content else content["data"]["text/plain"]
    return said.split(" ")[0]


@given(
    memory=st.integers(0, 20_000),
    segment=st.integers(1, 10_000),
    steps=st.lists(st.sampled_from(["put", "put", "put", "take", "release", "again"]), max_size=60),
)
def test_memory_and_files_are_one_line(memory: int, segment: int, steps: list[str]) -> None:
    """Whatever lies in memory or in files comes in order, again after a break, until released."""
    spool = Spool(memory=memory, segment=segment)
    said = home = released = 0
    for step in steps:
        if step == "put":
            said += 1
            spool.put(text(said))
        elif step == "take" and (data := spool.take()) is not None:
            number, frame = unpack_numbered(data)
            assert (number, shown(frame)) == (home + 1, str(number))
            home = number
        elif step == "release":
            spool.release(home)
            released = home
        elif step == "again":
            home = released
            spool.connected(released)
    spool.connected(released)
    rest = [(number, shown(frame)) for number, frame in taken(spool)]
    assert rest == [(number, str(number)) for number in range(released + 1, said + 1)]
    assert len(spool) == said - released
    spool.close()
    assert (len(spool), spool._memory, len(spool._segments)) == (0, 0, 0)


def test_the_files_are_private_and_have_no_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, spools: Callable[..., Spool]
) -> None:
    """What is spilled lies in a file of mode 0600 that no folder lists."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    spool = spools(memory=0)
    spool.put(text(1))
    (segment,) = spool._segments
    assert os.fstat(segment.file.fileno()).st_mode & 0o777 == 0o600
    assert not list(tmp_path.iterdir())
    spool.release(1)
    assert segment.file.closed


def test_beyond_the_cap_old_text_gives_way_and_is_told(spools: Callable[..., Spool]) -> None:
    """The oldest text in the files is dropped, a line on stderr in its place says how much; what
    was printed first, what was printed last, and every display stay, in order."""
    spool = spools(memory=5_000, files=50_000, segment=10_000)
    for number in range(200):
        spool.put(display(number) if number % 20 == 19 else text(number))
    got = list(taken(spool))
    numbers = [number for number, _ in got]
    assert numbers == sorted(set(numbers))
    notices = [f for _, f in got if f.decoded(3).get("name") == "stderr"]
    kept = [shown(f) for _, f in got if f.decoded(3).get("name") != "stderr"]
    assert [n for n in kept if int(n) % 20 == 19] == [str(n) for n in range(19, 200, 20)]
    assert kept == sorted(kept, key=int)
    assert kept[0] == "0"
    assert kept[-1] == "199"
    assert len(kept) < 100
    assert notices
    for notice in notices:
        assert notice.decoded(1) == PARENT
        assert "of output were dropped here" in notice.decoded(3)["text"]
    assert sum(segment.size for segment in spool._segments) <= 70_000


def test_many_little_frames_are_too_many(spools: Callable[..., Spool]) -> None:
    """Text also gives way when there are more frames than may be counted."""
    spool = spools(memory=0, frames=50, segment=5_000)
    for number in range(200):
        spool.put(text(number, 1))
    assert 40 <= len(spool) <= 80
    assert shown([frame for _, frame in taken(spool)][-1]) == "199"


def test_what_was_dropped_is_told_cell_by_cell(spools: Callable[..., Spool]) -> None:
    """Each cell that lost text is told so in its own output."""
    spool = spools(memory=0, files=20_000, segment=10_000)
    cells = [{"msg_id": name, "msg_type": "execute_request"} for name in "ab"]
    for number in range(40):
        spool.put(text(number, 1000, cells[number >= 4]))
    told = [f.decoded(1)["msg_id"] for _, f in taken(spool) if f.decoded(3)["name"] == "stderr"]
    assert told[:2] == ["a", "b"]


def test_displays_alone_are_never_dropped(spools: Callable[..., Spool]) -> None:
    """Where there is no text to drop the cap gives way, not what was shown."""
    spool = spools(memory=0, files=10_000, segment=2_000)
    for number in range(50):
        spool.put(display(number))
    assert [shown(frame) for _, frame in taken(spool)] == [str(number) for number in range(50)]


def test_a_full_disk_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, spools: Callable[..., Spool]
) -> None:
    """Where no file can be written memory keeps what it should not have to."""

    def full(*args: Any, **options: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    spool = spools(memory=0)
    for number in range(3):
        spool.put(text(number))
    assert [shown(frame) for _, frame in taken(spool)] == ["0", "1", "2"]
