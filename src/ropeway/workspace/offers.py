"""What cells have for the pages that show their notebooks: a page takes each once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from ropeway import wire
from ropeway.errors import NotFound

MOST = 100
"""Offers that wait; the oldest goes first."""


class Offers:
    """Those of one workspace. `changed` is called when there is another one."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, wire.Offer] = OrderedDict()
        self.changed: Callable[[], None] = lambda: None

    def all(self) -> list[wire.Offer]:
        """What nobody took, the oldest first."""
        return list(self._open.values())

    def add(
        self,
        kind: str,
        notebook: str,
        number: str,
        *,
        name: str = "",
        size: int = 0,
        path: str = "",
    ) -> None:
        """Offer something to the page that shows that notebook."""
        self._open[number] = wire.Offer(number, kind, notebook, name, size, path)
        if len(self._open) > MOST:
            self._open.popitem(last=False)
        self.changed()

    def take(self, number: str) -> None:
        """It is for who says so first. Raises `NotFound` for all others."""
        if self._open.pop(number, None) is None:
            raise NotFound("Another page took it.")
