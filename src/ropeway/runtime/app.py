"""A runtime: a Jupyter server on the lent machine, with the agent and nothing else."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import ssl
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from jupyter_server.serverapp import ServerApp
from traitlets.config import Config as TraitletsConfig

from ropeway.certificates import Certificate
from ropeway.errors import RopewayError
from ropeway.logs import hide_tokens
from ropeway.runtime.home_links import HomeLinks
from ropeway.runtime.idle import Idle
from ropeway.runtime.port import check_port, free_port

if TYPE_CHECKING:
    from ropeway.runtime.colab.mode import Colab

_OTHER_PORTS = 20
"""Ports that are tried where a free one is asked for and somebody else takes it first."""

_LONGEST_FOLDER = 55
"""A socket's path holds 107 characters, and a kernel's name takes 50 of them."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a runtime listens once it is up."""

    url: str
    token: str
    pid: int
    port: int = 0


class Companion(Protocol):
    """What runs beside the server, in its event loop, and may end it by an error."""

    async def run(self, listening: Listening) -> None:
        """Run until `stop`, or raise."""

    async def stop(self) -> None:
        """End it in order."""


class RuntimeServer(ServerApp):
    """jupyter_server that loads the agent alone, whatever else is installed beside it."""

    home_links: HomeLinks
    """Set by the agent."""

    stop_idle: Callable[[], float] = staticmethod(lambda: 0.0)
    """Seconds without a running cell after which it ends by itself; 0: never."""

    def find_server_extensions(self) -> None:
        """Leave out what the environment's other packages would switch on."""


def runtime_config(
    root: Path,
    host: str,
    port: int,
    token: str,
    retries: int,
    certificate: Certificate | None = None,
) -> TraitletsConfig:
    """The configuration of a runtime's Jupyter server."""
    config = TraitletsConfig()
    config.ServerApp.ip = host
    config.ServerApp.port = port
    config.ServerApp.port_retries = retries
    config.ServerApp.root_dir = str(root)
    config.ServerApp.base_url = "/"
    config.ServerApp.open_browser = False
    config.ServerApp.certfile = str(certificate.certfile) if certificate else ""
    config.ServerApp.keyfile = str(certificate.keyfile) if certificate else ""
    if certificate:
        config.ServerApp.ssl_options = {"ssl_version": ssl.PROTOCOL_TLS_SERVER}
    config.ServerApp.allow_root = True
    config.ServerApp.allow_remote_access = True  # the token guards it, whatever the Host header
    config.ServerApp.jpserver_extensions = {"ropeway.runtime.agent": True}
    connection = "ropeway.runtime.connection.PromptConnection"
    config.ServerApp.kernel_websocket_connection_class = connection
    config.ServerApp.kernel_manager_class = "ropeway.runtime.kernels.FolderKernelManager"
    config.ZMQChannelsWebsocketConnection.limit_rate = False
    config.IdentityProvider.token = token
    config.PasswordIdentityProvider.hashed_password = ""
    config.Application.log_level = "WARN"
    return config


def _let_kernels_use(folder: str, app: Any) -> None:
    """Speak to kernels through sockets in a private folder.

    Stock Jupyter picks five TCP ports for each kernel before the kernel takes them: on a busy
    machine somebody else does first, now and then, and the kernel dies. Nor can another user of
    the machine connect to a socket that lies in a private folder.
    """
    if os.name == "posix" and len(folder) <= _LONGEST_FOLDER:
        app.config.KernelManager.transport = "ipc"
        app.kernel_manager.connection_dir = folder


def serve(
    root: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    retries: int = 0,
    token: str = "",
    certificate: Certificate | None = None,
    idle: int = 0,
    stop_idle: Callable[[], float] | None = None,
    ended_idle: Callable[[float], None] = lambda seconds: None,
    started: Callable[[Listening], None],
    companion: Companion | None = None,
    colab: Colab | None = None,
) -> None:
    """Run a runtime until it is stopped; `started` hears once it listens.

    With `idle` it also ends after so many seconds without kernels and without requests, with
    `stop_idle` after so many in which no cell ran, whoever is connected (`idle.Idle`), which
    `ended_idle` then hears. `colab` lets Colab's page in. Raises `PortInUse`, and what the
    `companion` raises.
    """
    token = token or secrets.token_hex(24)
    if not retries:
        check_port(host, port)
    if not port:
        port, retries = free_port(host), max(retries, _OTHER_PORTS)
    made = runtime_config(root, host, port, token, retries, certificate)
    made.ServerApp.shutdown_no_activity_timeout = idle
    if colab:
        colab.configure(made, root)
    app: Any = RuntimeServer.instance(config=made)
    app.stop_idle = stop_idle or app.stop_idle
    app.initialize(argv=[])
    if colab:
        colab.let_in(app)
    hide_tokens(app.log)
    scheme = "https" if certificate else "http"
    url = f"{scheme}://{_shown_host(host)}:{app.port}/"
    listening = Listening(url, token, os.getpid(), app.port)
    running = _Running(app, companion)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: app.io_loop.add_callback_from_signal(running.leave))
    app.io_loop.add_callback(started, listening)  # behind the callback that begins to listen
    app.io_loop.add_callback(running.begin, listening)
    if stop_idle:
        app.io_loop.add_callback(running.end_when_idle, ended_idle)
    with tempfile.TemporaryDirectory(prefix="ropeway-") as folder:
        _let_kernels_use(folder, app)
        app.start()
    if running.error is not None:
        raise running.error


class _Running:
    """The server and its companion: when one ends, so does the other."""

    def __init__(self, app: Any, companion: Companion | None) -> None:
        self.error: RopewayError | None = None
        self._app = app
        self._companion = companion

    async def begin(self, listening: Listening) -> None:
        """Run the companion."""
        if self._companion is None:
            return
        try:
            await self._companion.run(listening)
        except RopewayError as error:
            self.error = error
            self._app.stop(from_signal=True)
        except Exception as error:  # noqa: BLE001 (a link that ends in silence helps nobody)
            self.error = RopewayError(f"The link to home ended: {error!r}.")
            self._app.stop(from_signal=True)

    async def end_when_idle(self, ended_idle: Callable[[float], None]) -> None:
        """End it once nobody has used it for so long."""
        app = self._app

        def stop(seconds: float) -> None:
            ended_idle(seconds)
            app.io_loop.add_callback(self.leave)

        await Idle(app.kernel_manager, app.stop_idle, stop, app.home_links.waiting).run()

    async def leave(self) -> None:
        """A signal came: end the companion, then the server."""
        if self._companion is not None:
            await self._companion.stop()
        self._app.stop(from_signal=True)


def state_text(listening: Listening) -> str:
    """What the state file of a runtime holds."""
    return json.dumps({"url": listening.url, "token": listening.token, "pid": listening.pid})


def _shown_host(host: str) -> str:
    if host in ("0.0.0.0", "::", "*", ""):  # noqa: S104 (asked for by the user)
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host
