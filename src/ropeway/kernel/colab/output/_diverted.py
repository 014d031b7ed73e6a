"""What a cell prints and displays, handed to somebody else than the cell."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

Take = Callable[[dict[str, Any]], "dict[str, Any] | None"]
"""Takes a message (`display_data`, `update_display_data`, `clear_output`), and gives what is to be
published in its place, if anything."""

_OVERWRITTEN = re.compile(r"[^\n]*\r(?!\n)")


def shell() -> Any:
    """IPython's shell."""
    from IPython import get_ipython

    return get_ipython()


@contextlib.contextmanager
def diverted(write: Callable[[str], None], take: Take) -> Iterator[None]:
    """Within it, printed text goes to `write`, and what this thread displays to `take`."""
    publisher = shell().display_pub
    publisher.register_hook(take)
    clear = publisher.clear_output

    def clear_output(wait: bool = False) -> None:
        if take({"header": {"msg_type": "clear_output"}, "content": {"wait": wait}}) is not None:
            clear(wait)

    publisher.clear_output = clear_output  # not every ipykernel asks its hooks about this one
    out, error = sys.stdout, sys.stderr
    sys.stdout = sys.stderr = _Printed(write)
    try:
        yield
    finally:
        with contextlib.suppress(Exception):
            _flush_plots()
        sys.stdout.flush()
        sys.stdout, sys.stderr = out, error
        publisher.clear_output = clear
        publisher.unregister_hook(take)


def drawn(text: str) -> str:
    """What remains of printed text where carriage returns overwrite it."""
    return _OVERWRITTEN.sub("", text.replace("\r\n", "\n"))


class _Printed(io.TextIOBase):
    """Passes on whole lines, and the rest when it is flushed."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._waiting = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self._waiting += text
        if "\n" in text or "\r" in text:
            self.flush()
        return len(text)

    def flush(self) -> None:
        waiting, self._waiting = self._waiting, ""
        if waiting:
            self._write(waiting)


def _flush_plots() -> None:
    """Show now the figures that would be shown at the end of the cell."""
    inline = sys.modules.get("matplotlib_inline.backend_inline")
    pyplot = sys.modules.get("matplotlib.pyplot")
    if inline is not None and pyplot is not None and "inline" in pyplot.get_backend():
        inline.flush_figures()
