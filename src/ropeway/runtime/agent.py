"""The agent: what a runtime gains where Ropeway is installed, a jupyter_server extension.

It measures the machine, keeps what kernels say until home has it (`home_link`), and leads to what
they serve (`served_ports`). A runtime without it works all the same.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web

from ropeway import wire
from ropeway.kernel.usage import usage
from ropeway.runtime.home_links import HomeLinkHandler, HomeLinks
from ropeway.runtime.served_ports import PATTERN, ServedPortHandler


class UsageHandler(APIHandler):
    """`GET /ropeway/agent/usage`: a `wire.Usage`."""

    auth_resource = "server"

    def initialize(self, folder: Path) -> None:
        """Keep the folder where the runtime's files lie: its disk is measured."""
        self.folder = folder

    @web.authenticated
    async def get(self) -> None:
        """Measure the machine and what its kernels hold."""
        found = await asyncio.to_thread(usage, self.folder, self._kernels())
        self.finish(json.dumps(wire.to_json(found)))

    def _kernels(self) -> dict[str, int]:
        """The processes of the kernels; one that is just being started has none."""
        manager = self.kernel_manager
        ids = manager.list_kernel_ids()
        pids = {each: getattr(manager.get_kernel(each).provisioner, "pid", None) for each in ids}
        return {each: pid for each, pid in pids.items() if pid}


class IdleHandler(APIHandler):
    """`GET /ropeway/agent/idle`: when this runtime ends by itself."""

    auth_resource = "server"

    def initialize(self, stop_idle: Callable[[], float]) -> None:
        """Keep who knows."""
        self.stop_idle = stop_idle

    @web.authenticated
    async def get(self) -> None:
        """`{"seconds"}` without a running cell after which it ends; 0: never."""
        self.finish(json.dumps({"seconds": self.stop_idle()}))


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "ropeway.runtime.agent"}]


def _load_jupyter_server_extension(server: Any) -> None:
    base = server.web_app.settings["base_url"]
    folder = {"folder": Path(server.root_dir)}
    server.home_links = HomeLinks(server.kernel_manager)
    links = {"links": server.home_links}
    kernel = r"/ropeway/agent/kernels/(\w+-\w+-\w+-\w+-\w+)"
    handlers = [
        (url_path_join(base, "/ropeway/agent/usage"), UsageHandler, folder),
        (url_path_join(base, "/ropeway/agent/idle"), IdleHandler, {"stop_idle": server.stop_idle}),
        (url_path_join(base, kernel), HomeLinkHandler, links),
        (url_path_join(base, PATTERN), ServedPortHandler, {}),
    ]
    server.web_app.add_handlers(".*$", handlers)
