"""The agent: what a runtime gains where Ropeway is installed, a jupyter_server extension.

For now it measures the machine and takes stock Jupyter's 40 ms and its rate limit away; a
runtime without it works all the same.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import APIHandler
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from jupyter_server.utils import url_path_join
from tornado import web

from ropeway import wire
from ropeway.runtime.probe import Probe


class PromptConnection(ZMQChannelsWebsocketConnection):
    """The stock connection without Nagle's algorithm and without dropping fast output."""

    def connect(self) -> Any:
        """Connect the kernel's channels to the WebSocket."""
        self.websocket_handler.set_nodelay(True)
        return super().connect()


class UsageHandler(APIHandler):
    """`GET /ropeway/agent/usage`: a `wire.Usage`."""

    auth_resource = "server"

    def initialize(self, probe: Probe) -> None:
        """Keep the probe."""
        self.probe = probe

    @web.authenticated
    async def get(self) -> None:
        """Measure the machine."""
        usage = await asyncio.to_thread(self.probe.usage)
        self.finish(json.dumps(wire.to_json(usage)))


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "ropeway.runtime.agent"}]


def _load_jupyter_server_extension(server: Any) -> None:
    probe = Probe(Path(server.root_dir))
    url = url_path_join(server.web_app.settings["base_url"], "/ropeway/agent/usage")
    server.web_app.add_handlers(".*$", [(url, UsageHandler, {"probe": probe})])
