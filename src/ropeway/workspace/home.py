"""What a workspace is made of besides its web server: its runtimes and the road to its data.

The server in the browser and the headless `ropeway run` both stand on a `Home`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from ropeway import config
from ropeway.workspace.data_service import DataService
from ropeway.workspace.here import here_process, here_runtime, here_users
from ropeway.workspace.registry import Registry
from ropeway.workspace.remembered import runtime_list
from ropeway.workspace.specs import SpecCache


class Home:
    """The runtimes and data of the workspace at `root`."""

    def __init__(self, root: Path, settings: config.Config) -> None:
        self.root = root.resolve()
        self.state = config.workspace_state_dir(root)
        self.data = DataService(self.root)
        self.kernel_dir = config.private_dir(self.state / "kernels")
        self.registry = Registry(
            runtime_list(),
            SpecCache(self.kernel_dir),
            refresh=settings["runtimes.refresh"],
            timeout=settings["runtimes.timeout"],
        )
        self.here = here_process(self.root)
        self._timeout: float = settings["runtimes.timeout"]
        self._lock = asyncio.Lock()
        self._users: config.Claim | None = None

    async def start(self, *, with_here: bool = True) -> None:
        """Take the remembered runtimes in, and bring the runtime `here` up."""
        if with_here:
            self._users = here_users(self.root)
            self._users.share()
            self.here.launch()
        await self.registry.start()
        if with_here:
            await self.registry.adopt(await here_runtime(self.here, self._timeout))

    async def restart_here(self) -> None:
        """End the runtime `here` with all its kernels and start it anew."""
        async with self._lock:
            await self.here.stop()
            runtime = await here_runtime(self.here, self._timeout)
            await self.registry.replace(runtime)

    async def aclose(self) -> None:
        """Let everything go; who leaves last ends the runtime `here`."""
        await self.registry.aclose()
        await self.data.stop()
        if self._users is not None:
            if self._users.take():
                await self.here.stop()
            self._users.release()
            self._users = None
