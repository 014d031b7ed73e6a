"""Notebook files whose versions are kept: nothing replaces what the history does not know.

Why a version was kept: `SAVED` in the page, written after a `RUN` with no page open, `FOUND`
changed on disk by somebody else, `RESTORED` from the history, `REPLACED` by a restored one, or
`DROPPED`: only a page had it, which was told to load the file.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ropeway import config
from ropeway.errors import BadInput, NotKept, NotSaved
from ropeway.notebooks import changes
from ropeway.notebooks.history import History
from ropeway.notebooks.saving import replace_file
from ropeway.wire import Version

SAVED, RUN, FOUND, DROPPED = "saved", "run", "found", "dropped"
RESTORED, REPLACED = "restored", "replaced"

REASONS = {
    SAVED: "saved",
    RUN: "written after a run",
    FOUND: "found on disk",
    DROPPED: "dropped in the page",
    RESTORED: "restored",
    REPLACED: "before a restore",
}
"""Each reason in words."""

FOLDER = "history"
SUFFIX = ".ipynb"

_log = logging.getLogger("ropeway.history")


class Keeper:
    """The notebooks below `root` and their history. Any number of processes may have one."""

    def __init__(self, root: Path, settings: config.Config) -> None:
        self.root = root.resolve()
        self._given = Path(os.path.abspath(root))  # noqa: PTH100  # follows no link
        folder = config.private_dir(config.workspace_state_dir(root) / FOLDER)
        days, megabytes = settings["history.days"], settings["history.megabytes"]
        self.history = History(folder, days=days, megabytes=megabytes)

    def path_of(self, file: Path) -> str:
        """The path of a file below the workspace's folder. Raises `BadInput`."""
        place = Path(os.path.abspath(file))  # noqa: PTH100
        for each, root in (
            (place, self._given),
            (place, self.root),
            (file.resolve(), self.root),
        ):
            if each.is_relative_to(root):
                return each.relative_to(root).as_posix()
        raise BadInput(f"{file} does not lie in {self.root}.", hint="Start in its folder.")

    def save(self, file: Path, body: bytes, why: str = SAVED) -> None:
        """Write a notebook, and keep what is written and what it replaces.

        Raises `NotSaved`, and then the file is as it was. A history that does not work stops only
        a save that would leave much less than there is.
        """
        with self._alone():
            replace_file(file, body, lambda: self._keep_old(file, body))
            try:
                self.history.keep(self.path_of(file), body, why)
            except NotKept as error:
                _log.warning("%s", error.message)

    def note(self, place: Path, why: str = FOUND) -> None:
        """Keep what lies on disk now, of a notebook or of all in a folder but hidden ones.

        A history that does not work is told in the log and stops nothing.
        """
        try:
            with self._alone():
                for file in _notebooks(place):
                    self._note(file, why)
        except NotKept as error:
            _log.warning("%s", error.message)

    def rename(self, old: str, new: str) -> None:
        """The notebook, or all in the folder, has another path now; as `note` it stops nothing."""
        try:
            self.history.rename(old, new)
        except NotKept as error:
            _log.warning("%s", error.message)

    def restore(self, number: int) -> Version:
        """Write a version over the notebook that it is of; what is there is kept first.

        Raises `NotFound`, `NotKept` or `NotSaved`.
        """
        version = self.history.version(number)
        body = self.history.body(number)
        target = self.root / version.path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NotSaved(f"The folder {target.parent} cannot be made.") from error
        with self._alone():
            replace_file(target, body, lambda: self._note(target, REPLACED))
            return self.history.keep(version.path, body, RESTORED)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process saves or restores meanwhile."""
        with ExitStack() as stack:
            with suppress(OSError):  # where there is no folder there is no history to mix up
                self.history.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                stack.enter_context(config.one_writer(self.history.folder))
            yield

    def _note(self, file: Path, why: str) -> None:
        try:
            body = file.read_bytes()
        except OSError:
            return  # nothing is there, or nothing that we could have shown anybody
        if body:
            self.history.keep(self.path_of(file), body, why)

    def _keep_old(self, file: Path, new: bytes) -> None:
        try:
            self._note(file, FOUND)
        except NotKept as error:
            old = changes.parse(file.read_bytes())
            if changes.is_poorer(old, changes.parse(new)):
                raise NotSaved(
                    f"{file.name} was not saved: much of it would be gone, and what is on disk "
                    "cannot be kept in the history.",
                    hint=error.hint,
                ) from error
            _log.warning("%s", error.message)


def _notebooks(place: Path) -> Iterator[Path]:
    if not place.is_dir():
        yield place
        return
    for folder, folders, names in os.walk(place):
        folders[:] = [name for name in folders if not name.startswith(".")]  # checkpoints are there
        yield from (Path(folder, name) for name in names if name.endswith(SUFFIX))
