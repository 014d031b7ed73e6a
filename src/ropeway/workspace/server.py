"""The workspace's web server: stock jupyter_server and JupyterLab, told what we need of them."""

from __future__ import annotations

import asyncio
import secrets
import signal
import ssl
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import nbformat
from jupyter_server.serverapp import ServerApp
from traitlets.config import Config as TraitletsConfig

from ropeway import config
from ropeway.certificates import Certificate
from ropeway.logs import hide_tokens
from ropeway.notebooks.welcome import WELCOME, welcome_notebook
from ropeway.workspace.provisioner import RuntimeProvisioner
from ropeway.workspace.public import PublicUrl, parse_public_url

PORT_RETRIES = 50


class WorkspaceServer(ServerApp):
    """jupyter_server that greets in our words."""

    greet: Callable[[WorkspaceServer], None] = staticmethod(lambda server: None)

    def start_app(self) -> None:
        """Begin to listen, and say so."""
        super().start_app()
        self.io_loop.add_callback(self.greet, self)  # behind the one that begins to listen

    def start_ioloop(self) -> None:
        """Serve until stopped, as a task that the loop runs until it is complete.

        At each hop into a thread anyio asks for such a task, and while there is none looks for it
        among all: reading a folder took four times as long with 500 kernels.
        """
        loop = self.io_loop.asyncio_loop
        serving = loop.create_task(asyncio.Event().wait())
        self.io_loop.add_callback(self._post_start)
        try:
            loop.run_until_complete(serving)
        except RuntimeError:
            if serving.done():
                raise  # else the loop was stopped, which is how a server ends
        except KeyboardInterrupt:
            self.log.info("interrupted")
        finally:
            serving.cancel()
            loop.run_until_complete(asyncio.gather(serving, return_exceptions=True))


def workspace_config(
    root: Path, settings: config.Config, page: str, certificate: Certificate | None = None
) -> TraitletsConfig:
    """The configuration of the workspace's server, page and kernels."""
    made = TraitletsConfig()
    public = parse_public_url(settings["workspace.public_url"])
    _configure_server(made, root, settings, page)
    _configure_tls(made, certificate, public)
    if public:
        _configure_proxy(made, public)
    _configure_page(made)
    _configure_kernels(made, root)
    return made


def _configure_server(
    made: TraitletsConfig, root: Path, settings: config.Config, page: str
) -> None:
    server = made.ServerApp
    server.root_dir = str(root)
    server.base_url = "/"
    server.ip = settings["workspace.host"]
    server.port = settings["workspace.port"]
    server.open_browser = settings["workspace.browser"]
    server.default_url = page
    server.allow_root = True
    server.jpserver_extensions = {"jupyterlab": True, "ropeway.workspace.app": True}
    server.reraise_server_extension_failures = True
    server.tornado_settings = {"compress_response": True}  # 7.2 MB of page become 2.05 MB
    server.contents_manager_class = "ropeway.workspace.contents.PortableContents"
    made.IdentityProvider.token = secrets.token_hex(24)
    made.Application.log_level = "WARN"


def _configure_tls(
    made: TraitletsConfig, certificate: Certificate | None, public: PublicUrl | None
) -> None:
    # Stated in any case, so that nobody's Jupyter configuration serves other files.
    made.ServerApp.certfile = str(certificate.certfile) if certificate else ""
    made.ServerApp.keyfile = str(certificate.keyfile) if certificate else ""
    if certificate:
        made.ServerApp.ssl_options = {"ssl_version": ssl.PROTOCOL_TLS_SERVER}
    if certificate or (public and public.is_https):
        # Stock makes the login cookie secure under TLS of its own, and the other one never.
        base = public.base if public else "/"
        made.IdentityProvider.secure_cookie = True
        made.ServerApp.tornado_settings["xsrf_cookie_kwargs"] = {"path": base, "secure": True}


def _configure_proxy(made: TraitletsConfig, public: PublicUrl) -> None:
    server = made.ServerApp
    server.base_url = public.base
    server.open_browser = False  # it would open the address behind the proxy
    if public.is_address:
        server.allow_remote_access = True
    else:  # the one more name in the Host header that is ours: others are still refused
        server.local_hostnames = ["localhost", public.host]


def _configure_page(made: TraitletsConfig) -> None:
    # Handed over here, so that installing the package switches nothing on elsewhere.
    made.LabServerApp.extra_labextensions_path = [str(files("ropeway") / "labextension")]
    made.LabApp.news_url = None
    made.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"


def _configure_kernels(made: TraitletsConfig, root: Path) -> None:
    kernels = config.private_dir(config.workspace_state_dir(root) / "kernels")
    made.ServerApp.kernel_spec_manager_class = "ropeway.workspace.specs.RuntimeSpecManager"
    made.RuntimeSpecManager.folder = str(kernels)
    made.ServerApp.kernel_manager_class = "ropeway.workspace.kernels.RuntimeKernelManager"
    made.ServerApp.kernel_websocket_connection_class = "ropeway.runtime.connection.PromptConnection"
    made.ZMQChannelsWebsocketConnection.limit_rate = False  # it drops output without a trace
    made.KernelRestarter.restart_limit = 0  # a runtime restarts its own kernels
    # The journal keeps what a page misses; stock would keep it in memory, without a bound.
    made.MappingKernelManager.buffer_offline_messages = False
    sessions = config.workspace_state_dir(root) / "sessions.sqlite"
    sessions.touch(mode=0o600)
    made.SessionManager.database_filepath = str(sessions)


def first_page(root: Path) -> str:
    """The page to open: the newest notebook in `root`, or a welcome notebook made there."""
    notebooks = [path for path in root.glob("*.ipynb") if path.is_file()]
    if notebooks:
        name = max(notebooks, key=lambda path: path.stat().st_mtime).name
    else:
        name = WELCOME
        try:
            nbformat.write(welcome_notebook(), root / name)
        except OSError:  # a folder that is only to be read
            return "/lab"
    return f"/doc/tree/{quote(name)}"


def serve(
    root: Path,
    settings: config.Config,
    page: str,
    *,
    retry_ports: bool,
    certificate: Certificate | None = None,
    greet: Callable[[WorkspaceServer], None],
) -> frozenset[str]:
    """Run the workspace until it is stopped; returns the runtimes whose kernels go on without it.

    Ctrl-C is for everything. The system that ends a session, or a terminal that is closed, means
    the workspace alone: what runs is taken up again by the next one.
    """
    made = workspace_config(root, settings, page, certificate)
    made.ServerApp.port_retries = PORT_RETRIES if retry_ports else 0
    app: Any = WorkspaceServer.instance(config=made)
    app.greet = greet
    app.initialize(argv=[])
    hide_tokens(app.log)
    # Stock asks first on a terminal, and elsewhere dies of Ctrl-C without a clean-up.
    signal.signal(signal.SIGINT, stopper(app))
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stopper(app, kernels_go_on=True))
    app.start()
    return RuntimeProvisioner.left


def stopper(app: Any, *, kernels_go_on: bool = False) -> Callable[[int, object], None]:
    """What a signal does: the first stops the server in order, the second at once."""

    def stop(number: int, frame: object) -> None:
        signal.signal(number, signal.default_int_handler)
        if kernels_go_on:
            RuntimeProvisioner.leave_running()
        app.stop(from_signal=True)

    return stop
