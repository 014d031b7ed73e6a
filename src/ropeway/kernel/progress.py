"""A line in the cell while a result crosses, once that takes longer than a second."""

from __future__ import annotations

import time
from importlib import import_module
from types import TracebackType
from typing import Any

from ropeway.kernel.words import bytes_text

_SHOW_AFTER = 1.0
_REFRESH = 0.5


class Progress:
    """Called with the bytes received so far; shows them in one display that is updated."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._next = self._began + _SHOW_AFTER
        self._display: Any = None
        self._received = 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._display is not None:
            self._show("stopped" if error is not None else "received")

    def __call__(self, received: int) -> None:
        """Show it, now and then."""
        self._received = received
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _REFRESH
            self._show("receiving" if received else "waiting for home")

    def _show(self, state: str) -> None:
        seconds = time.monotonic() - self._began
        line = _Line(f"{state} · {bytes_text(self._received)} · {seconds:.0f} s")
        try:
            if self._display is None:
                show = import_module("IPython.display").display
                self._display = show(line, display_id=True)
            else:
                self._display.update(line)
        except Exception:  # noqa: BLE001  # a display that fails must not cost the result
            self._next = float("inf")


class _Line:
    """Plain text without quotes."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text
