"""Google's `colab` program in an environment of its own: it wants Python 3.12 and old packages."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from ropeway.errors import MissingPackage, StartFailed
from ropeway.workspace.providers.colab_program import PACKAGE, Program

_LEAST = (3, 12)
_NEWEST = 15
_SECONDS = 600


def install(program: Program, tell: Callable[[str], None]) -> None:
    """Install it, anew if need be. Raises `MissingPackage` or `StartFailed`."""
    environment = program.own.parents[1]
    shutil.rmtree(environment, ignore_errors=True)
    try:
        for sentence, command in _steps(environment):
            tell(sentence)
            _run(command)
    except BaseException:
        shutil.rmtree(environment, ignore_errors=True)
        raise


def _steps(environment: Path) -> list[tuple[str, list[str]]]:
    """What is done, and by which command; uv brings a Python along where there is none."""
    own = str(environment / "bin" / "python")
    make, fill = "Making a Python environment for it…", "Installing google-colab-cli (once)…"
    if uv := shutil.which("uv"):
        least = ">=" + ".".join(map(str, _LEAST))
        return [
            (make, [uv, "venv", "--quiet", "--python", least, str(environment)]),
            (fill, [uv, "pip", "install", "--quiet", "--python", own, PACKAGE]),
        ]
    pip = [own, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    return [
        (make, [_python(), "-m", "venv", str(environment)]),
        (fill, [*pip, PACKAGE]),
    ]


def _python() -> str:
    """A Python that is new enough and can make environments. Raises `MissingPackage`."""
    names = [f"python3.{minor}" for minor in range(_NEWEST, _LEAST[1] - 1, -1)]
    for found in (sys.executable, *filter(None, map(shutil.which, names))):
        # The name may be a link that leads nowhere, and a system may leave venv out.
        test = f"import ensurepip, sys, venv; sys.exit(sys.version_info < {_LEAST})"
        if subprocess.run([found, "-c", test], capture_output=True, check=False).returncode == 0:
            return found
    raise MissingPackage(
        "google-colab-cli needs Python 3.12 or newer with venv, or uv; neither is on this machine.",
        hint="Install one of them: `pip install uv` is enough, and uv brings a Python along.",
    )


def _run(command: list[str]) -> None:
    try:
        ran = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            umask=0o077,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise StartFailed(
            "google-colab-cli was not installed within ten minutes.",
            hint="Can this machine reach a package index?",
        ) from None
    if ran.returncode:
        lines = ran.stdout.decode("utf-8", "replace").strip().splitlines() or ["it says nothing"]
        raise StartFailed(
            f"google-colab-cli could not be installed: {lines[-1][:300].rstrip('.')}.",
            hint="Can this machine reach a package index?",
        )
