"""To which notebook a cell belongs, where several notebooks share a kernel."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path


class Notebooks:
    """The notebooks below `root`; `paths_of` knows those of a kernel, as its sessions name them."""

    def __init__(self, root: Path, paths_of: Callable[[str], list[str]]) -> None:
        self._root = root
        self._paths_of = paths_of
        self._clients: dict[tuple[str, str], str] = {}
        """The notebook of a kernel's client: JupyterLab has a client for each."""

    def of(self, kernel: str, cell: str, client: str) -> str | None:
        """The notebook of a cell that a client runs; None when that is not known for sure.

        With several notebooks it is the one whose file holds the cell, or, for a cell that no file
        holds yet, the one whose cells this client ran before.
        """
        paths = [path.strip("/") for path in self._paths_of(kernel)]
        if len(paths) <= 1:
            return paths[0] if paths else None
        known = self._clients.get((kernel, client))
        if known in paths:
            return known
        holding = [path for path in paths if self._holds(path, cell)]
        if len(holding) != 1:
            return None
        self._clients[kernel, client] = holding[0]
        return holding[0]

    def _holds(self, path: str, cell: str) -> bool:
        try:
            text = (self._root / path).read_bytes()
        except OSError:
            return False
        return json.dumps(cell).encode() in text
