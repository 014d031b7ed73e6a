"""What a workspace is made of besides its web server: its runtimes and the road to its data.

The server in the browser and the headless `ropeway run` both stand on a `Home`.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from ropeway import config
from ropeway.data import ledger
from ropeway.data.ledger import Ledger
from ropeway.notebooks.keeper import Keeper
from ropeway.workspace.address import HERE
from ropeway.workspace.attempts import Attempts
from ropeway.workspace.colab import Answer
from ropeway.workspace.companions import Companions
from ropeway.workspace.data_service import DataService
from ropeway.workspace.door import Door
from ropeway.workspace.drive import Drive
from ropeway.workspace.files import Files
from ropeway.workspace.joining import Joining
from ropeway.workspace.providers import Site
from ropeway.workspace.providers.here import Here, here_process, here_users
from ropeway.workspace.recorder import Recorder
from ropeway.workspace.registry import Registry, Runtime
from ropeway.workspace.remembered import runtime_list
from ropeway.workspace.replay import Replays
from ropeway.workspace.secrets import Secrets
from ropeway.workspace.specs import SpecCache
from ropeway.workspace.widgets import Widgets

DOOR_SPARE = 300.0
"""Seconds that a connection through the door may be silent beyond the time of the longest query."""


class Home:
    """The runtimes and data of the workspace at `root`."""

    def __init__(self, root: Path, settings: config.Config) -> None:
        self.root = root.resolve()
        self.settings = settings
        self.state = config.workspace_state_dir(root)
        self.data = DataService(self.root)
        self.kernel_dir = config.private_dir(self.state / "kernels")
        self.door = Door(self.data, idle=settings["data.seconds"] + DOOR_SPARE)
        self.site = Site(settings["runtimes.timeout"], str(self.root))
        self.registry = Registry(
            runtime_list(),
            SpecCache(self.kernel_dir),
            refresh=settings["runtimes.refresh"],
            site=self.site,
        )
        self.attempts = Attempts(self.registry.connect)
        self.companions = Companions(self)
        self.joining = Joining()
        self.keeper = Keeper(root, settings)
        self.ledger = Ledger(ledger.folder_of(self.root))
        self.secrets = Secrets(self.root, self.ledger, self.followed)
        self.files = Files(self.root, self.state, self.ledger, self.followed)
        self.colab: dict[str, Answer] = {
            "GetSecret": self.secrets.get,
            "ropeway_view": self.files.view,
            "ropeway_drive": Drive(self.ledger, settings).mount,
        }
        """By type: what `google.colab` asks of home."""
        self.here = here_process(self.root)
        self.notebook = ""
        """The one notebook of a headless run, from the root; else the journal knows what runs."""
        self.recorder: Recorder | None = None
        """What keeps the kernels' messages; a headless run needs none."""
        self.widgets: Widgets | None = None
        """What their widgets show."""
        self.replays: Replays | None = None
        """What shows messages to the pages that missed them."""
        self._lock = asyncio.Lock()
        self._users: config.Claim | None = None

    async def start(self, *, with_here: bool = True) -> None:
        """Open the door, take the remembered runtimes in, and bring the runtime `here` up."""
        self.site = self.registry.site = replace(self.site, door=await self.door.open())
        if with_here:
            self._launch_here()
        await self.registry.start()
        if with_here:
            await self.registry.adopt(self._here())

    def followed(self, kernel: str) -> bool:
        """Whether a page is there that shows the notebook in whose name a kernel asks."""
        asker = self.companions.asks_for(kernel)
        return self.recorder is not None and bool(self.recorder.followed(asker))

    async def bring_here(self) -> None:
        """Bring the runtime `here` up, where this home did without it so far."""
        async with self._lock:
            if self._users is None:
                self._launch_here()
                await self.registry.adopt(self._here())

    def _launch_here(self) -> None:
        self._users = here_users(self.root)
        self._users.share()
        self.here.launch()

    async def restart_here(self) -> None:
        """End the runtime `here` with all its kernels and start it anew."""
        async with self._lock:
            await self.here.stop()
            await self.registry.replace(self._here())

    def _here(self) -> Runtime:
        return Runtime(HERE, lambda site: Here(self.here, site), self.site)

    async def aclose(self, *, keep_here: bool = False) -> None:
        """Let everything go; who leaves last ends the runtime `here`, unless it is to be kept."""
        await self.attempts.aclose()
        await self.companions.aclose()
        await self.registry.aclose()
        await self.door.aclose()
        await self.data.stop()
        if self._users is not None:
            if not keep_here and self._users.take():
                await self.here.stop()
            self._users.release()
            self._users = None
