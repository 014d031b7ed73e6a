"""The peers of the kernel benchmarks: the same kernel reached in different ways, as real servers.

- `direct`: stock jupyter_server, spoken to by a stock client (Nagle's algorithm as it comes).
- `floor`: such a server with no-delay on every leg and nothing between: the best there is.
- `ropeway`: the stock server of `direct` as a runtime, through a workspace.
- `gateway-url`: jupyter_server with `--gateway-url` to it.
- `kernels-mixer`: jupyter_server with kernels-mixer to it.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from jupyter_server.services.kernels.connection.base import deserialize_binary_message

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.kernel_client import KernelClient
from support.servers import Server, clean_environment, free_port, workspace

NO_LIMITS = ["--ZMQChannelsWebsocketConnection.limit_rate=False"]
PEERS = ("direct", "floor", "ropeway", "gateway-url", "kernels-mixer")


class PromptClient(KernelClient):
    """A client that neither waits to send nor delays its acknowledgements."""

    async def __aenter__(self) -> PromptClient:
        await super().__aenter__()
        self._raw: socket.socket = self._socket.protocol.stream.socket
        return self

    async def receive(self) -> tuple[str, dict[str, Any]]:
        """The next message."""
        self._raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return await super().receive()


class StockClient(KernelClient):
    """A client as tornado makes it: Nagle's algorithm on."""

    async def __aenter__(self) -> StockClient:
        await super().__aenter__()
        self._socket.protocol.set_nodelay(False)
        return self


class JsonClient(StockClient):
    """The older JSON form, which is all that a gateway speaks to its clients."""

    def send(
        self,
        channel: str,
        kind: str,
        content: dict[str, Any],
        *,
        metadata: dict[str, Any] | None = None,
        buffers: list[bytes] | None = None,
    ) -> str:
        """Send a message; returns its id."""
        msg_id = uuid4().hex
        header = {"msg_id": msg_id, "msg_type": kind, "username": "b", "version": "5.3"}
        header |= {"session": self.session, "date": "2026-01-01T00:00:00Z"}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
        self._socket.write_message(json.dumps({**message, "channel": channel, "buffers": []}))
        return msg_id

    async def receive(self) -> tuple[str, dict[str, Any]]:
        """The next message."""
        data = await self._socket.read_message()
        if data is None:
            raise ConnectionError("the server hung up")
        message = json.loads(data) if isinstance(data, str) else deserialize_binary_message(data)
        return message["channel"], message


@contextmanager
def jupyter(
    folder: Path, *options: str, environment: dict[str, str] | None = None
) -> Iterator[Server]:
    """jupyter_server with extra options."""
    folder.mkdir(parents=True, exist_ok=True)
    port, token, log = free_port(), "benchmark-token", folder / "server.log"
    command = [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root"]
    command += [f"--port={port}", f"--IdentityProvider.token={token}", "--ip=127.0.0.1"]
    command += ["--ServerApp.jpserver_extensions={}", "--ServerApp.port_retries=0", *options]
    with log.open("ab") as out:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=clean_environment(folder / "home") | (environment or {}),
            stdout=out,
            stderr=out,
        )
    server = Server(f"http://127.0.0.1:{port}", token, process, log, folder)
    try:
        wait_for(server)
        yield server
    finally:
        server.stop()


def wait_for(server: Server) -> None:
    """Wait until a server answers."""
    for _ in range(600):
        try:
            server.api("/api")
            return
        except OSError:
            assert server.process.poll() is None, server.log.read_text()[-2000:]
            time.sleep(0.1)
    raise AssertionError("the server did not start")


@contextmanager
def servers(
    names: tuple[str, ...] = PEERS,
) -> Iterator[dict[str, tuple[Server, str, type[KernelClient]]]]:
    """Each peer as a server, the kernel to start on it and the client to use."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        remote = stack.enter_context(jupyter(folder / "remote", *NO_LIMITS))
        made: dict[str, tuple[Server, str, type[KernelClient]]] = {}
        for name in names:
            made[name] = stack.enter_context(_peer(name, folder / name, remote))
        yield made


@contextmanager
def _peer(
    name: str, folder: Path, remote: Server
) -> Iterator[tuple[Server, str, type[KernelClient]]]:
    to_remote = {"JUPYTER_GATEWAY_AUTH_TOKEN": remote.token}
    if name == "direct":
        yield remote, "python3", StockClient
    elif name == "floor":
        connection = "ropeway.runtime.connection.PromptConnection"
        prompt = f"--ServerApp.kernel_websocket_connection_class={connection}"
        with jupyter(folder, *NO_LIMITS, prompt) as server:
            yield server, "python3", PromptClient
    elif name == "ropeway":
        with workspace(folder, folder / "files") as server:
            body = {"url": remote.url, "token": remote.token, "name": "remote"}
            status, answer = server.api("/ropeway/api/runtimes", "POST", body)
            assert status == 201, answer
            yield server, "remote.python3", PromptClient
    elif name == "gateway-url":
        url = f"--gateway-url={remote.url}"
        with jupyter(folder, *NO_LIMITS, url, environment=to_remote) as server:
            yield server, "python3", JsonClient
    elif name == "kernels-mixer":
        with jupyter(folder, *NO_LIMITS, *_mixer(folder, remote), environment=to_remote) as server:
            yield server, _mixed_kernel(server), JsonClient


def _mixer(folder: Path, remote: Server) -> list[str]:
    """kernels-mixer by its own recipe, and the older wire form, without which no message passes."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "mixer_config.py"
    settings.write_text(
        "from kernels_mixer import configure_kernels_mixer\n"
        "c.ServerApp.open_browser = False\n"
        "try:\n    configure_kernels_mixer(c)\nexcept Exception:\n    pass\n"
        f"c.GatewayClient.url = {remote.url!r}\n"
        f"c.GatewayClient.auth_token = {remote.token!r}\n"
        "c.DelegatingWebsocketConnection.kernel_ws_protocol = ''\n"
    )
    return [f"--config={settings}"]


def _mixed_kernel(server: Server) -> str:
    specs = server.api("/api/kernelspecs")[1]["kernelspecs"]
    return next((name for name in specs if name != "python3"), "python3")


def write_results(name: str, rows: list[dict[str, Any]]) -> None:
    """Append a run's rows as JSON lines, so that `BENCHMARKS.md` can be made again."""
    path = Path(__file__).with_name("results") / f"{name}.jsonl"
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row) + "\n")


def cores() -> int:
    """How many cores this machine lends us."""
    return len(os.sched_getaffinity(0))
