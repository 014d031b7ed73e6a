"""Google's own `colab` program (`google-colab-cli`): found, run, and what it writes down, read.

Its state file is read, its stdout is not. All that it keeps lies in a private folder of ours, not
in the user's home. Its log has tokens in it: so each call gets a home of its own, which is deleted
with the log in it when the call ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ropeway import config
from ropeway.errors import BadInput, MissingPackage, Unreachable
from ropeway.workspace.providers.colab_failure import failure
from ropeway.workspace.providers.ssh_command import end

VARIABLE = "ROPEWAY_COLAB_CLI"
"""Where the program is. No setting: a project's `ropeway.toml` must not say what is run."""

PACKAGE = "google-colab-cli>=0.7.2,<0.8"

CALL_SECONDS = 120.0
_STALE_SECONDS = 3600.0
_OWN_HOME = ".config/colab-cli"
_PATIENCE = {"COLAB_CLI_ASSIGN_RETRIES": "1", "COLAB_CLI_RETRY_BACKOFF": "5"}
"""It would try for more than a minute to get what Colab has none of."""


@dataclass(frozen=True, slots=True)
class Session:
    """A VM as the state file has it."""

    url: str
    token: str
    expires: float
    """When the token ends, as `time.time` counts."""


class Program:
    """The program, in the folder in which it keeps its state."""

    def __init__(self) -> None:
        self.folder = config.private_dir(config.state_dir() / "colab")
        self._state = self.folder / "sessions.json"
        self._credentials = self.folder / "token.json"

    @property
    def own(self) -> Path:
        """The program in Ropeway's own environment, whether it is installed there or not."""
        return self.folder / "env" / "bin" / "colab"

    def find(self) -> str:
        """The program that is run. Raises `BadInput` or `MissingPackage`."""
        if given := os.environ.get(VARIABLE):
            found = shutil.which(given)
            if found is None:
                raise BadInput(f"{VARIABLE} is {given!r}, and there is no such program.")
            return found
        found = shutil.which("colab") or shutil.which(self.own)
        if found is None:
            raise MissingPackage(
                "Google's `colab` program (google-colab-cli) is not on this machine.",
                hint="`ropeway connect colab --install` puts it into an environment of its own.",
            )
        return found

    @property
    def signed_in(self) -> bool:
        """Whether somebody signed in to Google here; whether that still counts, Google knows."""
        return self._credentials.is_file()

    def sign_in(self) -> None:
        """Let the program ask the person at this terminal. Raises `RopewayError`."""
        self._credentials.unlink(missing_ok=True)
        with self._home() as home:
            # The shortest of its commands that speaks with Google.
            line = [*self._line(), "usage"]
            done = subprocess.run(line, env=_environment(home), cwd=home, umask=0o077, check=False)
            if done.returncode or not self.signed_in:
                raise failure("authorize colab-cli", _log(home), "")

    async def session(self, name: str) -> Session | None:
        """The VM of that name, or None where there is none. Raises `Unreachable`."""
        for _ in range(40):
            try:
                found = json.loads(self._state.read_text("utf-8")).get(name)
                return None if found is None else _session(found)
            except FileNotFoundError:
                return None
            except (ValueError, AttributeError):
                await asyncio.sleep(0.05)  # the program empties the file before it writes it
            except (KeyError, TypeError):
                break
        raise Unreachable(
            f"{self._state} is not what Google's `colab` program is known to write.",
            hint=f"Ropeway knows {PACKAGE}. `ropeway connect colab --install` installs that.",
        )

    async def run(self, *arguments: str, what: str = "", seconds: float = CALL_SECONDS) -> str:
        """Run a command of the program; returns what it printed, for people only.

        Raises `RopewayError` when it fails; `what` is the hardware that it was to ask for.
        """
        line = [*self._line(), *arguments]
        with self._home() as home:
            process = await asyncio.create_subprocess_exec(
                *line,
                stdin=DEVNULL,  # it would wait for the code of a sign-in
                stdout=PIPE,
                stderr=PIPE,
                env=_environment(home),
                cwd=home,
                umask=0o077,
                start_new_session=True,
            )
            try:
                async with asyncio.timeout(seconds):
                    out, said = await process.communicate()
            except TimeoutError:
                raise Unreachable(
                    f"Google's `colab` program did not end within {seconds:.0f} s.",
                    hint="Is this machine online? Try again.",
                ) from None
            finally:
                await end(process)
            if process.returncode:
                raise failure(said.decode("utf-8", "replace"), _log(home), what)
            return out.decode("utf-8", "replace")

    def _line(self) -> list[str]:
        return [self.find(), "--auth", "oauth2", "--config", str(self._state)]

    @contextmanager
    def _home(self) -> Iterator[Path]:
        """A home for one call: it is signed in, looks for no update, and is deleted afterwards."""
        self._sweep()
        with tempfile.TemporaryDirectory(prefix="call-", dir=self.folder) as folder:
            home = Path(folder)
            own = home / _OWN_HOME
            own.mkdir(parents=True)
            (own / "settings.json").write_text('{"enable_update_check": false}')
            (own / "token.json").symlink_to(self._credentials)
            yield home

    def _sweep(self) -> None:
        """Delete what a killed process left."""
        for left in self.folder.glob("call-*"):
            if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)


def _environment(home: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ROPEWAY", "PYTHON"))}
    return {**_PATIENCE, **kept, "HOME": str(home)}


def _log(home: Path) -> str:
    try:
        return (home / _OWN_HOME / "colab.log").read_text("utf-8", "replace")
    except OSError:
        return ""


def _session(found: dict[str, Any]) -> Session:
    url, token = str(found["url"]), str(found["token"])
    ends = datetime.fromisoformat(str(found["token_expires_at"]).replace("Z", "+00:00"))
    if not url.startswith(("https://", "http://127.0.0.1:")) or not token.isprintable():
        raise KeyError
    return Session(url.rstrip("/"), token, ends.timestamp())
