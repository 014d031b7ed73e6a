"""Runtimes at a URL: a plain Jupyter server, two kernel gateways, a pinned certificate."""

from __future__ import annotations

import re
import sys
from contextlib import AbstractContextManager, ExitStack
from typing import Any, ClassVar

from conformance.case import Case
from support.servers import Server, lent, plain_jupyter

_spare: dict[type[Case], tuple[Server, ExitStack]] = {}
"""Servers that a test has left well: the next one goes on with them."""


def end_spare() -> None:
    """Stop them."""
    while _spare:
        _spare.popitem()[1][1].close()


class PlainServer(Case):
    """A Jupyter server below a base URL, as a Hub runs one."""

    kind = "url"
    server_kind: ClassVar[str] = "server"
    base_url: ClassVar[str] = "/user/ann/"
    server: Server

    def start(self) -> None:
        """Start the server, unless a test before left it well."""
        self.server, self._stack = _spare.pop(type(self), None) or self._started()
        self.text, self.token = self.server.url, self.server.token

    def _started(self) -> tuple[Server, ExitStack]:
        stack = ExitStack()
        return stack.enter_context(self._serving()), stack

    def _serving(self) -> AbstractContextManager[Server]:
        python = str(self.ground or sys.executable)
        return plain_jupyter(
            self.folder / "there", base_url=self.base_url, kind=self.server_kind, python=python
        )

    def end(self) -> None:
        """Leave the server to the next test, if it runs."""
        if self.server.process.poll() is None:
            _spare[type(self)] = self.server, self._stack
        else:
            self._stack.close()

    def drop(self) -> None:
        """The server keeps its port and says nothing."""
        self.server.freeze()

    def restore(self) -> None:
        """It goes on."""
        self.server.thaw()

    def vanish(self) -> None:
        """Kill it."""
        self.server.kill()

    def wrong(self) -> tuple[str, str, dict[str, Any]]:
        """A token that it does not know."""
        return self.text, "wrong", {}


class KernelGateway(PlainServer):
    """A kernel gateway, which keeps the list of its kernels to itself."""

    server_kind = "gateway"
    base_url = "/"
    lists_kernels = False


class PinnedServer(PlainServer):
    """A runtime with a certificate of its own, known by its fingerprint."""

    def _serving(self) -> AbstractContextManager[Server]:
        there = self.folder / "there"
        there.mkdir()
        return lent(there, "--tls", "self-signed")

    def start(self) -> None:
        """Start the server."""
        super().start()
        found = re.search(r"sha256:[0-9A-F:]{95}", self.server.state["said"])
        assert found is not None
        self.options = {"fingerprint": found[0]}

    def wrong(self) -> tuple[str, str, dict[str, Any]]:
        """Another machine's certificate."""
        return self.text, self.token, {"fingerprint": "sha256:" + ":".join(["AB"] * 32)}


class EnterpriseGateway(KernelGateway):
    """Jupyter Enterprise Gateway, whose WebSocket speaks the older JSON form; local kernels."""

    needs = "enterprise_python"
    server_kind = "enterprise"
