"""A server process of the workspace's own (the runtime `here`, the data service).

It says where it listens in a private state file `{"url", "token", "pid"}`, so that no token is on
a command line, and so that the next workspace finds it again when this one is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from ropeway import config
from ropeway.errors import RopewayError

START_SECONDS = 60.0
STOP_SECONDS = 10.0
_LOG_BYTES = 2_000_000


@dataclass(frozen=True, slots=True)
class Server:
    """Where a process listens."""

    url: str
    token: str
    pid: int


class ServerProcess:
    """One server process, known by its state file.

    `command` must write the state file once it listens. The process is a session of its own: a
    Ctrl-C in the terminal reaches the workspace, which then stops it in order.
    """

    def __init__(self, name: str, command: list[str], state: Path, folder: Path) -> None:
        self.name = name
        self.log = state.with_suffix(".log")
        self._command = command
        self._state = state
        self._pid_file = state.with_suffix(".pid")
        self._folder = folder
        self._child: subprocess.Popen[bytes] | None = None

    def running(self) -> Server | None:
        """The process that the state file names, if it lives."""
        try:
            server = Server(**json.loads(self._state.read_text("utf-8")))
        except (OSError, ValueError, TypeError, AttributeError):
            return None
        if not isinstance(server.pid, int):
            return None
        return server if self._lives(server.pid) else None

    @property
    def ours(self) -> bool:
        """Whether this very object started the process, rather than found it running."""
        return self._child is not None and self._child.poll() is None

    def launch(self) -> None:
        """Start the process unless it runs or is starting; does not wait."""
        if self._started():
            return
        self._state.unlink(missing_ok=True)
        self._shorten_log()
        with self.log.open("ab") as log:
            self.log.chmod(0o600)
            self._child = subprocess.Popen(
                self._command,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        config.write_private(self._pid_file, str(self._child.pid))

    async def ready(self) -> Server:
        """Where the process listens, once it does. Raises `RopewayError` when it ended instead."""
        deadline = time.monotonic() + START_SECONDS
        while (server := self.running()) is None:
            if not self._started() or time.monotonic() > deadline:
                raise RopewayError(
                    f"The {self.name} did not start: {self._last_words()}",
                    hint=f"Its log is {self.log}.",
                )
            await asyncio.sleep(0.02)
        return server

    async def stop(self) -> None:
        """End the process, also one that is still starting, and forget it."""
        pid = self._pid()
        if pid is not None:
            await asyncio.to_thread(_end, pid)
        if self._child is not None:
            self._child.poll()
        self._state.unlink(missing_ok=True)
        self._pid_file.unlink(missing_ok=True)

    def _started(self) -> bool:
        """Whether somebody, perhaps another process, started it, and it lives."""
        return self._pid() is not None

    def _pid(self) -> int | None:
        try:
            pid = int(self._pid_file.read_text("utf-8"))
        except (OSError, ValueError):
            server = self.running()
            return server.pid if server else None
        return pid if self._lives(pid) else None

    def _lives(self, pid: int) -> bool:
        if self._child is not None and self._child.pid == pid:
            return self._child.poll() is None
        # A process id may have been given to a stranger since: ours names its state file.
        try:
            return str(self._state) in psutil.Process(pid).cmdline()
        except (psutil.Error, ValueError):
            return False

    def _shorten_log(self) -> None:
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES:
            self.log.unlink()

    def _last_words(self) -> str:
        try:
            lines = self.log.read_text("utf-8", errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return lines[-1] if lines else "it said nothing."


def _end(pid: int) -> None:
    """Ask a process to end, wait, and end it."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        process.terminate()
        _, alive = psutil.wait_procs([process], timeout=STOP_SECONDS)
        if alive:
            process.kill()
