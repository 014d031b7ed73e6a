"""The workspace: Ropeway as an extension of a stock jupyter_server. Wiring only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_server.extension.application import ExtensionApp

from ropeway import config
from ropeway.workspace.contents import PortableContents
from ropeway.workspace.handlers import HANDLERS
from ropeway.workspace.home import Home
from ropeway.workspace.provisioner import RuntimeProvisioner
from ropeway.workspace.running import announce, withdraw


class Workspace(ExtensionApp):
    """Gives the server its runtimes and data, and our REST interface."""

    name = "ropeway"
    extension_url = "/lab"
    home: Home

    def initialize_settings(self) -> None:
        """Bring the home up before the server listens, so that the page finds its kernels."""
        root = Path(self.serverapp.root_dir)
        self.home = Home(root, config.load(root))
        RuntimeProvisioner.serve(self.home)
        contents = self.serverapp.contents_manager
        if isinstance(contents, PortableContents):
            contents.specs = self.home.registry.specs
        self.serverapp.io_loop.run_sync(self.home.start)

    def initialize_handlers(self) -> None:
        """Our REST interface."""
        self.handlers.extend((url, handler, {"home": self.home}) for url, handler in HANDLERS)

    def current_activity(self) -> bool:
        """A runtime is no activity."""
        return False

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        """Once the server listens: say where, for the shell (mode 0600)."""
        announce(self.home.root, serverapp.connection_url, serverapp.identity_provider.token)

    async def stop_extension(self) -> None:
        """End kernels first, then the processes that they run on."""
        withdraw(self.home.root)
        try:
            await self.serverapp.kernel_manager.shutdown_all()
        finally:
            await self.home.aclose()


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": "ropeway.workspace.app", "app": Workspace}]
