"""A page's WebSocket to a kernel: the stock one, without Nagle's algorithm.

jupyter_server never switches it off, which costs 40 ms a cell together with delayed
acknowledgements. The workspace and the runtimes use the same class.
"""

from __future__ import annotations

from typing import Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection


class PromptConnection(ZMQChannelsWebsocketConnection):
    """The one class of the kernel services that ServerApp is told about."""

    def connect(self) -> Any:
        """Connect the kernel's channels to the WebSocket."""
        self.websocket_handler.set_nodelay(True)
        return super().connect()
