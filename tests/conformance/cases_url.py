"""Runtimes at a URL: a plain Jupyter server, two kernel gateways, a pinned certificate."""

from __future__ import annotations

import re
import sys
from contextlib import ExitStack
from typing import Any, ClassVar

from conformance.case import Case
from support.servers import Server, lent, plain_jupyter


class PlainServer(Case):
    """A Jupyter server below a base URL, as a Hub runs one."""

    kind = "url"
    server_kind: ClassVar[str] = "server"
    base_url: ClassVar[str] = "/user/ann/"
    server: Server

    def start(self) -> None:
        """Start the server."""
        self._stack = ExitStack()
        python = str(self.ground or sys.executable)
        made = plain_jupyter(
            self.folder / "there", base_url=self.base_url, kind=self.server_kind, python=python
        )
        self.server = self._stack.enter_context(made)
        self.text, self.token = self.server.url, self.server.token

    def end(self) -> None:
        """Stop the server."""
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

    def start(self) -> None:
        """Start the server."""
        self._stack = ExitStack()
        there = self.folder / "there"
        there.mkdir()
        self.server = self._stack.enter_context(lent(there, "--tls", "self-signed"))
        self.text, self.token = self.server.url, self.server.token
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
