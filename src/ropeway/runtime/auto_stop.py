"""What a runtime that nobody waits for and who starts it tell each other of auto-stop, in files.

They lie beside the runtime's state file, so that what was asked outlives the process, and whoever
comes back learns that it ended by itself.
"""

from __future__ import annotations

from pathlib import Path

from ropeway.config import write_private
from ropeway.duration import words


class AutoStop:
    """The files beside the state file of one runtime."""

    def __init__(self, state: Path) -> None:
        self._asked = state.with_suffix(".idle")
        self._stopped = state.with_suffix(".stopped")

    def seconds(self) -> float:
        """After how long without a running cell it is to end; 0: never."""
        try:
            return float(self._asked.read_text("utf-8"))
        except (OSError, ValueError):
            return 0.0

    def ask(self, seconds: float) -> None:
        """From now on it is to end after so long; 0 leaves what was asked before."""
        if seconds and seconds != self.seconds():
            write_private(self._asked, str(seconds))

    def ended(self, seconds: float) -> None:
        """It ends now by itself."""
        write_private(self._stopped, str(seconds))

    def stopped(self) -> None:
        """Somebody stops it on purpose, and what was asked is over with it."""
        write_private(self._stopped, "")
        self._asked.unlink(missing_ok=True)

    def wanted(self) -> None:
        """Somebody wants it to run."""
        self._stopped.unlink(missing_ok=True)

    def why(self) -> str:
        """Why it does not run, as the rest of a sentence; empty where that was nobody's will."""
        try:
            text = self._stopped.read_text("utf-8")
        except OSError:
            return ""
        if not text:
            return "was stopped"
        return f"ended by itself: no cell ran there for {words(float(text))}"
