"""The workspace: Ropeway as an extension of a stock jupyter_server. Wiring only."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import zmq
from jupyter_server.extension.application import ExtensionApp

from ropeway import config
from ropeway.link.dialer import PATH
from ropeway.link.link import Link
from ropeway.link.listener import Links
from ropeway.workspace.address import HERE
from ropeway.workspace.author import Author
from ropeway.workspace.auto_stop import stop_idle
from ropeway.workspace.contents import PortableContents
from ropeway.workspace.handlers import HANDLERS
from ropeway.workspace.handlers.join import JoinHandler
from ropeway.workspace.handlers.served_ports import SERVED
from ropeway.workspace.home import Home
from ropeway.workspace.joining import link_file, tell_link
from ropeway.workspace.journal import Journal
from ropeway.workspace.journal.tending import tend
from ropeway.workspace.kernels import RESTART, RestartHandler
from ropeway.workspace.news import News
from ropeway.workspace.ports import MOST_SOCKETS
from ropeway.workspace.provisioner import RuntimeProvisioner
from ropeway.workspace.reattach import reattach_all
from ropeway.workspace.recorder import Recorder
from ropeway.workspace.registry import Runtime
from ropeway.workspace.replay import Replays
from ropeway.workspace.running import withdraw
from ropeway.workspace.usage import sample
from ropeway.workspace.whose import Notebooks
from ropeway.workspace.widgets import Widgets
from ropeway.workspace.writings import Writings


class Workspace(ExtensionApp):
    """Gives the server its runtimes and data, and our REST interface."""

    name = "ropeway"
    extension_url = "/lab"
    home: Home
    links: Links
    journal: Journal
    author: Author
    widgets: Widgets
    tending: asyncio.Task[None]
    sampling: asyncio.Task[None]
    stopping: asyncio.Task[None]

    def initialize_settings(self) -> None:
        """Bring the home up before the server listens, so that the page finds its kernels."""
        root = Path(self.serverapp.root_dir)
        self.home = Home(root, config.load(root))
        RuntimeProvisioner.serve(self.home)
        self.home.colab["ropeway_unassign"] = self.serverapp.kernel_manager.unassign
        self._open_links()
        self.serverapp.kernel_manager.context.set(zmq.MAX_SOCKETS, MOST_SOCKETS)
        self._record()
        news = News(self.serverapp.event_logger)
        self.home.secrets.changed = lambda: news.tell("secrets")
        self.home.files.offers.changed = lambda: news.tell("offers")
        self.serverapp.io_loop.run_sync(self._start)

    async def _start(self) -> None:
        self.home.files.downloads.clear()
        await self.home.start()
        await reattach_all(self.home, self.journal, self.serverapp.kernel_manager)
        self.widgets.forget_others(self.serverapp.kernel_manager.list_kernel_ids())
        self.author.start()
        days, megabytes = (self.home.settings[f"journal.{key}"] for key in ("days", "megabytes"))
        self.tending = asyncio.create_task(tend(self.journal, days, megabytes * 1_000_000))
        every = self.home.settings["runtimes.refresh"]
        self.sampling = asyncio.create_task(sample(self.home.registry, every))
        self.stopping = asyncio.create_task(stop_idle(self.home.registry, every))

    def initialize_handlers(self) -> None:
        """Our REST interface, and the doors at which runtimes dial in."""
        self.handlers.extend((url, handler, {"home": self.home}) for url, handler in HANDLERS)
        self.handlers.append((RESTART, RestartHandler))
        self.handlers.append(SERVED)
        self.handlers.append((f"{PATH}/join", JoinHandler, {"joining": self.home.joining}))
        self.handlers.extend(self.links.handlers(PATH))

    def current_activity(self) -> bool:
        """A runtime is no activity."""
        return False

    async def stop_extension(self) -> None:
        """End kernels first, then the processes that they run on; or leave them all running."""
        withdraw(self.home.root)
        try:
            await self.serverapp.kernel_manager.shutdown_all()
        finally:
            await self.home.companions.aclose()  # while the journal is open
            await self.author.aclose(write=not RuntimeProvisioner.left)
            tasks = (self.tending, self.sampling, self.stopping)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.journal.close()
            self.widgets.close()
            await self.links.aclose()
            await self.home.aclose(keep_here=HERE in RuntimeProvisioner.left)

    def _record(self) -> None:
        """Keep what kernels say, and bring it into notebooks that no page has open."""
        kernels = self.serverapp.kernel_manager
        sessions = self.serverapp.session_manager

        def paths_of(kernel: str) -> list[str]:
            asked = "SELECT path FROM session WHERE kernel_id = ? AND type = 'notebook'"
            rows = sessions.cursor.execute(asked, (kernel,)).fetchall()
            return [str(row["path"]) for row in rows]

        def followed(kernel: str) -> bool | None:
            if kernel not in kernels:
                return None
            return bool(kernels._kernel_connections.get(kernel, 0) > 0)

        self.journal = Journal(self.home.state / "journal")
        self.home.recorder = Recorder(self.journal, Notebooks(self.home.root, paths_of), followed)
        self.home.replays = Replays(self.journal)
        self.home.widgets = self.widgets = Widgets(self.home.state / "widgets")
        contents = self.serverapp.contents_manager
        self.author = Author(self.journal, contents, followed)
        if isinstance(contents, PortableContents):
            contents.specs, contents.author = self.home.registry.specs, self.author
            contents.keeper = self.home.keeper
            contents.writings = Writings(self.home.state / "written.json")

    def _open_links(self) -> None:
        """Let invited runtimes dial in, and their kernels reach home's door."""
        self.links = Links(self.home.joining.owner)
        self.links.services["data"] = self.home.door.caller
        self.links.changed = self._link_changed
        self.links.next_key = self.home.joining.next_key
        self.links.renewed = self.home.joining.renewed
        self._leaving: set[asyncio.Future[None]] = set()
        told = self.home.registry.on_removed

        def removed(runtime: Runtime) -> None:
            told(runtime)
            if runtime.name in self.links.links:
                link_file(runtime.name).unlink(missing_ok=True)
                sent_away = self.links.remove(runtime.name, "it was disconnected there")
                leaving = asyncio.ensure_future(sent_away)
                self._leaving.add(leaving)
                leaving.add_done_callback(self._leaving.discard)

        self.home.registry.on_removed = removed

    def _link_changed(self, link: Link) -> None:
        try:
            tell_link(link, self.home.root)
        except OSError as error:
            self.log.warning("the link of %s cannot be told: %s", link.name, error)
        runtime = self.home.registry.runtimes.get(link.name)
        if runtime is not None:
            runtime.wake.set()


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": "ropeway.workspace.app", "app": Workspace}]
