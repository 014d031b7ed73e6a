"""What is run at the far side to install a runtime there: a program, sent with its input.

Standard library only, Python 3.10. It says `ropeway: {...}` on stdout: `tell`, `done` or `failed`.

An environment counts once its file `complete` is there, which is written last; whatever lies
there without it is made anew. One at a time installs, and who comes second finds it done.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any


class Failed(Exception):
    """A step that went wrong: its name, and what the program said last."""


def main(asked: dict[str, Any]) -> None:
    """Install what was asked: `key`, `packages`, `wheel` (base64) and `wheel_name`.

    The command line holds the folder of environments, and where uv is, empty for nowhere.
    """
    os.umask(0o077)
    top = Path(sys.argv[1])
    top.mkdir(parents=True, exist_ok=True)
    try:
        with (top / f"{asked['key']}.lock").open("w") as lock:
            _wait_for(lock.fileno())
            if not _works(top / asked["key"]):
                _install(top / asked["key"], asked)
        _say({"done": True})
    except Failed as error:
        _say({"failed": error.args[0], "words": error.args[1]})
    except OSError as error:
        _say({"failed": "files", "words": str(error)})


def _works(environment: Path) -> bool:
    # Its Python is a link that leads nowhere once the system's Python was replaced.
    return (environment / "complete").exists() and os.access(environment / "bin/python", os.X_OK)


def _wait_for(lock: int) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _say({"tell": "Waiting for another connection that installs there"})
        fcntl.flock(lock, fcntl.LOCK_EX)


def _install(environment: Path, asked: dict[str, Any]) -> None:
    shutil.rmtree(environment, ignore_errors=True)
    try:
        python, install = _environment(environment)
        _say({"tell": "Installing Jupyter there (once)"})
        _run("packages", [*install, *asked["packages"]])
        wheel = environment / asked["wheel_name"]
        wheel.write_bytes(base64.b64decode(asked["wheel"]))
        _say({"tell": "Installing Ropeway's runtime there"})
        _run("ropeway", [*install, "--no-deps", "--no-index", str(wheel)])
        wheel.unlink()
        _run("check", [python, "-c", "import ropeway.runtime.agent, ropeway.runtime.app"])
        (environment / "complete").write_text("")
    except BaseException:
        shutil.rmtree(environment, ignore_errors=True)
        raise


def _environment(environment: Path) -> tuple[str, list[str]]:
    """Make it; returns its Python, and the command that installs into it."""
    uv = sys.argv[2]
    python = str(environment / "bin" / "python")
    _say({"tell": f"Making a Python {'.'.join(map(str, sys.version_info[:2]))} environment there"})
    if uv:
        command = [uv, "venv", "--quiet", "--seed", "--python", sys.executable]
        _run("environment", [*command, str(environment)])
        return python, [uv, "pip", "install", "--quiet", "--python", python]
    _run("environment", [sys.executable, "-m", "venv", str(environment)])
    pip = [python, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    return python, [*pip, "--timeout", "15", "--retries", "1"]


def _run(step: str, command: list[str]) -> None:
    ran = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if ran.returncode != 0:
        raise Failed(step, ran.stdout.decode("utf-8", "replace")[-2000:])


def _say(answer: dict[str, Any]) -> None:
    """Tell home; if it has hung up, the work goes on and serves the next who comes."""
    try:
        sys.stdout.write(f"ropeway: {json.dumps(answer)}\n")
        sys.stdout.flush()
    except OSError:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 (for the life of the process)
