"""The workspace: Ropeway as an extension of a stock jupyter_server. Wiring only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_server.extension.application import ExtensionApp

from ropeway import config
from ropeway.link.dialer import PATH
from ropeway.link.listener import Link, Links
from ropeway.workspace.contents import PortableContents
from ropeway.workspace.handlers import HANDLERS
from ropeway.workspace.handlers.join import JoinHandler
from ropeway.workspace.home import Home
from ropeway.workspace.joining import tell_link
from ropeway.workspace.provisioner import RuntimeProvisioner
from ropeway.workspace.running import withdraw


class Workspace(ExtensionApp):
    """Gives the server its runtimes and data, and our REST interface."""

    name = "ropeway"
    extension_url = "/lab"
    home: Home
    links: Links

    def initialize_settings(self) -> None:
        """Bring the home up before the server listens, so that the page finds its kernels."""
        root = Path(self.serverapp.root_dir)
        self.home = Home(root, config.load(root))
        RuntimeProvisioner.home = self.home
        self.home.registry.on_removed = self._runtime_removed
        self.links = Links(self.home.joining.owner)
        self.links.changed = self._link_changed
        self.links.next_key = self.home.joining.next_key
        self.links.renewed = self.home.joining.renewed
        contents = self.serverapp.contents_manager
        if isinstance(contents, PortableContents):
            contents.specs = self.home.registry.specs
        self.serverapp.io_loop.run_sync(self.home.start)

    def initialize_handlers(self) -> None:
        """Our REST interface, and the doors at which runtimes dial in."""
        self.handlers.extend((url, handler, {"home": self.home}) for url, handler in HANDLERS)
        self.handlers.append((f"{PATH}/join", JoinHandler, {"joining": self.home.joining}))
        self.handlers.extend(self.links.handlers(PATH))

    def current_activity(self) -> bool:
        """A runtime is no activity."""
        return False

    async def stop_extension(self) -> None:
        """End kernels first, then the processes that they run on."""
        withdraw(self.home.root)
        try:
            await self.serverapp.kernel_manager.shutdown_all()
        finally:
            await self.links.aclose()
            await self.home.aclose()

    def _link_changed(self, link: Link) -> None:
        tell_link(link)
        runtime = self.home.registry.runtimes.get(link.name)
        if runtime is not None:
            runtime.wake.set()

    def _runtime_removed(self, runtime: Any) -> None:
        if runtime.name in self.links.links:
            self.serverapp.io_loop.add_callback(
                self.links.remove, runtime.name, "it was disconnected there"
            )
        for provisioner in list(RuntimeProvisioner.live.values()):
            provisioner.runtime_removed(runtime)


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": "ropeway.workspace.app", "app": Workspace}]
