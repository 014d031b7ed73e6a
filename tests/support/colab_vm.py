"""Colab as far as a runtime there needs it: a service that gives VMs, and Google's own program.

No Google account exists here. The service stands in for Google's; a VM of it is a real Jupyter
server behind a gate that wants what Google's proxy wants. The program is the real one, told to
speak to this service (`support/colab_program.py`); it is run by the tests' own Python, though it
asks for a newer one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from support.servers import PROGRAMS, Server

REQUIREMENTS = Path(__file__).with_name("colab_cli.txt")
LAUNCHER = Path(__file__).with_name("colab_program.py")
XSSI = ")]}'\n"


def install_program(cache: Path) -> Path:
    """The packages of Google's program that the tests' environment lacks, kept in `cache`."""
    done = cache / "installed.txt"
    packages = cache / "packages"
    if not done.is_file() or done.read_text() != REQUIREMENTS.read_text():
        shutil.rmtree(packages, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        pip += ["--no-deps", "--no-compile", "--ignore-requires-python", "--target", str(packages)]
        subprocess.run(
            [*pip, "-r", str(REQUIREMENTS)], check=True, capture_output=True, timeout=200
        )
        done.write_text(REQUIREMENTS.read_text())
    return packages


@dataclass
class Vm:
    """A VM that was given away, with the tokens that open it."""

    endpoint: str
    accelerator: str
    tokens: list[str] = field(default_factory=list)


class ColabVms:
    """The service. `url` is Colab's and that of its VMs; all of those are the one server."""

    def __init__(self, server: Server, packages: Path, folder: Path) -> None:
        self.vms: dict[str, Vm] = {}
        self.asked: list[str] = []
        """What the program asked, method and path."""
        self.refusal = 0
        """The status with which it gives no VM."""
        self.broken = False
        """Whether its VMs have no kernels to offer."""
        self.lifetime = 3600
        """Seconds for which a new token is said to be good."""
        self._server = server
        self._there = urlsplit(server.url)
        self._open: set[asyncio.StreamWriter] = set()
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._packages = packages
        self.program = folder / "colab"

    def start(self) -> None:
        """Listen, and write the program."""
        self._thread.start()
        assert self._up.wait(30)
        self.program.write_text(
            f"#!/bin/sh\nPYTHONPATH='{PROGRAMS}:{self._packages}' STAND_IN={self.url} "
            f"COLAB_CLI_RETRY_BACKOFF=0 exec '{sys.executable}' '{LAUNCHER}' \"$@\"\n"
        )
        self.program.chmod(0o700)

    def stop(self) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(30)

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        async with await asyncio.start_server(self._handle, "127.0.0.1", 0) as server:
            self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            self._up.set()
            await self._over.wait()
            await self._cut()

    def only_newest(self) -> None:
        """Earlier tokens have ended, and what was opened with them is cut."""
        for vm in self.vms.values():
            del vm.tokens[:-1]
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(10)

    async def _cut(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    # --- one connection, one request ------------------------------------------------------------

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gone = (OSError, asyncio.IncompleteReadError, asyncio.CancelledError, ValueError)
        with contextlib.suppress(*gone):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
            method, path, _ = head[0].split(" ")
            headers = {k.lower(): v.strip() for k, _, v in (h.partition(":") for h in head[1:])}
            if path.startswith("/tun/m/"):
                self.asked.append(f"{method} {path}")
                status, body = self._answer(method, path, headers)
                _say(writer, status, XSSI + json.dumps(body))
            elif refusal := self._refused(headers):
                _say(writer, refusal, "{}")
            elif self.broken and path != "/api":
                _say(writer, 404, "{}")
            else:
                await self._pass(f"{method} {self._path(path)} HTTP/1.1", headers, reader, writer)
        writer.close()

    def _answer(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, Any]:
        if not headers.get("authorization", "").startswith("Bearer "):
            return 401, {}
        what, _, query = path.removeprefix("/tun/m/").partition("?")
        if what == "assign" and method == "GET":
            return 200, {"acc": "NONE", "nbh": "n", "token": "xsrf", "variant": "DEFAULT"}
        if what == "assign":
            given = dict(pair.split("=") for pair in query.split("&"))
            return self._assign(headers, given.get("accelerator", "NONE"))
        if what == "assignments":
            return 200, {"assignments": [self._model(vm) for vm in self.vms.values()]}
        if what == "ccu-info":
            said = {"currentBalance": 12.5, "consumptionRateHourly": 1.76}
            return 200, {**said, "assignmentsCount": len(self.vms)}
        endpoint = what.removeprefix("unassign/")
        if method == "POST" and headers.get("x-goog-colab-token") == "xsrf":
            self.vms.pop(endpoint, None)
        return 200, {"token": "xsrf"}

    def _assign(self, headers: dict[str, str], accelerator: str) -> tuple[int, Any]:
        if self.refusal or headers.get("x-goog-colab-token") != "xsrf":
            return self.refusal or 403, {}
        vm = Vm(f"m-s-{secrets.token_hex(4)}", accelerator)
        self.vms[vm.endpoint] = vm
        return 200, self._model(vm)

    def _model(self, vm: Vm) -> dict[str, Any]:
        """As Colab tells it, each time with a fresh token."""
        vm.tokens.append(f"proxy-{secrets.token_hex(12)}")
        info = {"token": vm.tokens[-1], "tokenExpiresInSeconds": self.lifetime, "url": self.url}
        told = {"accelerator": vm.accelerator, "endpoint": vm.endpoint, "runtimeProxyInfo": info}
        return {**told, "variant": 0 if vm.accelerator == "NONE" else 1, "machineShape": 0}

    # --- the gate before the VMs ------------------------------------------------------------------

    def _refused(self, headers: dict[str, str]) -> int:
        token = headers.get("x-colab-runtime-proxy-token")
        known = any(token in vm.tokens for vm in self.vms.values())
        named = headers.get("x-colab-client-agent") == "ropeway"
        return 0 if known and named and "authorization" not in headers else 403

    def _path(self, path: str) -> str:
        """A VM has no base URL; what its server says of itself has that of the tests' one."""
        base = self._there.path
        return path if path.startswith(f"{base}/") else base + path

    async def _pass(
        self,
        line: str,
        headers: dict[str, str],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        kept = {k: v for k, v in headers.items() if k and not k.startswith("x-colab-")}
        kept["authorization"] = f"token {self._server.token}"
        if "upgrade" not in kept:
            kept["connection"] = "close"
        host, port = self._there.hostname, self._there.port
        there, back = await asyncio.open_connection(host, port)
        head = "\r\n".join([line, *(f"{k}: {v}" for k, v in kept.items())])
        back.write(f"{head}\r\n\r\n".encode("latin-1"))
        self._open |= {writer, back}
        try:
            await asyncio.gather(_copy(reader, back), _copy(there, writer, last=True))
        finally:
            self._open -= {writer, back}
            back.close()


async def _copy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, last: bool = False
) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        if last:
            writer.close()  # the answer is whole: who asked is not waited for


def _say(writer: asyncio.StreamWriter, status: int, body: str) -> None:
    head = f"HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\nConnection: close\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())


@contextmanager
def colab_vms(server: Server, packages: Path, folder: Path) -> Iterator[ColabVms]:
    """Colab, whose VMs are that server."""
    made = ColabVms(server, packages, folder)
    made.start()
    try:
        yield made
    finally:
        made.stop()


def signed_in(state: Path) -> None:
    """What a sign-in of a person's leaves in Ropeway's folder for Colab."""
    ends = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(time.time() + 3600))
    told = {"token": "bearer-secret", "refresh_token": "refresh-secret", "client_id": "id"}
    told |= {"client_secret": "secret", "token_uri": "https://127.0.0.1:1/", "expiry": ends}
    (state / "token.json").write_text(json.dumps(told))
