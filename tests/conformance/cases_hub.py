"""A user's server at a JupyterHub."""

from __future__ import annotations

import signal
from typing import Any, ClassVar

from conformance.case import Case
from support.hub import Hub


class HubServer(Case):
    """A server with a name, which connecting starts, behind the Hub's own proxy."""

    kind = "hub"
    stoppable = True
    needs = "hub"
    name: ClassVar[str] = "gpu"
    ground: Hub

    def start(self) -> None:
        """The Hub runs; who connects has the server started, unless a test before left it well."""
        self.user = self.ground.spare.pop() if self.ground.spare else self.ground.users.pop()
        self.text, self.token = f"hub+{self.ground.url}", self.ground.token(self.user)
        self.options = {"server": self.name, "profile": "small"}

    def end(self) -> None:
        """Leave the server to the next test, if it runs; the Hub ends it."""
        self.restore()
        if not self.stopped():
            self.ground.spare.append(self.user)

    def drop(self) -> None:
        """The proxy says nothing: neither Hub nor server can be heard of."""
        self.ground.proxy.send_signal(signal.SIGSTOP)

    def restore(self) -> None:
        """It goes on."""
        self.ground.proxy.send_signal(signal.SIGCONT)

    def vanish(self) -> None:
        """Kill the server."""
        server = self.ground.server(self.user, self.name)
        assert server is not None
        server.kill()

    def wrong(self) -> tuple[str, str, dict[str, Any]]:
        """A token of nobody."""
        return self.text, "wrong", self.options

    def stopped(self) -> bool:
        """Whether the server's process has ended."""
        return self.ground.server(self.user, self.name) is None
