"""What a kernel said and home does not have yet: in memory, then in private files.

The files are temporary ones of mode 0600 without a name, so that nothing of them stays when the
process ends, however it ends. Beyond a cap the oldest printed text *in the files* gives way, and a
line on stderr says how much: what was printed first and what was printed last stay. Displays,
results, replies and states are never dropped.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections import deque
from dataclasses import dataclass
from typing import IO

from ropeway.delivery import Outbox
from ropeway.frames import Frame, message, pack_v1, unpack_numbered

MEMORY_BYTES = 64 * 2**20
"""What one home may let us keep in memory."""

FILE_BYTES = 2**30
"""What one home may let us keep in files, of text that may give way."""

FILE_FRAMES = 500_000
"""As many frames may lie in files: where each lies has to be known in memory."""

SEGMENT_BYTES = 16 * 2**20
"""Text gives way by so much at a time."""


@dataclass(slots=True, eq=False)
class _Segment:
    """One file: frames one behind the other, deleted with the last of them."""

    file: IO[bytes]
    size: int = 0
    live: int = 0
    streams: int = 0

    def write(self, data: bytes) -> int:
        """Put data at the end; returns where it lies. Raises `OSError`, and is as before then."""
        self.file.seek(self.size)
        if self.file.write(data) != len(data):
            raise OSError("the disk is full")
        offset, self.size = self.size, self.size + len(data)
        return offset

    def read(self, offset: int, size: int) -> bytes:
        """What lies there."""
        self.file.seek(offset)
        return self.file.read(size)


@dataclass(slots=True, eq=False)
class _Kept:
    """One frame: its data, or where they lie."""

    size: int
    stream: bool
    data: bytes | None = None
    segment: _Segment | None = None
    offset: int = 0


@dataclass(slots=True, eq=False)
class _Notice:
    """A run of dropped text, told in the place of its first piece."""

    number: int
    kept: _Kept
    parent: bytes
    dropped: int


class Spool:
    """Numbered frames for one home, in order, until home has them."""

    def __init__(
        self,
        after: int = 0,
        *,
        memory: int = MEMORY_BYTES,
        files: int = FILE_BYTES,
        frames: int = FILE_FRAMES,
        segment: int = SEGMENT_BYTES,
    ) -> None:
        self._outbox: Outbox[_Kept] = Outbox(after)
        self._most_memory = memory
        self._most_files = files
        self._most_frames = frames
        self._segment_bytes = segment
        self._memory = 0
        self._segments: deque[_Segment] = deque()

    def __len__(self) -> int:
        return len(self._outbox)

    def put(self, frame: Frame) -> None:
        """Keep a frame."""
        data = pack_v1(frame, self._outbox.last + 1)
        kept = _Kept(len(data), _is_stream(frame))
        self._store(kept, data)
        self._outbox.put(kept)
        if self._files_are_full():
            self._drop_text()

    def take(self) -> bytes | None:
        """The next frame to be sent, packed with its number; None while there is none."""
        found = self._outbox.take()
        return None if found is None else _data(found[1])

    def connected(self, after: int) -> None:
        """Home is here (again) and has everything up to `after`: begin behind it."""
        self._outbox.connected(after)

    def release(self, number: int) -> None:
        """Home keeps everything up to `number`: let go of it."""
        for kept in self._outbox.release(number):
            self._forget(kept)

    def close(self) -> None:
        """Let go of everything."""
        self.release(self._outbox.last)

    def _files_are_full(self) -> bool:
        size = sum(segment.size for segment in self._segments)
        return size > self._most_files or (
            sum(segment.live for segment in self._segments) > self._most_frames
        )

    def _store(self, kept: _Kept, data: bytes) -> None:
        if self._memory + kept.size > self._most_memory:
            # A full disk is no reason to lose anything: then memory has to hold it.
            with contextlib.suppress(OSError):
                segment = self._open_segment()
                kept.offset = segment.write(data)
                kept.segment = segment
                segment.live += 1
                segment.streams += kept.stream
                return
        kept.data = data
        self._memory += kept.size

    def _open_segment(self) -> _Segment:
        if not self._segments or self._segments[-1].size >= self._segment_bytes:
            file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (closed with its last frame)
            self._segments.append(_Segment(file))
        return self._segments[-1]

    def _forget(self, kept: _Kept) -> None:
        if kept.data is not None:
            self._memory -= kept.size
        segment, kept.segment, kept.data = kept.segment, None, None
        if segment is None:
            return
        segment.live -= 1
        segment.streams -= kept.stream
        if not segment.live:
            self._segments.remove(segment)
            segment.file.close()

    def _drop_text(self) -> None:
        """Empty the oldest file that holds text: text is dropped, the rest moves to the newest."""
        oldest = next((each for each in self._segments if each.streams), None)
        if oldest is None or oldest is self._segments[-1]:
            return
        notices, gone = self._sorted_out(oldest)
        for notice in notices:
            self._tell(notice)
        self._outbox.remove(gone)

    def _sorted_out(self, oldest: _Segment) -> tuple[list[_Notice], set[int]]:
        notices: list[_Notice] = []
        gone: set[int] = set()
        last: _Notice | None = None
        for number, kept in list(self._outbox):
            if kept.segment is not oldest or not kept.stream:
                last = None
                if kept.segment is oldest:
                    self._move(kept)
                continue
            parent = bytes(unpack_numbered(_data(kept))[1].parts[1])
            if last is not None and last.parent == parent:
                last.dropped += kept.size
                gone.add(number)
            else:
                last = _Notice(number, kept, parent, kept.size)
                notices.append(last)
            self._forget(kept)
        return notices, gone

    def _move(self, kept: _Kept) -> None:
        data = _data(kept)
        self._forget(kept)
        self._store(kept, data)

    def _tell(self, notice: _Notice) -> None:
        text = (
            f"\nRopeway: {notice.dropped / 1e6:.1f} MB of output were dropped here: home was away "
            "for longer than the runtime has room for what is printed.\n"
        )
        content = {"name": "stderr", "text": text}
        parent = json.loads(notice.parent)
        frame = message("iopub", "stream", content, session="ropeway", parent=parent)
        data = pack_v1(frame, notice.number)
        notice.kept.data, notice.kept.size, notice.kept.stream = data, len(data), False
        self._memory += len(data)


def _data(kept: _Kept) -> bytes:
    if kept.segment is None:
        return kept.data or b""
    return kept.segment.read(kept.offset, kept.size)


def _is_stream(frame: Frame) -> bool:
    header = bytes(frame.parts[0])
    if frame.channel != "iopub" or b'"stream"' not in header:
        return False
    try:
        return frame.decoded(0).get("msg_type") == "stream"
    except ValueError:
        return False
