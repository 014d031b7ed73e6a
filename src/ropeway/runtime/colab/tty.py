"""`/colab/tty`: a terminal as Colab's tools speak with one, on stock Jupyter's terminals."""

from __future__ import annotations

import json
from typing import Any

from jupyter_server.auth.decorator import ws_authenticated
from jupyter_server_terminals.handlers import TermSocket
from tornado.websocket import WebSocketHandler

EXTENSION = "jupyter_server_terminals"


class TtyHandler(TermSocket):
    """A WebSocket with a shell of its own: `{"data"}` both ways, and `{"cols", "rows"}`.

    The shell ends with the socket.
    """

    _shell = ""

    def initialize(self) -> None:  # type: ignore[override]
        """Speak to the server's terminals."""
        super().initialize(EXTENSION, self.settings["terminal_manager"])

    @ws_authenticated  # type: ignore[untyped-decorator]
    async def get(self) -> None:
        """Open the WebSocket; stock's looks for a terminal that is there already."""
        await WebSocketHandler.get(self)

    def open(self) -> None:  # type: ignore[override]
        """Start a shell."""
        self.set_nodelay(True)
        folder = self.kernel_manager.root_dir
        self._shell = self.terminal_manager.create(cwd=folder)["name"]
        super().open(self._shell)

    def send_json_message(self, content: Any) -> None:
        """Say what the shell wrote, and nothing else of what Jupyter's pages are told."""
        kind, *rest = content
        if kind == "stdout":
            self.write_message(json.dumps({"data": rest[0]}))

    async def on_message(self, message: str | bytes) -> None:  # type: ignore[override]
        """Pass on what was typed, or how large the window is; anything else is left."""
        try:
            said = json.loads(message)
        except ValueError:
            return
        if not isinstance(said, dict):
            return
        if isinstance(said.get("data"), str):
            await super().on_message(json.dumps(["stdin", said["data"]]))
        if isinstance(said.get("cols"), int) and isinstance(said.get("rows"), int):
            await super().on_message(json.dumps(["set_size", said["rows"], said["cols"]]))

    def on_close(self) -> None:
        """End the shell."""
        super().on_close()
        manager = self.terminal_manager
        if self._shell in manager.terminals:
            loop = self.settings["serverapp"].io_loop
            loop.add_callback(manager.terminate, self._shell, force=True)
