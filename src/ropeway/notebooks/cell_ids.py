"""Ids for cells that have none: notebooks of Colab, VS Code and others before format 4.5.

What a kernel says belongs to a cell by its id. JupyterLab invents other ids each time that it reads
such a notebook, and saves none; so they are given here, and every reader of a file gets the same.
Pure.
"""

from __future__ import annotations

import hashlib
from typing import Any

_WITH_IDS = 5
"""The minor version of format 4 in which cells have ids."""


def give_ids(notebook: dict[str, Any]) -> None:
    """Give each cell without an id one that follows from what it says; those that say the same are
    numbered."""
    if notebook.get("nbformat") != 4:
        return
    cells = [cell for cell in notebook.get("cells", ()) if isinstance(cell, dict)]
    taken = {cell["id"] for cell in cells if "id" in cell}
    for cell in cells:
        if "id" not in cell:
            cell["id"] = _free(_digest(cell), taken)
            taken.add(cell["id"])
    notebook["nbformat_minor"] = max(notebook.get("nbformat_minor", 0), _WITH_IDS)


def keep_ids(notebook: dict[str, Any], on_disk: dict[str, Any]) -> None:
    """Replace what ids a reader has invented for cells that have none on disk."""
    cells = notebook["cells"]
    # Before format 4 there were sheets of cells, and no ids.
    for cell, told in zip(cells, on_disk.get("cells") or [{}] * len(cells), strict=True):
        if "id" not in told:
            cell.pop("id", None)
    if notebook.get("nbformat_minor", 0) >= _WITH_IDS:
        give_ids(notebook)


def _digest(cell: dict[str, Any]) -> str:
    source = cell.get("source", "")
    text = f"{cell.get('cell_type')}\n{source if isinstance(source, str) else ''.join(source)}"
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()


def _free(digest: str, taken: set[str]) -> str:
    found, number = digest, 1
    while found in taken:
        number += 1
        found = f"{digest}-{number}"
    return found
