"""`rw.checkpoint("runs/")`: what a cell writes there comes home while it runs."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from ropeway.errors import HomeUnreachable, RopewayError
from ropeway.kernel import environment, folder, road
from ropeway.kernel.folder import Seen
from ropeway.kernel.progress import MARK
from ropeway.kernel.sender import Home, Sender
from ropeway.kernel.words import bytes_text, files_text

LOOK = 1.0
"""Seconds between two looks at the folder: what is the same at both has rested."""

SHARE = 0.5
"""Share of the time in which a file may cross while nobody waits for it."""

REFRESH = 2.0
"""Seconds between two changes of the line in the cell."""

LONGEST_PAUSE = 30.0
"""Seconds between two tries while home is away."""

_kept: dict[Path, Checkpoint] = {}


def checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Declare a folder of artefacts: the files that are written there come home while cells run.

    The folder lies below the kernel's working folder, and is made if needed. A file counts once it
    rested for a second, when the cell ends, when this is called again and at `.flush()`; only its
    changed chunks cross. `ropeway resume` puts the files into the same folder on another runtime.
    What is deleted here is deleted at home. Raises `Refused` where the policy lets this runtime
    send nothing home, `HomeUnreachable` where there is no road.

        runs = rw.checkpoint("runs/")
        if newest := runs.latest("*.npz"):
            step, weights = load(newest)
    """
    name = folder.named(path)
    place = Path.cwd() / name
    known = _kept.get(place)
    if known is not None and known.alive():
        known.mark()
        return known
    place.mkdir(parents=True, exist_ok=True)
    made = _kept[place] = Checkpoint(name)
    return made


def declare(made: Checkpoint) -> None:
    """It is sent home as those of `checkpoint` are."""
    _kept[made.path] = made


def all_of_them() -> list[Checkpoint]:
    """Every folder that was declared in this kernel."""
    return list(_kept.values())


class Checkpoint:
    """A declared folder; it shows how much of it is at home, and how far behind home is."""

    def __init__(
        self,
        name: str,
        base: Path | None = None,
        home: Home | None = None,
        sent: Mapping[str, Seen] | None = None,
    ) -> None:
        """The folder lies below `base`, the working folder; `sent` is what `home` has already."""
        self._base = base or Path.cwd()
        self.path = self._base / name
        self._home = home or Home(road.artefacts)
        self._home.open(name)
        self._sender = Sender(self._home, name, self._base)
        self._sender.sent.update(sent or {})
        self._environment: Any = None
        self._turn = threading.Condition()
        self._asked = self._answered = self._waiting = 0
        self._trouble: RopewayError | None = None
        self._stopped = False
        self._began = 0.0
        self._line = _Line()
        self._line.show(self._told(), self._trouble is not None)
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._work, name=f"ropeway {name}", daemon=True)
        self._thread.start()
        _mark_when_cells_end()

    def __repr__(self) -> str:
        return self._told()

    def _ipython_display_(self) -> None:
        self._line.again(self._told())

    def __fspath__(self) -> str:
        return str(self.path)

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def latest(self, pattern: str = "*") -> Path | None:
        """The newest file of the folder that fits the pattern, None where there is none."""
        return folder.latest(self._sender.name, self._base, pattern)

    def flush(self, timeout: float | None = None) -> Checkpoint:
        """Return once home has everything as it is now.

        Raises `HomeUnreachable` when it is away or `timeout` seconds are over, `NotSaved` where a
        file cannot be kept.
        """
        end = None if timeout is None else time.monotonic() + timeout
        with self._turn:
            number = self._mark()
            self._waiting += 1
            try:
                while self._answered < number and self._trouble is None and self.alive():
                    if end is not None and time.monotonic() > end:
                        raise HomeUnreachable(
                            f"Not all of {self._sender.name} came home in {timeout:g} s.",
                            hint="It goes on coming home; ask for its state again.",
                        )
                    self._turn.wait(0.1)  # short, so that an interrupt gets through
            finally:
                self._waiting -= 1
        for error in (self._trouble, *self._sender.troubles.values()):
            if error is not None:
                raise error
        if self._answered < number:
            raise HomeUnreachable(
                f"{self._sender.name} was stopped before all of it came home.",
                hint="Declare it again with rw.checkpoint.",
            )
        return self

    def restore(self) -> list[Path]:
        """Bring the files that home has of this folder here; those that were brought.

        A file that is here and newer stays. Raises `Refused` where they may not come to this
        runtime.
        """
        from ropeway.kernel.resume import bring

        return bring(self._home, self._base, self._sender.name)

    def stop(self) -> None:
        """Send nothing more home; what is there stays there."""
        with self._turn:
            self._stopped = True
            self._turn.notify_all()

    def mark(self) -> None:
        """Every file is whole as it is now: send it without a rest."""
        with self._turn:
            self._mark()

    def alive(self) -> bool:
        """Whether it sends; a fork of the kernel's process does not."""
        here = self._process == os.getpid() and self._thread.is_alive()
        return here and not self._stopped

    def _mark(self) -> int:
        self._asked += 1
        self._trouble = None
        self._turn.notify_all()
        return self._asked

    def _work(self) -> None:
        _be_nice()
        pause = LOOK
        while self._rest(pause):
            try:
                pause = self._round()
            except RopewayError as error:
                pause = min(2 * pause, LONGEST_PAUSE)
                self._ended(None, error)
                if error.code == "token_refused":  # the ticket of another home
                    with suppress(RopewayError):
                        self._home.open(self._sender.name)
            except Exception as error:  # noqa: BLE001  # the next round may do, and who waits must hear
                self._ended(None, RopewayError(f"{type(error).__name__}: {error}"))
            self._line.show(self._told(), self._trouble is not None)

    def _rest(self, seconds: float) -> bool:
        """Wait for the next round; False when there is none."""
        with self._turn:
            if self._asked == self._answered or self._trouble is not None:
                self._turn.wait(seconds)
            return not self._stopped

    def _round(self) -> float:
        """Send what changed; the seconds to rest until the next look."""
        with self._turn:
            number, whole = self._asked, self._asked > self._answered
        if self._environment != (now := environment.stamp()):
            # In this thread: with many packages it takes its time.
            self._home.open(self._sender.name, environment.recorded())
            self._environment = now
        all_sent, began = True, time.monotonic()
        ready = self._sender.look(time.time(), whole=whole)
        pause = max(LOOK, 20 * (time.monotonic() - began))  # a large folder is looked at less often
        for path in ready:
            self._began = time.monotonic()
            all_sent &= self._sender.send(path, self._pause)
            self._line.show(self._told(), bad=False)
        self._sender.forget_gone()
        self._ended(number if all_sent else None, None)
        if not all_sent:
            time.sleep(LOOK / 4)
        return pause

    def _pause(self) -> None:
        """Leave the line to others, unless somebody waits."""
        if not self._waiting:
            time.sleep(min(1.0, time.monotonic() - self._began) * (1 - SHARE) / SHARE)
        self._line.show(self._told(), bad=False)
        self._began = time.monotonic()

    def _ended(self, number: int | None, trouble: RopewayError | None) -> None:
        with self._turn:
            self._trouble = trouble
            if number is not None:
                self._answered = number
            self._turn.notify_all()

    def _told(self) -> str:
        sent, behind = self._sender.sent, self._sender.behind()
        size = sum(each.size for each in list(sent.values()))
        parts = [f"{self._sender.name}: {files_text(len(sent))} at home, {bytes_text(size)}"]
        if behind.files:
            late = max(0.0, time.time() - behind.since)
            parts.append(
                f"{files_text(behind.files)} behind, {bytes_text(behind.size)}, {late:.0f} s"
            )
        for path, error in list(self._sender.troubles.items())[:3]:
            parts.append(f"{path}: {error.message}")
        if self._trouble is not None:
            parts.append(self._trouble.message)
        return " · ".join(parts)


class _Line:
    """A display that follows the state, changed now and then."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._text = ""
        self._next = 0.0
        self._where = _cell()

    def show(self, text: str, bad: bool) -> None:
        now = time.monotonic()
        if text == self._text or (now < self._next and not bad):
            return
        self._text, self._next = text, now + REFRESH
        with suppress(Exception):  # a display that fails must not cost the files
            if self._handle is None:
                show = import_module("IPython.display").display
                self._handle = show(_Plain(text), display_id=True, metadata=MARK)
            else:
                self._handle.update(_Plain(text), metadata=MARK)

    def again(self, text: str) -> None:
        """Show it in this cell too, unless the line stands in it."""
        if _cell() != self._where:
            import_module("IPython.display").display(_Plain(text))


class _Plain:
    """Text without quotes."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _cell() -> int:
    """The number of the cell that runs."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return int(getattr(shell, "execution_count", 0))


def _be_nice() -> None:
    """This thread steps back behind the cells; where the system knows no such thing it does not."""
    with suppress(AttributeError, OSError):
        if sys.platform == "linux":
            thread = threading.get_native_id()
            now = os.getpriority(os.PRIO_PROCESS, thread)
            os.setpriority(os.PRIO_PROCESS, thread, min(now + 10, 19))


def _mark_when_cells_end() -> None:
    """What a cell wrote is whole when it has ended."""
    with suppress(AttributeError, KeyError):
        events = sys.modules["IPython"].get_ipython().events
        if _cell_ended not in events.callbacks["post_run_cell"]:
            events.register("post_run_cell", _cell_ended)


def _cell_ended(result: Any = None) -> None:
    for each in all_of_them():
        if each.alive():
            each.mark()
