"""What the workspace itself wrote into notebooks: no reason for a page that comes back to ask.

JupyterLab asks before it saves when the file's hash is not the one that it read. As long as nobody
but the workspace has written the file and no page has read it since, it is told the hash that it
knows.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ropeway.errors import RopewayError
from ropeway.notebooks.saving import replace_file

log = logging.getLogger(__name__)

MOST = 1_000
"""Notebooks that are remembered, those written last."""


@dataclass(frozen=True, slots=True)
class Writing:
    """The hash of the file `before`, as pages know it, and now; the cells that were written."""

    before: str
    now: str
    cells: tuple[str, ...]


class Writings:
    """Remembered in `file`, for pages outlive the workspace's process."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._of: dict[str, Writing] = _read(file)

    def wrote(self, path: str, writing: Writing) -> None:
        """The workspace wrote a notebook."""
        known = self._of.pop(path, None)
        if known is not None and known.now == writing.before:
            cells = tuple(dict.fromkeys((*known.cells, *writing.cells)))
            writing = replace(writing, before=known.before, cells=cells)
        self._of[path] = writing
        for oldest in list(self._of)[:-MOST]:
            del self._of[oldest]
        self._keep()

    def since(self, path: str, now: str) -> Writing | None:
        """What pages do not know of a file with that hash, if nobody else has written it."""
        writing = self._of.get(path)
        return writing if writing is not None and writing.now == now else None

    def forget(self, path: str) -> None:
        """A page has read the notebook; or it is no more, or a folder with notebooks."""
        gone = [each for each in self._of if each == path or each.startswith(f"{path}/")]
        for each in gone:
            del self._of[each]
        if gone:
            self._keep()

    def rename(self, old: str, new: str) -> None:
        """A notebook, or a folder with notebooks, has another name."""
        moved = {
            new + path.removeprefix(old): writing
            for path, writing in self._of.items()
            if path == old or path.startswith(f"{old}/")
        }
        self.forget(old)
        if moved:
            self._of.update(moved)
            self._keep()

    def _keep(self) -> None:
        body = json.dumps({path: asdict(writing) for path, writing in self._of.items()})
        try:
            replace_file(self._file, body.encode())
        except (OSError, RopewayError) as error:  # then a page may ask after a restart
            log.warning("what the workspace wrote cannot be remembered: %s", error)


def changed(before: dict[str, object], now: dict[str, object]) -> tuple[str, ...]:
    """The cells of which two versions of a notebook differ."""
    known = {str(cell.get("id")): cell for cell in _cells(before)}
    return tuple(
        str(cell.get("id")) for cell in _cells(now) if known.get(str(cell.get("id"))) != cell
    )


def _cells(notebook: dict[str, object]) -> Iterable[dict[str, object]]:
    cells = notebook.get("cells")
    return cells if isinstance(cells, list) else []


def _read(file: Path) -> dict[str, Writing]:
    try:
        found = json.loads(file.read_bytes())
        return {
            path: Writing(each["before"], each["now"], tuple(each["cells"]))
            for path, each in found.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("%s cannot be read, pages may ask before they save: %s", file, error)
        return {}
