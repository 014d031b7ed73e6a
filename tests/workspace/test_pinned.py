"""Runtimes with a pinned certificate: REST and WebSocket go to that one and to no other."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ropeway.errors import BadInput, CertificateRefused
from ropeway.frames import Frame
from ropeway.workspace.address import Address
from ropeway.workspace.client import RuntimeClient
from ropeway.workspace.connect import check_and_remember
from ropeway.workspace.remembered import runtime_list
from ropeway.workspace.uplink import State, Uplink
from support.servers import Server
from support.tls import Authority, recorder

TOKEN = "the-token-that-nobody-else-may-hear"


class Nobody:
    """Who listens to a link and does not care."""

    def frame_received(self, frame: Frame, number: int) -> None:
        """A message came."""

    def output_may_be_missing(self, since: float, until: float) -> None:
        """A link had died."""

    def link_changed(self, state: State) -> None:
        """The link changed."""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority of the test's own."""
    return Authority(tmp_path)


async def test_the_pin_is_remembered(authority: Authority) -> None:
    """A runtime that was connected with a fingerprint keeps it among its options."""
    files = authority.issue("box")
    options = {"fingerprint": files.fingerprint}
    async with recorder(files) as server:
        record = await check_and_remember(
            runtime_list(), server.url, TOKEN, "box", options=options, timeout=5
        )
    assert record.options == options
    assert runtime_list().read()["box"] == record


async def test_a_wrong_pin_is_refused_before_the_token_is_sent(authority: Authority) -> None:
    """Connecting to another certificate names both, sends nothing and remembers nothing."""
    pinned, other = authority.issue("pinned"), authority.issue("other")
    async with recorder(other) as server:
        with pytest.raises(CertificateRefused) as caught:
            await check_and_remember(
                runtime_list(),
                server.url,
                TOKEN,
                "box",
                options={"fingerprint": pinned.fingerprint},
                timeout=5,
            )
        await asyncio.sleep(0.1)
        assert server.heard == b""
    assert pinned.fingerprint in caught.value.message
    assert other.fingerprint in caught.value.message
    assert runtime_list().read() == {}


async def test_a_certificate_that_changes_after_the_first_look(authority: Authority) -> None:
    """A server whose certificate is exchanged after the look hears nothing on the WebSocket."""
    pinned, other = authority.issue("pinned"), authority.issue("other")
    async with recorder(pinned) as server:
        client = RuntimeClient("box", Address(server.url, TOKEN, pinned.fingerprint), 5)
        await client.check()
        assert TOKEN.encode() in server.heard
        heard = server.heard
        server.context.load_cert_chain(other.certfile, other.keyfile)
        link = Uplink(client, "k", Nobody())
        link.start()
        try:
            await asyncio.sleep(1.5)  # it dials several times
            assert link.state == "down"
            assert server.heard == heard
        finally:
            await link.aclose()
            await client.aclose()
        fresh = RuntimeClient("box", Address(server.url, TOKEN, pinned.fingerprint), 5)
        with pytest.raises(CertificateRefused):
            await fresh.check()
        await fresh.aclose()
        assert server.heard == heard


async def test_a_pin_is_never_shared(authority: Authority) -> None:
    """A client whose pin changes does not use the connections that stood under the old one."""
    files, other = authority.issue("box"), authority.issue("other")
    async with recorder(files) as server:
        client = RuntimeClient("box", Address(server.url, TOKEN, files.fingerprint), 5)
        await client.check()
        client.address = Address(server.url, TOKEN, other.fingerprint)
        with pytest.raises(CertificateRefused):
            await client.check()
        await client.aclose()


async def test_a_pin_without_tls_is_told() -> None:
    """A fingerprint for an http:// address is a mistake: it would guard nothing."""
    options = {"fingerprint": "sha256:" + ":".join(["AB"] * 32)}
    for url in ("http://box:9999", "box:9999"):
        with pytest.raises(BadInput, match="https://"):
            await check_and_remember(runtime_list(), url, TOKEN, "box", options=options, timeout=5)


def test_the_page_can_pin_too(work: Server) -> None:
    """The REST interface takes a fingerprint, and refuses what is none."""
    body = {"url": "https://127.0.0.1:9/", "token": "t", "name": "far", "fingerprint": "AB"}
    status, answer = work.api("/ropeway/api/runtimes", "POST", body)
    assert status == 400
    assert "fingerprint" in answer["message"]
