"""A line in the cell while data crosses, once that takes longer than a second."""

from __future__ import annotations

import time
from importlib import import_module
from types import TracebackType
from typing import Any

from ropeway.kernel.words import bytes_text, rows_text

_SHOW_AFTER = 1.0
_REFRESH = 0.5

MARK = {"ropeway": {"progress": True}}
"""The metadata of such a display: in a shell it does not belong to what a cell prints."""


class Progress:
    """Called with the bytes that crossed so far; shows them in one display that is updated.

    With `total` bytes or `rows` in all, where they are known, it is a bar. `rows`, once they are
    set, are shown.
    """

    def __init__(
        self, total: int = 0, rows: int = 0, doing: str = "receiving", done: str = "received"
    ) -> None:
        self.rows: int | None = None
        self._total = total
        self._rows = rows
        self._doing = doing
        self._done = done
        self._began = time.monotonic()
        self._next = self._began + _SHOW_AFTER
        self._display: Any = None
        self._crossed = 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._display is not None:
            self._show("stopped" if error is not None else self._done)

    def __call__(self, crossed: int) -> None:
        """Show it, now and then."""
        self._crossed = crossed
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _REFRESH
            self._show(self._doing if crossed else "waiting for home")

    def again(self) -> None:
        """Show it while nothing crosses."""
        self(self._crossed)

    def _show(self, state: str) -> None:
        line = _Line(self._text(state), *self._share())
        try:
            if self._display is None:
                show = import_module("IPython.display").display
                self._display = show(line, display_id=True, metadata=MARK)
            else:
                self._display.update(line, metadata=MARK)
        except Exception:  # noqa: BLE001  # a display that fails must not cost the result
            self._next = float("inf")

    def _text(self, state: str) -> str:
        size = bytes_text(self._crossed)
        if self._total:
            size += f" of {bytes_text(self._total)}"
        rows = [rows_text(self.rows)] if self.rows is not None else []
        if rows and self._rows:
            rows = [f"{self.rows:,} of {rows_text(self._rows)}"]
        seconds = f"{time.monotonic() - self._began:.0f} s"
        return " · ".join((state, *rows, size, seconds))

    def _share(self) -> tuple[int, int]:
        """How much of how much; of 0 where nobody knows."""
        return (self.rows or 0, self._rows) if self._rows else (self._crossed, self._total)


class _Line:
    """Plain text without quotes; in a page with a bar before it where the total is known."""

    def __init__(self, text: str, done: int, total: int) -> None:
        self._text = text
        self._done = done
        self._total = total

    def __repr__(self) -> str:
        return self._text

    def _repr_html_(self) -> str | None:
        if not self._total:
            return None
        bar = f'<progress value="{min(self._done, self._total)}" max="{self._total}"></progress>'
        return f'<div role="status">{bar} <small>{self._text}</small></div>'
