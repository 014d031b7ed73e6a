"""A machine that SSH reaches: a real sshd with keys, a port and a home folder of its own."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from support.servers import free_port

SSHD = "/usr/sbin/sshd"
ALIAS = "gpu-box"
"""What the machine is called in the ssh_config that leads to it."""

_KEEPERS = ("sh", "bash", "cat", "sleep")
_PASSED = ("PIP_", "UV_", "HTTP", "NO_PROXY", "SSL_", "http", "no_proxy")
"""What a machine may know of the package index: it reaches the same one as this machine."""


class FarMachine:
    """An sshd on `address`. `start` it, `end` it, in a folder of its own.

    `prepared` is the home of a machine where a runtime was installed: it is there as well.
    """

    def __init__(
        self, folder: Path, *, prepared: Path | None = None, address: str = "127.0.0.1"
    ) -> None:
        self.folder = folder
        self.home = folder / "far-home"
        self.state = self.home / ".local/share/ropeway"
        self.config = folder / "ssh_config"
        self.log = folder / "sshd.log"
        self.address = address
        self.prepared = prepared
        self.variables: dict[str, str] = {
            name: value for name, value in os.environ.items() if name.startswith(_PASSED)
        }
        self.path = f"{sys.base_prefix}/bin:/usr/bin:/bin"
        self.options: list[str] = []
        """More lines of sshd_config."""
        self.port = free_port()
        self._sshd: subprocess.Popen[bytes] | None = None

    def start(self, *prefix: str) -> None:
        """Make what it needs, and listen; `prefix` is a command that runs the sshd."""
        self.state.mkdir(parents=True, mode=0o700)
        # A login shell that talks disturbs nobody.
        (self.home / ".bashrc").write_text("echo Welcome to the cluster\necho quota: 3% >&2\n")
        if self.prepared is not None:
            there = self.prepared / ".local/share/ropeway/runtime"
            (self.state / "runtime").symlink_to(there)
        for name in ("host_key", "key", "other_key"):
            _make_key(self.folder / name)
        (self.folder / "authorized_keys").write_bytes((self.folder / "key.pub").read_bytes())
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        self._write_settings()
        self.write_client_config(self.config)
        with self.log.open("ab") as log:
            command = [*prefix, SSHD, "-D", "-e", "-f", str(self.folder / "sshd_config")]
            self._sshd = subprocess.Popen(command, stdout=log, stderr=log)
        self._wait()

    def write_client_config(self, path: Path, *, key: str = "key", known: bool = True) -> None:
        """An ssh_config that leads here, perhaps with a key or a host key that do not fit."""
        hosts = self.folder / f"known_hosts-{path.name}"
        host_key = (self.folder / "host_key.pub").read_text()
        hosts.write_text(f"[{self.address}]:{self.port} {host_key}" if known else "")
        path.write_text(
            f"Host {ALIAS}\n  HostName {self.address}\n  Port {self.port}\n"
            f"  User {getpass.getuser()}\n  IdentityFile {self.folder / key}\n"
            f"  IdentitiesOnly yes\n  IdentityAgent none\n  UserKnownHostsFile {hosts}\n"
            "  GlobalKnownHostsFile /dev/null\n"
        )

    def ssh(self, command: str) -> str:
        """Run a command there; returns what it wrote."""
        line = ["ssh", "-F", str(self.config), "-o", "BatchMode=yes", ALIAS, command]
        return subprocess.run(line, capture_output=True, text=True, timeout=30, check=True).stdout

    def freeze(self) -> None:
        """Keep all connections open and say nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on."""
        self._signal(signal.SIGCONT)

    def hang_up(self) -> None:
        """Cut all connections; new ones are welcome."""
        assert self._sshd is not None
        for process in psutil.Process(self._sshd.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def stop_listening(self) -> None:
        """Kill the sshd with its connections."""
        if self._sshd is not None:
            self._signal(signal.SIGKILL)
            self._sshd.wait()
            self._sshd = None

    def servers(self) -> list[dict[str, Any]]:
        """What the state files of its runtimes say."""
        found = self.state.glob("workspaces/*/detached-*.json")
        return [json.loads(path.read_text()) for path in found]

    def processes(self, *, connections: bool = True) -> list[psutil.Process]:
        """What runs there; without `connections` what is no part of one."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                own = process.environ().get("HOME") == str(self.home)
                dead = process.status() == psutil.STATUS_ZOMBIE
                if own and not dead and (connections or process.name() not in _KEEPERS):
                    found.append(process)
        return found

    def home_side(self) -> list[psutil.Process]:
        """The `ssh` processes on this side that lead there."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.name() == "ssh" and str(self.config) in process.cmdline():
                    found.append(process)
        return found

    def end(self) -> None:
        """Leave nothing behind."""
        self.stop_listening()
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def _write_settings(self) -> None:
        variables = self.variables | {"HOME": str(self.home), "PATH": self.path}
        pairs = " ".join(f'"{name}={value}"' for name, value in variables.items())
        lines = [
            f"ListenAddress {self.address}:{self.port}",
            f"HostKey {self.folder / 'host_key'}",
            f"AuthorizedKeysFile {self.folder / 'authorized_keys'}",
            f"PidFile {self.folder / 'sshd.pid'}",
            f"SetEnv {pairs}",
            "PermitRootLogin prohibit-password",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "StrictModes no",
            "UsePAM no",
            "MaxStartups 100",
            *self.options,
        ]
        (self.folder / "sshd_config").write_text("\n".join(lines) + "\n")

    def _signal(self, number: signal.Signals) -> None:
        assert self._sshd is not None
        top = psutil.Process(self._sshd.pid)
        for process in (top, *top.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                # What the far user runs is no part of the connection: only sshd's own processes.
                if process.name() == "sshd":
                    process.send_signal(number)

    def _wait(self) -> None:
        deadline = time.monotonic() + 10
        while "Server listening" not in self.log.read_text():
            assert self._sshd is not None
            ended = self._sshd.poll() is not None or time.monotonic() > deadline
            assert not ended, f"the sshd did not start:\n{self.log.read_text()}"
            time.sleep(0.02)


def _make_key(path: Path) -> None:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)]
    subprocess.run(command, check=True, timeout=30)
