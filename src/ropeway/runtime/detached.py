"""A runtime that nobody waits for.

`python -m ropeway.runtime.detached ACTION FOLDER IDLE STOP_IDLE`, run on the lent machine by
whoever came there, over SSH say. ACTION is

- `start`: start the runtime of FOLDER unless it runs;
- `resume`: the same, unless somebody stopped it on purpose or it ended by itself (STOP_IDLE);
- `look`: start nothing;
- `stop`: end it with its kernels.

It ends by itself after IDLE seconds without kernels and without anybody who asks, and after
STOP_IDLE in which no cell ran; 0, or none, leaves what was asked before. There is one runtime for
each user and folder of a machine. The answer is one line on stdout, `ropeway: ` and JSON:
`{"server": {"url", "token", "pid"}}`, `{"server": null, "why"}` where none runs, or
`{"error": {...}}`. The token stands there and in a private file, on no command line.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from ropeway import config
from ropeway.errors import BadInput, RopewayError
from ropeway.runtime.auto_stop import AutoStop

START_SECONDS = 60.0
STOP_SECONDS = 10.0
_LOG_BYTES = 2_000_000


class Detached:
    """The runtime of one folder, known by its state file."""

    def __init__(self, folder: Path, idle: int, stop_idle: float = 0) -> None:
        self.folder = folder.resolve()
        home = config.workspace_state_dir(self.folder)
        # Machines of a cluster often share their home folders.
        name = "detached-" + re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())
        self._state = home / f"{name}.json"
        self._pid = home / f"{name}.pid"
        self._log = home / f"{name}.log"
        self._auto_stop = AutoStop(self._state)
        self._idle = idle
        self._stop_idle = stop_idle
        self._lock = home

    def start(self, *, again: bool) -> dict[str, Any] | None:
        """Where it listens, started if need be; with `again` one that was stopped stays so."""
        with config.one_writer(self._lock):
            if again and self._auto_stop.why():
                return None
            self._auto_stop.wanted()
            self._auto_stop.ask(self._stop_idle)
            return self.server() or self._start()

    def why(self) -> str:
        """Why it does not run, as the rest of a sentence."""
        return self._auto_stop.why() or "does not run"

    def server(self) -> dict[str, Any] | None:
        """Where it listens, if it lives."""
        try:
            found: dict[str, Any] = json.loads(self._state.read_text("utf-8"))
            return found if self._process(int(found["pid"])) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def stop(self) -> None:
        """End it with its kernels, and remember that this was meant."""
        with config.one_writer(self._lock):
            self._auto_stop.stopped()
            process = self._known()
            if process is not None:
                _end(process)
            self._state.unlink(missing_ok=True)
            self._pid.unlink(missing_ok=True)

    def _start(self) -> dict[str, Any]:
        older = self._known()
        if older is not None:  # it was started and never came to listen
            _end(older)
        self._state.unlink(missing_ok=True)
        child = self._launch()
        config.write_private(self._pid, str(child.pid))
        deadline = time.monotonic() + START_SECONDS
        while (server := self.server()) is None:
            if child.poll() is not None or time.monotonic() > deadline:
                raise RopewayError(
                    f"The runtime there did not start: {self._last_words()}",
                    hint=f"Its log is {self._log}, on that machine.",
                )
            time.sleep(0.02)
        return server

    def _launch(self) -> subprocess.Popen[bytes]:
        if self._log.exists() and self._log.stat().st_size > _LOG_BYTES:
            self._log.unlink()
        command = [sys.executable, "-m", "ropeway.runtime", str(self.folder), str(self._state)]
        with self._log.open("ab") as log:
            self._log.chmod(0o600)
            return subprocess.Popen(
                [*command, str(self._idle)],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _known(self) -> psutil.Process | None:
        try:
            return self._process(int(self._pid.read_text("utf-8")))
        except (OSError, ValueError):
            return None

    def _process(self, pid: int) -> psutil.Process | None:
        # A process id may have been given to a stranger since: ours names its state file.
        try:
            process = psutil.Process(pid)
            return process if str(self._state) in process.cmdline() else None
        except (psutil.Error, ValueError):
            return None

    def _last_words(self) -> str:
        try:
            lines = self._log.read_text("utf-8", errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return lines[-1] if lines else "it said nothing."


def _end(process: psutil.Process) -> None:
    """Ask a runtime to end, wait, and end what is left of it."""
    try:
        family = [process, *process.children(recursive=True)]
        process.terminate()
    except psutil.NoSuchProcess:
        return
    _, alive = psutil.wait_procs(family, timeout=STOP_SECONDS)
    for left in alive:
        try:
            left.kill()
        except psutil.NoSuchProcess:
            continue


def main(arguments: list[str]) -> None:
    """Do what was asked and say what came of it."""
    action, folder, idle = arguments[0], Path(arguments[1]).expanduser(), int(arguments[2])
    stop_idle = float(arguments[3]) if len(arguments) > 3 else 0.0
    try:
        answer = _answer(action, folder, idle, stop_idle)
    except RopewayError as error:
        answer = {"error": error.to_json()}
    sys.stdout.write(f"ropeway: {json.dumps(answer)}\n")


def _answer(action: str, folder: Path, idle: int, stop_idle: float) -> dict[str, Any]:
    if not folder.is_dir():
        raise BadInput(
            f"There is no folder {folder} on that machine.",
            hint="Name one that exists there, or none: then it is your home folder.",
        )
    runtime = Detached(folder, idle, stop_idle)
    server = None
    if action == "stop":
        runtime.stop()
    elif action == "look":
        server = runtime.server()
    else:
        server = runtime.start(again=action == "resume")
    return {"server": server} if server else {"server": None, "why": runtime.why()}


if __name__ == "__main__":
    main(sys.argv[1:])
