"""A run as text: everything that a cell printed, as far as home keeps it.

Reads the journal beside the workspace that writes it, or while none runs; the memory that it takes
does not grow with what it reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from ropeway import config
from ropeway.errors import NotFound
from ropeway.frames import content_v1, decoded
from ropeway.notebooks.window import FULL
from ropeway.workspace.journal import Journal, Run

PIECE_CHARACTERS = 1_000_000

_BEYOND = "[… home keeps 2 GB of a run: what this one printed from here on is kept nowhere …]\n"


class Transcript:
    """What the cells of the workspace at `root` said. Raises `NotFound` when nothing is kept."""

    def __init__(self, root: Path) -> None:
        folder = config.workspace_state_path(root) / "journal"
        if not (folder / "journal.sqlite").is_file():
            raise NotFound(
                f"No workspace has run in {root} yet.", hint="Run cells in one: `ropeway`."
            )
        self._journal = Journal(folder, reading=True)

    def close(self) -> None:
        """Let go of the file."""
        self._journal.close()

    def runs(self, path: str) -> list[Run]:
        """Every run of a notebook's cells that is kept, in order."""
        return self._journal.runs.of(path)

    def run(self, request: str) -> Run | None:
        """The run of a request, as it is now."""
        return self._journal.runs.find(request)

    def size(self, run: Run) -> int:
        """Bytes that are kept of a run; its text is a little less."""
        return self._journal.messages.size(run.id)

    def pieces(self, run: Run, after: int = 0) -> Iterator[tuple[int, str]]:
        """The text that follows the message `after`, and the number of the message it ends with."""
        while True:
            text, size = [], 0
            # Whoever takes the pieces may pause: the journal's log must not wait for them.
            with closing(self._journal.messages.of(run.id, after)) as messages:
                for number, kind, frame in messages:
                    after = number
                    text.append(_text(kind, frame))
                    size += len(text[-1])
                    if size >= PIECE_CHARACTERS:
                        break
            if not text:
                return
            yield after, "".join(text)

    def tail(self, run: Run, lines: int) -> tuple[int, str]:
        """The last lines of a run, and the number of the message they end with."""
        last, found, ends = 0, [], 0
        with closing(self._journal.messages.of(run.id, backwards=True)) as messages:
            for number, kind, frame in messages:
                last = last or number
                found.append(_text(kind, frame))
                ends += found[-1].count("\n")
                if ends > lines:  # one more: the last line may lack its end
                    break
        shown = "".join(reversed(found)).splitlines(keepends=True)
        return last, "".join(shown[-lines:] if lines else [])


def _text(kind: str, frame: bytes) -> str:
    """What a message prints; of a display its text, or what else it is."""
    if kind == FULL:
        return _BEYOND
    if not frame or kind not in ("stream", "display_data", "execute_result", "error"):
        return ""
    content = decoded(content_v1(frame))
    if kind == "stream":
        return str(content.get("text", ""))
    if kind == "error":
        return "\n".join([*map(str, content.get("traceback") or []), ""])
    data: dict[str, Any] = content.get("data") or {}
    return f"{data.get('text/plain') or list(data)}\n"
