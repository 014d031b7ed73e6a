"""The user's own OpenSSH: its command lines, and what it means by what it says.

Its settings, agent, jump hosts and known hosts all apply. It never asks: who is not let in
without a question gets an error that says what to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from asyncio.subprocess import PIPE, Process
from pathlib import Path

from ropeway.errors import BadInput, RopewayError, TokenRefused, Unreachable
from ropeway.workspace.providers.ssh_target import Target

CONNECT_SECONDS = 8
END_SECONDS = 2.0

_OPTIONS = (
    "BatchMode=yes",
    f"ConnectTimeout={CONNECT_SECONDS}",
    # A dead link is told after 4 s times 3, within the 15 s that are promised.
    "ServerAliveInterval=4",
    "ServerAliveCountMax=2",
    # One connection carries all; what the user's settings would add to it is left out.
    "ControlPersist=no",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
    "RequestTTY=no",
    # Without a terminal OpenSSH marks its packets as bulk, which slow links put off.
    "IPQoS=none",
    "LogLevel=INFO",
)


class SshCommand:
    """Builds the command lines for one target; `config` is an ssh_config of its own, or empty."""

    def __init__(self, target: Target, config: str = "") -> None:
        self.target = target
        self._config = config

    def master(self, socket: Path, command: str) -> list[str]:
        """The line of the one connection, which others use through `socket`."""
        line = ["ssh", *(["-F", self._config] if self._config else [])]
        for option in _OPTIONS:
            line += ["-o", option]
        if self.target.user:
            line += ["-l", self.target.user]
        if self.target.port:
            line += ["-p", str(self.target.port)]
        # Behind `--` nothing is read as an option.
        return [*line, "-M", "-S", str(socket), "--", self.target.host, command]

    def over(self, socket: Path, *options: str, command: str = "") -> list[str]:
        """The line of what uses the connection behind `socket`, and never makes one of its own."""
        line = ["ssh", "-F", "/dev/null", "-o", "BatchMode=yes", "-o", "ProxyCommand=false"]
        line += ["-o", "ControlMaster=no", "-S", str(socket), *options, "--", self.target.host]
        return [*line, *([command] if command else [])]

    def no_answer(self) -> Unreachable:
        """The error for a machine that says nothing."""
        return Unreachable(
            f"{self.target.shown} does not answer over SSH in time.",
            hint=f"Is it up, and does `{self.target.command}` get there?",
        )

    def failure(self, words: str) -> RopewayError:
        """The error behind what ssh said as it gave up."""
        lines = [line.strip() for line in words.splitlines() if line.strip()]
        shown, command = self.target.shown, self.target.command
        for pattern, kind, message, hint in _MEANINGS:
            if re.search(pattern, words, re.IGNORECASE):
                reason = _reason(lines, pattern)
                return kind(
                    message.format(shown=shown, reason=reason), hint=hint.format(command=command)
                )
        said = lines[-1] if lines else "it said nothing"
        return Unreachable(
            f"{shown} cannot be reached over SSH: {said.rstrip('.')}.",
            hint=f"Try `{command}` yourself.",
        )


_MEANINGS: tuple[tuple[str, type[RopewayError], str, str], ...] = (
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED",
        TokenRefused,
        "The host key of {shown} is not the one that this machine knows.",
        "Somebody may listen in. Ask its owner; `{command}` says which line to remove.",
    ),
    (
        r"Host key verification failed|host key is known for",
        TokenRefused,
        "The host key of {shown} is not known here.",
        "Run `{command}` once yourself and compare the key, then connect again.",
    ),
    (
        r"Permission denied|Too many authentication failures|no supported authentication",
        TokenRefused,
        "{shown} does not let you in without a question: {reason}.",
        "Run `{command}` once yourself: it must work without asking for a password. Use a key "
        "(`ssh-copy-id`), and `ssh-add` if it has a passphrase.",
    ),
    (
        r"Bad configuration option|Bad owner or permissions|terminating, \d+ bad|"
        r"Can't open user config",
        BadInput,
        "OpenSSH cannot read its settings: {reason}.",
        "Mend that file; `{command}` says the same.",
    ),
    (
        r"Could not resolve hostname",
        Unreachable,
        "{shown} cannot be reached over SSH: its name is not known.",
        "Check the spelling; a short name needs an entry in ~/.ssh/config.",
    ),
    (
        r"Connection refused",
        Unreachable,
        "{shown} cannot be reached over SSH: connection refused.",
        "Does an SSH server run there, on that port?",
    ),
    (
        r"timed out|No route to host|Network is unreachable|not responding",
        Unreachable,
        "{shown} cannot be reached over SSH: it does not answer.",
        "Is it up, and does `{command}` get there?",
    ),
)
"""What ssh says, and what we make of it; the first that fits."""


def _reason(lines: list[str], pattern: str) -> str:
    found = next((line for line in lines if re.search(pattern, line, re.IGNORECASE)), "")
    return found.partition(": ")[2].rstrip(".") or found.rstrip(".")


async def start(
    line: list[str], *, stdin: int = PIPE, stderr: int | Path, limit: int = 65536
) -> Process:
    """Start ssh, and whatever it starts itself, as one group. Raises `BadInput` without ssh."""
    with contextlib.ExitStack() as stack:
        err = stack.enter_context(stderr.open("wb")) if isinstance(stderr, Path) else stderr
        try:
            return await asyncio.create_subprocess_exec(
                *line, stdin=stdin, stdout=PIPE, stderr=err, limit=limit, start_new_session=True
            )
        except FileNotFoundError:
            raise BadInput(
                "There is no `ssh` on this machine.", hint="Install OpenSSH's client."
            ) from None


async def end(process: Process) -> None:
    """Leave nothing of a group that `start` started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), END_SECONDS)
    if process.stdin is not None:
        process.stdin.close()
