"""What home has done at the far side of an SSH connection: install a runtime, start it, end it."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shlex
from collections.abc import Callable
from importlib import resources
from typing import Any

import ropeway
from ropeway.errors import MissingPackage, RopewayError, Unreachable
from ropeway.workspace.own_wheel import fingerprint, own_wheel, wheel_name
from ropeway.workspace.process import Server
from ropeway.workspace.providers.ssh_connection import Connection

PACKAGES = ("ipykernel>=6.29", "jupyter_server>=2.14,<3", "platformdirs>=4", "psutil>=5.9")
"""What the runtime's side imports; Ropeway itself comes from here."""

IDLE_SECONDS = 8 * 3600
"""A runtime without kernels that nobody asks ends after this time."""

START_SECONDS = 90.0
INSTALL_SECONDS = 1800.0

_END = "end-of-program"
_OFFLINE = re.compile(
    r"name resolution|Network is unreachable|NewConnectionError|Failed to establish|dns error|"
    r"Connection refused|ConnectTimeout|timed out|error sending request|client error \(Connect\)|"
    r"from versions: none|Failed to fetch|not found in the package registry",
    re.IGNORECASE,
)


class FarSide:
    """The runtime of one folder of one far user; `shown` is the machine's name for people."""

    def __init__(
        self, shown: str, folder: str, tell: Callable[[str], None], stop_idle: float = 0
    ) -> None:
        self._shown = shown
        self._stop_idle = stop_idle
        self._folder = folder
        self._tell = tell

    async def start(self, connection: Connection, *, action: str) -> Server | str:
        """Where the runtime listens there: `start`, `resume` or `look`, see `runtime.detached`.

        Installs first if need be. A text: why none runs, where none was to be started.
        """
        answer = await self._ask(connection, action)
        if "install" in answer:
            await self._install(connection)
            answer = await self._ask(connection, action)
        if "error" in answer:
            raise RopewayError.from_json(answer["error"])
        try:
            found = answer["server"]
            return Server(**found) if found else str(answer.get("why") or "does not run")
        except (KeyError, TypeError):
            raise self._mute() from None

    async def stop(self, connection: Connection) -> None:
        """End the runtime with its kernels; whatever version of Ropeway started it."""
        answer = await self._ask(connection, "stop")
        if "error" in answer:
            raise RopewayError.from_json(answer["error"])

    async def _ask(self, connection: Connection, action: str) -> dict[str, Any]:
        words = {
            "ropeway_key": environment_key(),
            "ropeway_action": action,
            "ropeway_folder": self._folder,
            "ropeway_idle": str(IDLE_SECONDS),
            "ropeway_stop_idle": str(self._stop_idle),
        }
        return await self._talk(connection, _script(words, "remote_start.sh"), START_SECONDS)

    async def _install(self, connection: Connection) -> None:
        self._tell(f"Looking for Python on {self._shown}…")
        script = await asyncio.to_thread(_install_script)
        answer = await self._talk(connection, script, INSTALL_SECONDS)
        if "missing" in answer:
            raise self._no_python(str(answer["missing"]), str(answer.get("found") or ""))
        if "failed" in answer:
            raise self._not_installed(str(answer["failed"]), str(answer.get("words") or ""))
        self._tell(f"Starting the runtime on {self._shown}…")

    async def _talk(self, connection: Connection, script: str, seconds: float) -> dict[str, Any]:
        """Run a script there and hear it; returns the last thing that it said to us."""
        try:
            async with asyncio.timeout(seconds), connection.shell(script) as lines:
                async for line in lines:
                    answer = _heard(line)
                    if "tell" in answer:
                        self._tell(str(answer["tell"]).replace("there", f"on {self._shown}") + "…")
                    elif answer:
                        return answer
        except (TimeoutError, OSError, ValueError) as error:
            raise Unreachable(
                f"{self._shown} did not answer in time while a runtime was prepared there.",
                hint="Connect again: what is done there already is kept.",
            ) from error
        raise self._mute()

    def _mute(self) -> Unreachable:
        return Unreachable(
            f"{self._shown} does not run commands for us over SSH.",
            hint=f"`ssh {self._shown} sh -c true` must end without an error, and its SSH server "
            "must allow more than one session (MaxSessions).",
        )

    def _no_python(self, missing: str, found: str) -> MissingPackage:
        if missing == "venv":
            return MissingPackage(
                f"The Python on {self._shown} cannot make environments.",
                hint="Install uv there, or the package python3-venv.",
            )
        seen = f" ({found} is too old)" if found else ""
        return MissingPackage(
            f"There is no Python 3.10 or newer on {self._shown}{seen}.",
            hint="Install one there, or uv, which brings one along.",
        )

    def _not_installed(self, step: str, words: str) -> RopewayError:
        lines = [line.strip() for line in words.splitlines() if line.strip()]
        last = next((x for x in reversed(lines) if "error" in x.lower()), (lines or ["?"])[-1])
        if step == "packages" and _OFFLINE.search(words):
            return Unreachable(
                f"{self._shown} cannot fetch Jupyter: it does not reach a package index "
                f"({last[:200].rstrip('.')}).",
                hint="Give it a road to one (PIP_INDEX_URL, HTTPS_PROXY or pip.conf there), or "
                "install `ropeway` there by hand, start `ropeway runtime` and connect its URL.",
            )
        return RopewayError(
            f"The runtime could not be installed on {self._shown}: {last[:300].rstrip('.')}.",
            hint=f"The step was: {_STEPS.get(step, step)}. Nothing of it counts as installed.",
        )


_STEPS = {
    "environment": "making a Python environment",
    "packages": "installing Jupyter",
    "ropeway": "installing Ropeway",
    "check": "importing what was installed",
    "files": "writing into ~/.local/share/ropeway",
}


def environment_key() -> str:
    """The name of the environment there: another package, another environment."""
    return f"{ropeway.__version__}-{fingerprint()}"


def _install_script() -> str:
    asked = {
        "key": environment_key(),
        "packages": PACKAGES,
        "wheel_name": wheel_name(),
        "wheel": base64.b64encode(own_wheel()).decode(),
    }
    # The lines stay short: some shells and terminals in between cut long ones.
    text = json.dumps(asked)
    pieces = "\n".join(repr(text[i : i + 900]) for i in range(0, len(text), 900))
    program = f"{_text('remote_install.py')}\nmain(json.loads(\n{pieces}\n))\n"
    call = f'exec "$python" - "$runtimes" "$uv" <<\'{_END}\''
    return f"{_text('remote_python.sh')}{call}\n{program}{_END}\n"


def _script(words: dict[str, str], name: str) -> str:
    return "".join(f"{key}={shlex.quote(word)}\n" for key, word in words.items()) + _text(name)


def _text(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def _heard(line: bytes) -> dict[str, Any]:
    """What a line says to us; empty for a login shell's own words."""
    text = line.decode("utf-8", "replace").strip()
    if not text.startswith("ropeway: "):
        return {}
    try:
        found = json.loads(text.removeprefix("ropeway: "))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
