"""Real servers as child processes: a plain Jupyter server, a kernel gateway, a workspace."""

from __future__ import annotations

import itertools
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

START_SECONDS = 120

PROGRAMS = Path(__file__).parent / "programs"
"""First on the path of workspaces, and on that of stock Jupyter's Python: what keeps both from work
that takes a second of a core at each start and is of no use to a test."""


@dataclass
class Server:
    """A running server: `url` ends without a slash."""

    url: str
    token: str
    process: subprocess.Popen[bytes]
    log: Path
    root: Path
    state: dict[str, Any] = field(default_factory=dict)

    def api(
        self, path: str, method: str = "GET", body: Any = None, token: str | None = None
    ) -> tuple[int, Any]:
        """One REST request; returns status and the decoded body."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {self.token if token is None else token}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read() or b"null")

    def kill(self) -> None:
        """Take it away without a word."""
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """Let it hang: it keeps its port and answers nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> int:
        """End it in order; returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode


_PORTS = itertools.cycle(range(start := 10_000 + os.getpid() % 100 * 200, start + 200))
"""Below those that the system lends, and other ones than those of tests in other processes."""


def free_port() -> int:
    """A port that is free, and that nobody gets who asks for any."""
    for port in _PORTS:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("the ports do not end")


def wait_for_port(process: subprocess.Popen[bytes], port: int, said: Path) -> None:
    """Wait until somebody listens there; `said` is where the process that shall writes."""
    end = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < end, said.read_text()
            time.sleep(0.02)
        else:
            return


def clean_environment(home: Path) -> dict[str, str]:
    """The environment of a new user: nothing of this machine's Jupyter or Ropeway."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "ROPEWAY", "JPY"))}
    home.mkdir(parents=True, exist_ok=True)
    return kept | {
        "HOME": str(home),
        "ROPEWAY_HOME": str(home / "ropeway"),
        "JUPYTER_CONFIG_DIR": str(home / "jupyter-config"),
        "JUPYTER_DATA_DIR": str(home / "jupyter-data"),
        "JUPYTER_RUNTIME_DIR": str(home / "jupyter-runtime"),
        "IPYTHONDIR": str(home / "ipython"),
        "PYTHONUNBUFFERED": "1",
    }


@contextmanager
def plain_jupyter(
    folder: Path,
    *,
    port: int = 0,
    token: str | None = None,
    base_url: str = "/",
    kind: str = "server",
    python: str = sys.executable,
    variables: dict[str, str] | None = None,
    options: tuple[str, ...] = (),
) -> Iterator[Server]:
    """A Jupyter server that never heard of Ropeway, run by `python`.

    `kind` may be "gateway", a kernel gateway, or "enterprise", an Enterprise Gateway.
    """
    port = port or free_port()
    token = secrets.token_hex(12) if token is None else token
    root = folder / "root"
    root.mkdir(parents=True, exist_ok=True)
    environment = clean_environment(folder / "home")
    if kind == "enterprise":
        # By default it starts nothing for root, who runs the tests in a container.
        environment |= {"EG_AUTH_TOKEN": token, "EG_UNAUTHORIZED_USERS": "nobody"}
        _offer_our_python(Path(environment["JUPYTER_DATA_DIR"]))
    command = [python, "-m", *_arguments(kind, port, token, root, base_url), *options]
    environment["PYTHONPATH"] = str(PROGRAMS)
    environment |= variables or {}
    log = folder / "server.log"
    with log.open("ab") as out:
        process = subprocess.Popen(command, cwd=root, env=environment, stdout=out, stderr=out)
    url = f"http://127.0.0.1:{port}{base_url.rstrip('/')}"
    server = Server(url, token, process, log, root)
    try:
        _wait_for(server, "/api")
        yield server
    finally:
        server.stop()


@contextmanager
def lent(folder: Path, *options: str, prefix: tuple[str, ...] = ()) -> Iterator[Server]:
    """A runtime as `ropeway runtime` starts it; `state["said"]` is what the command printed.

    `prefix` is a command that runs it, such as one that leads into another network.
    """
    process = subprocess.Popen(
        [*prefix, sys.executable, "-m", "ropeway", "runtime", "--port", "0", *options],
        env=clean_environment(folder / "home"),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    said = ""
    server = Server("", "", process, folder / "log", folder)
    try:
        while "Ctrl-C" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line.decode()
        server.url, server.token = re.findall(r"(https?://\S+)/\?token=(\w+)", said)[0]
        server.state["said"] = said
        yield server
    finally:
        server.stop()
        process.stdout.close()


@contextmanager
def workspace(
    home: Path,
    root: Path,
    *options: str,
    variables: dict[str, str] | None = None,
    state: Path | None = None,
) -> Iterator[Server]:
    """A workspace as a user starts it, with a home folder and environment variables of its own.

    `state` is where Ropeway keeps its files, by default below `home`.
    """
    root.mkdir(parents=True, exist_ok=True)
    state = state or home / "ropeway"
    environment = clean_environment(home) | {"SECRET_OF_HOME": "x", "ROPEWAY_HOME": str(state)}
    environment["PATH"] = f"{PROGRAMS}{os.pathsep}{environment['PATH']}"
    environment |= variables or {}
    command = [sys.executable, "-m", "ropeway", "up", str(root), "--no-browser", "--port", "0"]
    log = home / "workspace.log"
    with log.open("ab") as out:
        process = subprocess.Popen(
            [*command, *options], cwd=root, env=environment, stdout=out, stderr=out
        )
    server = Server("", "", process, log, root)
    try:
        told = _wait_for_state(server, state)
        server.url, server.token, server.state = told["url"].rstrip("/"), told["token"], told
        yield server
    finally:
        server.stop()


def _arguments(kind: str, port: int, token: str, root: Path, base_url: str) -> list[str]:
    if kind == "enterprise":
        app = "--EnterpriseGatewayApp"
        return ["enterprise_gateway", f"{app}.port={port}", f"{app}.port_retries=0"]
    if kind == "gateway":
        app = "--KernelGatewayApp"
        said = [f"{app}.port={port}", f"{app}.auth_token={token}", f"{app}.port_retries=0"]
        return ["kernel_gateway", *said]
    return [
        *("jupyter_server", "--no-browser", "--allow-root", "--ip=127.0.0.1"),
        *(f"--port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={root}"),
        *(f"--IdentityProvider.token={token}", f"--ServerApp.base_url={base_url}"),
        "--ServerApp.jpserver_extensions={}",
    ]


def _offer_our_python(data: Path) -> None:
    """The tests' own Python as the kernel of a server that another Python runs."""
    folder = data / "kernels" / "python3"
    folder.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Python 3", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec))


def _wait_for(server: Server, path: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            status, _ = server.api(path)
            assert status < 500
            return
        except (OSError, AssertionError):
            _fail_when_ended(server, deadline)
            time.sleep(0.05)


def _wait_for_state(server: Server, home: Path) -> dict[str, Any]:
    deadline = time.monotonic() + START_SECONDS
    while True:
        for path in home.glob("workspaces/*/workspace.json"):
            state: dict[str, Any] = json.loads(path.read_text())
            if state["pid"] == server.process.pid:
                return state
        _fail_when_ended(server, deadline)
        time.sleep(0.05)


def _fail_when_ended(server: Server, deadline: float) -> None:
    if server.process.poll() is not None or time.monotonic() > deadline:
        raise AssertionError(f"the server did not start:\n{server.log.read_text()[-3000:]}")
