"""Sends what changed in a folder home: only changed chunks, and only of files that rested.

A `Sender` has no thread and no clock of its own; `checkpoint` gives it both. Standard library only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ropeway import artefacts
from ropeway.artefacts import AT_ONCE, CHUNK, File
from ropeway.errors import ProtocolError, RopewayError, TokenRefused
from ropeway.kernel import folder
from ropeway.kernel.folder import Seen

Ask = Callable[[bytes], bytes]

TRIES = 3
"""Times that a file is offered before it waits for the next round."""


QUICK = 3.0
"""Seconds in which chunks must have crossed for more of them to go together."""


class Changed(Exception):
    """The file changed while it was sent: it comes with a later round."""


@dataclass(frozen=True)
class Behind:
    """What home has not got yet: files and bytes, and when the oldest of them was first seen."""

    files: int = 0
    size: int = 0
    since: float = 0.0


class Home:
    """The artefacts at home, as questions and answers; `ask` carries one over whatever road."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._ticket = ""

    def open(
        self, name: str | None = None, environment: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Declare the folder `name`, and the environment around it; without a name only look.

        The first time a cell of the notebook must run: home has to know which one it is. Raises
        `Refused`, and `HomeUnreachable` where there is no road home.
        """
        answer, _ = self._asked({"op": "open", "folder": name, "environment": environment})
        self._ticket = str(answer["ticket"])
        return answer

    def offer(self, file: File, crossed: int) -> list[int]:
        """The chunks of the file that home needs; none once it is kept, durably."""
        told = {"op": "offer", "file": file.to_json(), "crossed": crossed}
        return list(self._asked(told)[0]["missing"])

    def give(self, chunks: list[bytes]) -> None:
        """Chunks that were missing."""
        told = {"op": "chunks", "sizes": [len(each) for each in chunks]}
        self._asked(told, b"".join(chunks))

    def forget(self, path: str) -> None:
        """The file is gone here."""
        self._asked({"op": "forget", "path": path})

    def describe(self, path: str) -> File:
        """A file at home, with its chunks. Raises `NotFound` and `Refused`."""
        return artefacts.file(self._asked({"op": "describe", "path": path})[0]["file"])

    def fetch(self, file: File) -> Iterator[bytes]:
        """Its chunks, each checked. Raises `ProtocolError` for what is another file's."""
        for start in range(0, len(file.chunks), AT_ONCE):
            _, data = self._asked({"op": "fetch", "path": file.path, "start": start})
            parts = [data[i : i + CHUNK] for i in range(0, len(data), CHUNK)]
            if [artefacts.digest(each) for each in parts] != [
                *file.chunks[start : start + AT_ONCE]
            ]:
                raise ProtocolError(f"What came of {file.path} is not what home described.")
            yield from map(bytes, parts)

    def _asked(self, told: dict[str, Any], data: bytes = b"") -> tuple[dict[str, Any], memoryview]:
        told = {**told, "ticket": self._ticket}
        try:
            return artefacts.unpack(self._ask(artefacts.pack(told, data)))
        except TokenRefused:
            self._ticket = ""  # of another home, or another key of it
            raise


class Sender:
    """The files of the folder `name` below `base`, on their way home."""

    def __init__(self, home: Home, name: str, base: Path) -> None:
        self.name = name
        self.troubles: dict[str, RopewayError] = {}
        """By path: why a file cannot be kept as it is now."""
        self.sent: dict[str, Seen] = {}
        """What home has of this folder, as far as it was seen here."""
        self._home = home
        self._base = base
        self._before: dict[str, Seen] = {}
        self._tried: dict[str, Seen] = {}
        self._since: dict[str, float] = {}
        self._now: dict[str, Seen] = {}
        self._at_once = 1

    def look(self, now: float, *, whole: bool) -> list[str]:
        """The files to send, the oldest first: those that changed and rested since the last look,
        or all that changed where they are `whole`."""
        found = folder.scan(self.name, self._base)
        changed = [path for path, seen in found.items() if self.sent.get(path) != seen]
        self._since = {path: self._since.get(path, now) for path in changed}
        ready = [
            path
            for path in changed
            if (whole or self._before.get(path) == found[path])
            and (whole or self._tried.get(path) != found[path])
        ]
        self._before = self._now = found
        return sorted(ready, key=lambda path: found[path].mtime)

    def send(self, path: str, pause: Callable[[], None]) -> bool:
        """Bring a file home; False where it changed meanwhile. `pause` is called between two
        pieces.

        Raises `HomeUnreachable`; what is wrong with the file itself is in `troubles`.
        """
        seen = self._now[path]
        self.troubles.pop(path, None)
        self._tried[path] = seen
        try:
            self._send(path, pause)
        except Changed:
            self._tried.pop(path)
            return not self._is_there(path)
        except RopewayError as error:
            if error.code not in ("bad_input", "not_saved", "refused"):
                self._tried.pop(path)
                raise
            self.troubles[path] = error
            return True
        self.sent[path] = seen
        self._since.pop(path, None)
        return True

    def forget_gone(self) -> None:
        """Tell home of the files that it has from here and that are gone.

        Where nothing is left the folder itself may have gone, and home keeps what it has.
        """
        if not self._now:
            return
        for path in [path for path in self.sent if path not in self._now]:
            self._home.forget(path)
            del self.sent[path]

    def behind(self) -> Behind:
        """What is not at home, by the last look."""
        found, since = self._now, dict(self._since)
        waiting = [path for path in since if path in found]
        size = sum(found[path].size for path in waiting)
        return Behind(len(waiting), size, min((since[path] for path in waiting), default=0.0))

    def _is_there(self, path: str) -> bool:
        return (self._base / path).is_file()

    def _send(self, path: str, pause: Callable[[], None]) -> None:
        file = folder.described(path, self._base)
        if file is None or Seen(file.size, file.mtime) != self._now[path]:
            raise Changed
        crossed = 0
        for _ in range(TRIES):
            missing = self._home.offer(file, crossed)
            if not missing:
                return
            while missing:
                chunks = self._chunks(file, missing[: self._at_once])
                del missing[: self._at_once]
                began = time.monotonic()
                self._home.give(chunks)
                # A slow line gets less at a time: it must be through before home gives it up.
                self._at_once = AT_ONCE if time.monotonic() - began < QUICK else 1
                crossed += sum(map(len, chunks))
                pause()
        raise Changed

    def _chunks(self, file: File, indices: list[int]) -> list[bytes]:
        found = []
        try:
            with (self._base / file.path).open("rb") as stream:
                for index in indices:
                    stream.seek(index * CHUNK)
                    found.append(stream.read(CHUNK))
        except OSError as error:
            raise Changed from error
        if [artefacts.digest(each) for each in found] != [file.chunks[i] for i in indices]:
            raise Changed
        return found
