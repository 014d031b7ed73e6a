"""Names of files that others chose. Standard library only."""

from __future__ import annotations

import os
from pathlib import Path

_MOST = 200
"""Bytes of a name; file systems take 255, and something may come in front."""


def plain(name: str, otherwise: str) -> str:
    """A file's own name, whatever was said: it leads nowhere. `otherwise` where nothing is left.

    Of a long one the end stays, which says what kind of file it is.
    """
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    found = "".join(each for each in last if each.isprintable()).strip()
    while len(found.encode("utf-8", "replace")) > _MOST:
        found = found[1:]
    return found if found.strip(". ") else otherwise


def free(place: Path) -> Path:
    """A place where nothing is: `a.txt`, else `a (1).txt` and so on."""
    found, count = place, 0
    while os.path.lexists(found):
        count += 1
        found = place.with_name(f"{place.stem} ({count}){place.suffix}")
    return found
