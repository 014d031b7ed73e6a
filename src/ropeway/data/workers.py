"""The workers, seen from the service: lent for a job, kept a while for the same asker, killed when
they must stop.

Blocking; used in threads. What a worker is stands in `ropeway.data.worker`.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Hashable, Iterator
from contextlib import contextmanager, suppress

from ropeway.data import job as talk
from ropeway.data.job import Frame, Job
from ropeway.data.worker import KILL, PID, SPAWN
from ropeway.errors import HomeUnreachable

IDLE = 10.0
"""Seconds for which a worker waits for the next job of the same asker."""

MOST_IDLE = 8
"""Workers that wait; the one that has waited longest goes first."""

START = 60.0
"""Seconds that the first process may take to load the engine."""

_AHEAD = 1 << 20
"""Bytes that a worker may write before the service reads: less would wake both more often."""

_END = 2.0
"""Seconds that it may take to end."""

_KEPT_VARIABLES = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "TMPDIR")

_LEAN = {
    "OPENBLAS_NUM_THREADS": "1",
    # Of a bounded address space, mimalloc reserves a gigabyte and glibc 64 MB for each thread.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "4",
}

log = logging.getLogger(__name__)


class Worker:
    """One worker; one thread at a time uses it, except for `kill`."""

    def __init__(self, line: socket.socket, number: int, nest: _Nest) -> None:
        self._line = line
        self._number = number
        self._nest = nest
        self.killed = False

    def begin(self, job: Job) -> None:
        """Hand it a job. Raises `OSError` when it is dead."""
        talk.send(self._line, talk.JOB, job)

    def frame(self, timeout: float | None = None) -> Frame | None:
        """What it says next; None when it died. Raises `TimeoutError`."""
        self._line.settimeout(timeout)
        try:
            return talk.receive(self._line)
        except TimeoutError:
            raise
        except OSError:
            return None

    def feed(self, pipe: int | None) -> None:
        """Answer its question for rows."""
        with suppress(OSError):
            socket.send_fds(self._line, [b"!"], [] if pipe is None else [pipe])

    def kill(self) -> None:
        """End it at once, whatever it does."""
        self.killed = True
        self._nest.kill(self._number)
        with suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let it end by itself: it waits for a job."""
        self._line.close()


class Workers:
    """All workers of one service."""

    def __init__(self) -> None:
        self._nest = _Nest()
        self._turn = threading.Lock()
        self._idle: list[tuple[Hashable, float, Worker]] = []
        self._look: threading.Timer | None = None

    def start(self) -> None:
        """Load the engine, so that the first query need not wait for it."""
        self._nest.start()

    @contextmanager
    def lent(self, key: Hashable) -> Iterator[Worker]:
        """A worker that has done jobs of the same `key` only, or none.

        It is kept for the next when the block ends well, and killed when not.
        Raises `HomeUnreachable` when none can be had.
        """
        worker = self.take(key)
        try:
            yield worker
        except BaseException:
            worker.kill()
            worker.close()
            raise
        self.keep(key, worker)

    def take(self, key: Hashable) -> Worker:
        """As `lent`; give it back by `keep`, or kill and close it."""
        with self._turn:
            self._forget_old()
            for place, (known, _, worker) in enumerate(self._idle):
                if known == key:
                    del self._idle[place]
                    return worker
        return self._nest.worker()

    def keep(self, key: Hashable, worker: Worker) -> None:
        """A worker that has done its job waits for the next one of that key."""
        with self._turn:
            self._forget_old()
            if worker.killed:
                worker.close()
                return
            self._idle.append((key, time.monotonic(), worker))
            while len(self._idle) > MOST_IDLE:
                self._idle.pop(0)[2].close()
            self._look_again()

    def close(self) -> None:
        """End all of them."""
        with self._turn:
            for _, _, worker in self._idle:
                worker.close()
            self._idle.clear()
            if self._look is not None:
                self._look.cancel()
        self._nest.close()

    def _look_again(self) -> None:
        """Have those that nobody asks for end, though no query comes any more."""
        if self._look is None and self._idle:
            self._look = threading.Timer(IDLE, self._looked)
            self._look.daemon = True
            self._look.start()

    def _looked(self) -> None:
        with self._turn:
            self._look = None
            self._forget_old()
            self._look_again()

    def _forget_old(self) -> None:
        now = time.monotonic()
        while self._idle and now - self._idle[0][1] > IDLE:
            self._idle.pop(0)[2].close()


class _Nest:
    """The process that has the engine loaded and copies itself; started anew when it died."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._closed = False

    def start(self) -> None:
        """Start it, unless it runs."""
        with self._turn:
            self._running()

    def worker(self) -> Worker:
        """A fresh worker. Raises `HomeUnreachable`."""
        for _ in range(2):
            ours, theirs = socket.socketpair()
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _AHEAD)
            with self._turn, theirs:
                control = self._running()
                try:
                    socket.send_fds(control, [SPAWN], [theirs.fileno()])
                    answer = control.recv(PID.size, socket.MSG_WAITALL)
                except OSError:
                    answer = b""
                if len(answer) == PID.size:
                    return Worker(ours, PID.unpack(answer)[0], self)
                self._end()
            ours.close()
        raise HomeUnreachable("Home could not start a process for the query.")

    def kill(self, number: int) -> None:
        """Kill one of its workers; one that has ended is no matter."""
        with self._turn, suppress(OSError):
            if self._control is not None:
                self._control.sendall(KILL + PID.pack(number))

    def close(self) -> None:
        """End it, and with it all its workers."""
        with self._turn:
            self._closed = True
            self._end()

    def _running(self) -> socket.socket:
        if self._closed:
            raise HomeUnreachable("The data service is about to end.")
        if self._control is None or self._process is None or self._process.poll() is not None:
            self._end()
            self._process, self._control = _started()
        return self._control

    def _end(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            try:
                self._process.wait(_END)  # it ends its workers first
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None


def _started() -> tuple[subprocess.Popen[bytes], socket.socket]:
    ours, theirs = socket.socketpair()
    ours.settimeout(START)
    # Nothing of home's environment: a worker has no secret to lose.
    environment = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    environment.update(_LEAN)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "ropeway.data.worker", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env=environment,
        )
    return process, ours
