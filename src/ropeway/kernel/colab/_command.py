"""One command in bash, on a terminal of its own.

What it writes is said as it comes, stdout and stderr as one. What it reads is asked for, as
`input()` asks; where nobody can be asked its input is at the end. Standard library only, POSIX.
"""

from __future__ import annotations

import codecs
import fcntl
import os
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ropeway.kernel.colab import _groups
from ropeway.kernel.colab._waiting import waits

Say = Callable[[str], Any]
Ask = Callable[[str, bool], str]
"""Called with the prompt, which is not said besides, and whether what is typed is to be hidden;
gives a line. Raises `EOFError`."""

TICK = 0.2
"""Seconds between two looks at a silent command."""

GRACE = 0.5
"""Seconds between the SIGTERM of a second interrupt and SIGKILL."""

_PIECE = 1 << 18
_FLOOD = 4096
_PAUSE = 0.003
"""Seconds that a command which fills its terminal waits for us: some 20 MB/s."""

_PROMPT = ("?", ":", ")", "]", ">", "$", "#")

_ON_TERMINAL = """trap '' HUP; exec "$1" -c "$2" <>"$0\""""
"""Who opens a terminal first in a session owns it, so that `sudo` and `ssh` ask there. Its end must
not take along what the command left running."""


def run(command: str, say: Say, ask: Ask | None = None) -> int:
    """Run it and give its exit code, negative where a signal ended it. Raises nothing of its own.

    The first interrupt is passed on to all of its processes, the second one ends them.
    """
    with _Interrupts() as interrupts:
        running = _Running(command, say, ask, interrupts)
        try:
            return running.follow()
        except BaseException:  # nobody hears what it says
            running.signal(signal.SIGKILL)
            raise


class _Interrupts:
    """While it holds, an interrupt raises nothing here: it is counted."""

    def __init__(self) -> None:
        self.came = 0
        self._before: Any = None

    def __enter__(self) -> _Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    @contextmanager
    def raised(self) -> Iterator[None]:
        """An interrupt ends what is done here, and counts."""
        self.__exit__()
        try:
            yield
        except KeyboardInterrupt:
            self.came += 1
        finally:
            self.__enter__()

    def _note(self, *_: object) -> None:
        self.came += 1


class _Running:
    """A command that runs."""

    def __init__(self, command: str, say: Say, ask: Ask | None, interrupts: _Interrupts) -> None:
        self._interrupts = interrupts
        self._say = say
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._held = ""
        self._echo = b""
        self._line = ""
        self._begun = self._heard = time.monotonic()
        self._passed = 0
        self._kill_at = 0.0
        self._terminal, theirs = _terminal()
        self._closed = False
        self._ask = ask if os.isatty(theirs) else None
        argv = [shutil.which("bash") or "/bin/sh", "-c", command]
        if self._ask is not None:
            self._name = os.ttyname(theirs)
            argv = ["/bin/sh", "-c", _ON_TERMINAL, self._name, argv[0], command]
        try:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=theirs,
                stderr=theirs,
                start_new_session=True,
                env=_environment(),
            )
        except BaseException:
            os.close(self._terminal)
            raise
        finally:
            os.close(theirs)
        _groups.keep(self._process.pid)

    def follow(self) -> int:
        """Until it has ended and everything that it wrote was said; its exit code."""
        ended = False
        while not ended:
            self._pass_on()
            ended = self._process.poll() is not None
            piece = self._read(0 if ended else TICK)
            if piece:
                self._hear(self._decode(piece))
                if len(piece) >= _FLOOD:
                    time.sleep(_PAUSE)
            elif not ended and self._waits():
                self._answer()
            else:
                self._hear("")
        self._hear(self._decode(b"", True))
        self._hear("")
        if self._interrupts.came:
            self.signal(signal.SIGTERM)  # what it had put into the background
        _groups.forget(self._process.pid)
        if self._closed:
            os.close(self._terminal)
        else:
            threading.Thread(target=_drain, args=(self._terminal,), daemon=True).start()
        return self._process.wait()

    def _read(self, seconds: float) -> bytes:
        """What came, its echo left out; nothing once that time is over, or nobody has the
        terminal any more."""
        if self._closed:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
            return b""
        poll = select.poll()
        poll.register(self._terminal, select.POLLIN)
        poll.poll(seconds * 1000)
        pieces = bytearray()
        try:
            while len(pieces) < _PIECE:
                piece = os.read(self._terminal, _PIECE)
                self._closed = not piece
                if not piece:
                    break
                pieces += piece
        except BlockingIOError:
            pass
        except OSError:  # so Linux says that the last one has closed it
            self._closed = True
        return self._without_echo(bytes(pieces))

    def _hear(self, text: str) -> None:
        """Say it, but for a line that has just begun: that may be a prompt. It is said once
        nothing more comes, or after a moment."""
        now = time.monotonic()
        lines, end, rest = (self._held + text).rpartition("\n")
        if end or not self._held:
            self._begun = now
        said, self._held = lines + end, rest
        if not text or now - self._begun > TICK:
            said, self._held = said + rest, ""
        if said:
            self._line = said[-200:].rpartition("\n")[2]
            self._say(said)
        if text:
            self._heard = now

    def _waits(self) -> bool:
        """Whether a person is to type something."""
        if self._ask is None or self._closed:
            return False
        line = self._line + self._held
        prompted = bool(line.strip())
        seen = waits(self._process.pid, self._name, prompted=prompted)
        if seen is not None:
            return seen
        quiet = time.monotonic() - self._heard > 1
        return quiet and (line.rstrip().endswith(_PROMPT) or self._hides())

    def _hides(self) -> bool:
        """Whether what is typed is not to be seen, which programs say that ask for a password."""
        flags = termios.tcgetattr(self._terminal)[3]
        return not flags & termios.ECHO and bool(flags & termios.ICANON)

    def _answer(self) -> None:
        assert self._ask is not None
        typed = "\x04"
        with self._interrupts.raised(), suppress(EOFError):
            hidden = self._hides()
            prompt, self._held = self._held, ""
            text = self._ask(prompt, hidden)
            typed = text + "\r"
            self._echo = b"" if hidden else f"{text}\n".encode()
        if self._interrupts.came > self._passed:
            return
        with suppress(OSError):
            os.write(self._terminal, typed.encode())
        self._line, self._heard = "", time.monotonic()

    def _without_echo(self, piece: bytes) -> bytes:
        """The page shows what was typed, so its echo is left out."""
        echo, self._echo = self._echo, b""
        if piece.startswith(echo):
            return piece[len(echo) :]
        if echo.startswith(piece):
            self._echo = echo[len(piece) :]
            return b""
        return piece

    def _pass_on(self) -> None:
        """Tell the command of the interrupts that came."""
        while self._passed < self._interrupts.came:
            self._passed += 1
            if self._passed == 1:
                self._hear("^C\n")
                self.signal(signal.SIGINT)
            elif not self._kill_at:
                self.signal(signal.SIGTERM)
                self._kill_at = time.monotonic() + GRACE
        if self._kill_at and time.monotonic() > self._kill_at:
            self.signal(signal.SIGKILL)

    def signal(self, number: int) -> None:
        """To each process of the command; to those in the terminal's foreground as well."""
        groups = {self._process.pid}
        if self._ask is not None:
            with suppress(OSError):
                groups.add(os.tcgetpgrp(self._terminal))
        for group in groups - {0}:
            _groups.end(group, number)


def _terminal() -> tuple[int, int]:
    """A terminal of 80 by 24, our end and the command's; a pipe where there is none to be had."""
    try:
        ours, theirs = os.openpty()
    except OSError:
        ours, theirs = os.pipe()
    else:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        settings = termios.tcgetattr(theirs)
        settings[1] &= ~termios.ONLCR
        termios.tcsetattr(theirs, termios.TCSANOW, settings)
    os.set_blocking(ours, False)
    return ours, theirs


def _environment() -> dict[str, str]:
    """The kernel's own, in which `pip` and `python` are those of the kernel, as in Colab."""
    found = dict(os.environ)
    folder = os.path.dirname(sys.executable)  # noqa: PTH120
    if os.path.dirname(shutil.which("python") or "") != folder:  # noqa: PTH120
        found["PATH"] = os.pathsep.join([folder, found.get("PATH", os.defpath)])
    return found


def _drain(terminal: int) -> None:
    """What the command left running may go on to write there; nobody reads it."""
    os.set_blocking(terminal, True)
    with suppress(OSError):
        while os.read(terminal, _FLOOD):
            pass
    os.close(terminal)
