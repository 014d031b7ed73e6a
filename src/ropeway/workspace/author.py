"""The author: writes what the journal holds into notebooks that no page has open.

One writer at a time: while a page is connected to a notebook's kernel, the page writes. Once none
is, the author does, a few seconds later and while cells run. A page that opens a notebook gets it
with everything that the journal holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from ropeway.frames import content_v1, decoded
from ropeway.notebooks.colab import is_private
from ropeway.notebooks.outputs import Outputs
from ropeway.notebooks.window import Said
from ropeway.workspace.journal import Journal, Run
from ropeway.workspace.windows import window_of

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
RUNNING_SECONDS = 30.0
"""Between two writes of a notebook in which no further cell has ended: each is a version that is
kept, and the journal has everything anyway."""

AUTOSAVE_SECONDS = 150.0
"""So long after its kernel was shut down an open page has saved: JupyterLab does it every 120 s."""

LOADING_SECONDS = 60.0
"""A page that read the notebook may take so long to connect: meanwhile the file stays as it is."""

BYTES_AT_ONCE = 1_000_000
"""What is read of a journal before others have their turn."""

SURE_SECONDS = 5.0
"""So long after a cell's end a page that followed it has surely shown everything."""


class Contents(Protocol):
    """Where notebooks are; `PortableContents` is one."""

    async def read(self, path: str) -> dict[str, Any]:
        """A notebook's model as the file holds it, with its hash. Raises when there is none."""

    async def write(self, path: str, notebook: dict[str, Any], known: str) -> None:
        """Write it. Raises when the file is not the one of that hash any more."""


class Author:
    """Keeps files up to date with the journal. `start` it, `aclose` it; one event loop.

    `followed` knows whether a page is connected to a kernel (None: there is no such kernel).
    """

    def __init__(
        self, journal: Journal, contents: Contents, followed: Callable[[str], bool | None]
    ) -> None:
        self._journal = journal
        self._contents = contents
        self._followed = followed
        self._written: dict[str, tuple[tuple[int, float | None, int], ...]] = {}
        self._written_at: dict[str, float] = {}
        self._shown: dict[int, _Shown] = {}
        self._failed: dict[str, str] = {}
        self._private: set[str] = set()
        self._loading: dict[str, float] = {}
        self.turn = asyncio.Lock()
        """Held by whoever reads a notebook and writes it again: no save may come between."""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look after the notebooks.

        Pages that had them open before this process began will be back in a moment.
        """
        for path in self._journal.runs.unsettled_paths():
            self._loading[path] = time.monotonic()
        self._task = asyncio.create_task(self._keep_writing())

    async def aclose(self, *, write: bool = True) -> None:
        """End, and first write what is left, unless somebody else goes on soon."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            if write:
                await self._write_all(last=True)

    async def opened(self, path: str) -> bool:
        """A page is about to read a notebook; whether it must be given what the file lacks.

        That is so while another page has it open, and so no one else may write the file, where the
        file was written a moment ago, and where it is to hold no outputs.
        """
        self._loading.setdefault(path, time.monotonic())  # who looks on and on holds nobody up
        runs = self._journal.runs.unsettled(path)
        if not runs:
            return False
        alone = not any(self._page_writes(run) for run in runs)
        if alone and self._worth_writing(path, runs) and await self._write(path, runs):
            return False
        for run in runs:
            await self._read(run)
        return True

    def complete(self, path: str, notebook: dict[str, Any]) -> None:
        """Put into a notebook what its file lacks."""
        for run in self._journal.runs.unsettled(path):
            self._put(notebook, run)

    def catch_up(
        self, path: str, notebook: dict[str, Any], disk: dict[str, Any], cells: Sequence[str]
    ) -> None:
        """A page saves that has not read the file since these cells were written: where no page has
        shown yet what they hold on disk, and the cell was not run again, that is put in."""
        last = {run.cell: run for run in self._journal.runs.last(path)}
        for cell_id in cells:
            theirs, ours = _cell(disk, cell_id), _cell(notebook, cell_id)
            if theirs is None or ours is None:
                continue
            run, count = last.get(cell_id), theirs.get("execution_count")
            unheard = run is None or (run.ended and not run.followed and run.count == count)
            if unheard and ours.get("execution_count") != count:
                ours |= {key: theirs[key] for key in ("outputs", "execution_count")}

    async def saved(self, path: str, notebook: dict[str, Any]) -> None:
        """A page saved a notebook: what it holds need not be brought to it any more."""
        self._written.pop(path, None)  # what found no cell before may find one now
        for run in self._journal.runs.last(path):
            if run.ended is None:
                continue
            cell = _cell(notebook, run.cell)
            if not run.settled:
                await self._read(run)
                if not self._holds(cell, run, max(run.ended, run.late or 0)):
                    continue
                self._settle(run)
            last = self._journal.messages.last(run.id)
            if cell is not None and not cell.get("outputs") and last > run.cleared:
                # What is said from now on comes alone, not with what its user has cleared.
                self._journal.runs.clear(run.id, last)

    def deleted(self, path: str) -> None:
        """A notebook, or a folder with notebooks, is no more."""
        self._journal.runs.settle_all(path)

    def _settle(self, run: Run) -> None:
        self._journal.runs.settle(run.id)
        self._shown.pop(run.id, None)

    def renamed(self, old: str, new: str) -> None:
        """A notebook, or a folder with notebooks, has another name."""
        self._journal.runs.rename(old, new)

    def _holds(self, cell: dict[str, Any] | None, run: Run, spoke: float) -> bool:
        if cell is None:
            return run.followed  # its user removed it; who never heard of it has no say
        same_count = cell.get("execution_count") == run.count
        if (run.followed or same_count) and time.time() - spoke > SURE_SECONDS:
            return True  # with other outputs, if that is what the user wants
        return same_count and _joined(cell.get("outputs")) == _joined(self._outputs(run).to_json())

    async def _keep_writing(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self._write_all()
            except Exception as error:  # noqa: BLE001 (the next look may fare better)
                log.error("notebooks cannot be looked after: %s", error)

    async def _write_all(self, *, last: bool = False) -> None:
        due = {
            path: self._journal.runs.unsettled(path)
            for path in self._journal.runs.unsettled_paths()
        }
        self._let_go(due)
        for path, runs in due.items():
            if not last and (self._is_open(path, runs) or not self._worth_writing(path, runs)):
                continue
            self._loading.pop(path, None)
            try:
                await self._write(path, runs)
            except Exception as error:  # noqa: BLE001 (a file that cannot be written stays due)
                self._written_at[path] = time.monotonic()
                if str(error) != self._failed.get(path):
                    self._failed[path] = str(error)
                    log.warning("%s cannot be brought up to date: %s", path, error)

    def _let_go(self, due: dict[str, list[Run]]) -> None:
        """Forget what concerns no notebook that is due."""
        runs = {run.id for each in due.values() for run in each}
        for run in self._shown.keys() - runs:
            del self._shown[run]
        for path in self._written_at.keys() - due.keys():
            if self._may_write_again(path):
                del self._written_at[path]
                self._written.pop(path, None)
                self._failed.pop(path, None)
                self._private.discard(path)
        for path in self._loading.keys() - due.keys():
            if not self._is_loading(path):
                del self._loading[path]

    def _is_loading(self, path: str) -> bool:
        since = time.monotonic() - self._loading.get(path, -LOADING_SECONDS)
        return since < LOADING_SECONDS

    def _is_open(self, path: str, runs: list[Run]) -> bool:
        return self._is_loading(path) or any(self._page_writes(run) for run in runs)

    def _page_writes(self, run: Run) -> bool:
        """Whether a page has the notebook open, for all that is known, and so writes it."""
        followed = self._followed(run.kernel)
        if followed is not None or run.ended is None:
            return bool(followed)
        # The kernel is gone, and a page that had it cannot be seen any more.
        return run.followed and time.time() - run.ended < AUTOSAVE_SECONDS

    def _worth_writing(self, path: str, runs: list[Run]) -> bool:
        """Whether a cell has ended since it was written, or long enough ago."""
        before = {(run, ended) for run, ended, _ in self._written.get(path, ())}
        ended = {(run.id, run.ended) for run in runs if run.ended is not None}
        return bool(ended - before) or self._may_write_again(path)

    def _may_write_again(self, path: str) -> bool:
        ago = time.monotonic() - self._written_at.get(path, -RUNNING_SECONDS)
        return ago >= RUNNING_SECONDS

    async def _write(self, path: str, runs: list[Run]) -> bool:
        """Bring a file up to date; whether it may hold what its cells said."""
        async with self.turn:
            state = tuple((run.id, run.ended, self._journal.messages.last(run.id)) for run in runs)
            if self._written.get(path) == state:
                return path not in self._private
            for run in runs:
                await self._read(run)
            model = await self._contents.read(path)
            notebook = model["content"]
            self._private.discard(path)
            if is_private(notebook):
                self._private.add(path)
                self._written[path] = state
                self._written_at[path] = time.monotonic()
                return False
            put = [run for run in runs if self._put(notebook, run)]
            if put:
                await self._contents.write(path, notebook, model["hash"])
            self._written[path] = state
            self._written_at[path] = time.monotonic()
            for run in put:
                if run.ended is not None:
                    self._settle(run)
            return True

    def _put(self, notebook: dict[str, Any], run: Run) -> bool:
        """Put what a run shows into its cell; whether there is such a cell."""
        cell = _cell(notebook, run.cell)
        if cell is None:
            return False
        cell["outputs"] = self._outputs(run).to_json()
        if not run.cleared:
            cell["execution_count"] = run.count if run.ended is not None else None
        # As the page does with what a kernel says to it: else widgets would stay text.
        cell.setdefault("metadata", {})["trusted"] = True
        return True

    async def _read(self, run: Run) -> None:
        """Read what a run said since it was read last; much of it in small portions."""
        size = 0
        for read in self._new(run):
            size += read
            if size > BYTES_AT_ONCE:
                size = 0
                await asyncio.sleep(0)

    def _outputs(self, run: Run) -> Outputs:
        """What the cell shows now."""
        deque(self._new(run), maxlen=0)
        return self._shown[run.id].up_to_date()

    def _new(self, run: Run) -> Iterator[int]:
        shown = self._shown.get(run.id)
        if shown is None or shown.number < run.cleared:
            shown = self._shown[run.id] = _Shown(run)
        for number, kind, frame in self._journal.messages.of(run.id, shown.number):
            if number > shown.number:  # or somebody else took it meanwhile
                shown.take(number, kind, frame)
            yield len(frame)


class _Shown:
    """What a run shows up to the message `number`: kept, so that nothing is read twice."""

    def __init__(self, run: Run) -> None:
        self._window = window_of(run)
        self._outputs = Outputs()
        self.number = run.cleared

    def take(self, number: int, kind: str, frame: bytes) -> None:
        """The next message; one that is none shows nothing."""
        self.number = number
        with contextlib.suppress(ValueError):
            content = content_v1(frame) if frame else b""
            said = self._window.take(kind, content)
            if said is None and frame:
                self._outputs.feed(kind, decoded(content))
            self._feed(said or ())

    def up_to_date(self) -> Outputs:
        """The outputs, with how much is left out and how it ended up to now."""
        self._feed(self._window.update())
        return self._outputs

    def _feed(self, said: Sequence[Said]) -> None:
        for each in said:
            self._outputs.feed(each.kind, each.content)


def _cell(notebook: dict[str, Any], cell_id: str) -> dict[str, Any] | None:
    cells = (cell for cell in notebook.get("cells", ()) if cell.get("id") == cell_id)
    found = next(cells, None)
    return found if found is not None and found.get("cell_type") == "code" else None


def _joined(value: Any) -> Any:
    """Outputs with each text in one piece, however the file splits it into lines."""
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        return "".join(value)
    if isinstance(value, list):
        return [_joined(each) for each in value]
    if isinstance(value, dict):
        return {key: _joined(each) for key, each in value.items()}
    return value
