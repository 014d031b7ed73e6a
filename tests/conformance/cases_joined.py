"""A runtime that dials a workspace: neither can be reached by the other but for that."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from conformance.case import Case
from ropeway.workspace.joining import Joining, told_link
from support.forwarder import forwarder
from support.joining import joining
from support.servers import Server, free_port, workspace


class JoinedRuntime(Case):
    """`ropeway runtime --join`, through a forwarder that can be frozen."""

    kind = "joined"
    joins = True
    work: Server

    def start(self) -> None:
        """A workspace of the same user, and a runtime that joined it as `far`."""
        self._stack = ExitStack()
        home = Path(os.environ["ROPEWAY_HOME"])
        self.work = self._stack.enter_context(
            workspace(self.folder / "w", self.folder / "files", state=home)
        )
        target = int(self.work.url.rsplit(":", 1)[1])
        self.between = self._stack.enter_context(forwarder(free_port(), target))
        _, self.invitation = Joining().invite("far", 600)
        self.runtime = self._stack.enter_context(
            joining(self.folder / "there", f"http://127.0.0.1:{self.between.port}", self.invitation)
        )
        wait_for_link("far")

    def end(self) -> None:
        """Stop all three."""
        self.between.thaw()
        self._stack.close()

    def drop(self) -> None:
        """What lies between says nothing any more."""
        self.between.freeze()

    def restore(self) -> None:
        """It goes on."""
        self.between.thaw()

    def vanish(self) -> None:
        """Kill the runtime."""
        self.runtime.kill()
        self.runtime.wait()

    def wrong(self) -> tuple[str, str, dict[str, Any]]:
        """Nobody can pretend that it joined."""
        return "join://far", "", {}


def wait_for_link(name: str, seconds: float = 30) -> None:
    """Wait until a runtime's link is up."""
    end = time.monotonic() + seconds
    while "url" not in told_link(name):
        assert time.monotonic() < end, "the runtime did not join"
        time.sleep(0.05)
