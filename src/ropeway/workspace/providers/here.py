"""The runtime on this machine: a process like any other runtime, so there is one code path.

It outlives a workspace that is killed, and the next one takes it over.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ropeway import config
from ropeway.errors import BadInput, Unreachable
from ropeway.workspace.address import HERE, Address
from ropeway.workspace.client import RuntimeClient
from ropeway.workspace.process import Server, ServerProcess
from ropeway.workspace.providers.provider import Provider, Site
from ropeway.workspace.remembered import Record


def here_process(root: Path) -> ServerProcess:
    """The process of the runtime `here` for the workspace at `root`."""
    state = config.workspace_state_dir(root) / "here.json"
    command = [sys.executable, "-m", "ropeway.runtime", str(root.resolve()), str(state)]
    return ServerProcess("runtime here", command, state, root)


def here_users(root: Path) -> config.Claim:
    """Shared by everybody who uses the runtime `here` of a folder; who is alone may end it."""
    return config.Claim(config.workspace_state_dir(root) / "here.lock")


class Here(Provider):
    """The runtime `here`, once its server answers; a leftover that does not is replaced."""

    kind = HERE

    def __init__(self, process: ServerProcess, site: Site) -> None:
        super().__init__(Record(HERE, "here://this machine", "", runtime_class=HERE), site)
        self._process = process
        self._server: Server | None = None
        if site.door:
            self.door = f"http://127.0.0.1:{site.door}"

    @classmethod
    def read(cls, text: str, token: str, options: dict[str, Any]) -> tuple[str, str]:
        """There is one, and it is connected."""
        raise BadInput("The runtime here is always connected.")

    async def reach(self) -> Address:
        """Start it once; one that ended later stays ended until somebody restarts it."""
        if self._server is None:
            self._server = await self._started()
        elif self._process.running() is None:
            raise Unreachable(
                "The runtime here has ended.", hint="Restart it: Connect ▸ Manage runtimes."
            )
        return _address(self._server)

    async def _started(self) -> Server:
        self._process.launch()
        server = await self._process.ready()
        try:
            await self._check(server)
        except Exception:  # noqa: BLE001 (whatever is wrong with it, a fresh one may be well)
            await self._process.stop()
            self._process.launch()
            server = await self._process.ready()
            await self._check(server)
        return server

    async def _check(self, server: Server) -> None:
        client = RuntimeClient(HERE, _address(server), self.site.timeout)
        try:
            await client.check()
        finally:
            await client.aclose()


def _address(server: Server) -> Address:
    return Address(server.url.rstrip("/"), server.token)
