"""Pinned certificates, against servers that show the wrong one."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tornado import web
from tornado.httpclient import HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.websocket import WebSocketHandler, websocket_connect

from ropeway import tls
from ropeway.errors import BadInput
from support.tls import Authority, Files, recorder

THIEF = Path(__file__).parent / "support" / "thief.py"
TOKEN = "the-token-that-nobody-else-may-hear"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority of the test's own."""
    return Authority(tmp_path)


@pytest.fixture
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[Authority]:
    """An authority whom this machine trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    tls.trusted_authorities.cache_clear()
    yield authority
    tls.trusted_authorities.cache_clear()


async def ask(url: str, fingerprint: str) -> int:
    """A request with a token, as the REST client makes it."""
    async with httpx.AsyncClient(verify=tls.context_for(fingerprint), trust_env=False) as client:
        answer = await client.get(url, headers={"Authorization": f"token {TOKEN}"}, timeout=10)
        return answer.status_code


@pytest.mark.parametrize("form", ["{}", "{} ", "SHA256:{}", "sha256 Fingerprint={}", "plain"])
def test_a_fingerprint_is_read_in_every_usual_form(form: str) -> None:
    """What openssl, a browser or Ropeway prints is understood, and shown in one form."""
    digits = ":".join(["AB", "0C"] * 16)
    text = digits.replace(":", "").lower() if form == "plain" else form.format(digits)
    assert tls.parse_fingerprint(text) == f"sha256:{digits}"


@pytest.mark.parametrize("text", ["", "sha256:", "AB:CD", "sha1:" + "AB" * 32, "AB" * 33, "x" * 64])
def test_what_is_no_fingerprint_is_told(text: str) -> None:
    """Half a fingerprint pins nothing: it is refused."""
    with pytest.raises(BadInput, match="not the fingerprint"):
        tls.pinned_context(text)


async def test_the_pinned_certificate_needs_no_authority(authority: Authority) -> None:
    """A certificate that no one vouches for, made out for another host, is accepted when pinned."""
    files = authority.issue("box", "elsewhere.example")
    async with recorder(files) as server:
        assert await ask(server.url, files.fingerprint) == 200
        assert TOKEN.encode() in server.heard


async def test_another_certificate_never_hears_the_token(authority: Authority) -> None:
    """A server with another certificate gets no byte of the request."""
    pinned, other = authority.issue("pinned"), authority.issue("other")
    async with recorder(other) as server:
        with pytest.raises(httpx.ConnectError) as caught:
            await ask(server.url, pinned.fingerprint)
        await asyncio.sleep(0.1)
        assert server.heard == b""
        refused = await tls.refusal(server.url, caught.value)
    assert refused is not None
    assert pinned.fingerprint in refused.message
    assert other.fingerprint in refused.message
    assert TOKEN not in str(refused)


async def test_a_trusted_authority_does_not_help_the_wrong_certificate(trusted: Authority) -> None:
    """Under a pin a certificate that everybody trusts is refused all the same."""
    pinned, other = trusted.issue("pinned"), trusted.issue("other")
    async with recorder(other) as server:
        assert await ask(server.url, "") == 200
        heard = server.heard
        with pytest.raises(httpx.ConnectError):
            await ask(server.url, pinned.fingerprint)
        await asyncio.sleep(0.1)
        assert server.heard == heard


async def test_what_a_pinned_authority_signs_is_not_pinned(
    tmp_path: Path, authority: Authority
) -> None:
    """Who pins an authority's certificate does not trust what that signs."""
    signed = authority.issue("signed")
    root = Files(authority.path, authority.path)
    async with recorder(signed) as server:
        with pytest.raises(httpx.ConnectError):
            await ask(server.url, root.fingerprint)
        await asyncio.sleep(0.1)
        assert server.heard == b""


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("stolen", [False, True], ids=["its own", "another's"])
async def test_a_copied_certificate_is_worth_nothing(
    authority: Authority, version: str, stolen: bool
) -> None:
    """Who shows the pinned certificate must hold its key: a copy of it hears no token."""
    pinned, other = authority.issue("pinned", rsa=True), authority.issue("other", rsa=True)
    key = other.keyfile if stolen else pinned.keyfile
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, THIEF, pinned.certfile, key, version), stdout=subprocess.PIPE
    )
    assert server.stdout is not None
    try:
        port = int(await asyncio.wait_for(server.stdout.readline(), 20))
        with pytest.raises(httpx.HTTPError):  # it answers nothing in either case
            await ask(f"https://127.0.0.1:{port}/", pinned.fingerprint)
        heard = await asyncio.wait_for(server.stdout.readline(), 20)
        assert heard.startswith(b"nothing" if stolen else b"heard")
    finally:
        server.kill()
        await server.wait()


async def test_without_a_pin_the_error_says_how_to_pin(authority: Authority) -> None:
    """An untrusted certificate is refused with its fingerprint, and nothing is sent to look."""
    files = authority.issue("box")
    async with recorder(files) as server:
        with pytest.raises(httpx.ConnectError) as caught:
            await ask(server.url, "")
        refused = await tls.refusal(server.url, caught.value)
        assert refused is not None
        assert files.fingerprint in refused.message
        assert f"--fingerprint {files.fingerprint}" in refused.hint
        assert "SSL_CERT_FILE" in refused.hint
        assert server.heard == b""


async def test_other_failures_are_no_matter_of_certificates() -> None:
    """A refused connection or a plain HTTP server is not told as a certificate's fault."""
    assert await tls.refusal("https://127.0.0.1:1", ConnectionRefusedError()) is None


async def test_tornado_is_pinned_too(authority: Authority) -> None:
    """A WebSocket is dialled to the pinned certificate, and to no other."""
    pinned, other = authority.issue("pinned"), authority.issue("other")
    async with websocket_server(pinned) as url:
        socket = await dial(url, pinned.fingerprint)
        await socket.write_message("x")
        assert await socket.read_message() == "x"
        socket.close()
        assert await socket.read_message() is None
        with pytest.raises(tls.WrongCertificate):
            await dial(url, other.fingerprint)


async def test_a_pinned_connection_carries_much(authority: Authority) -> None:
    """Some megabytes cross a pinned connection both ways unharmed."""
    files = authority.issue("box")
    text = "ropeway" * 500_000
    async with websocket_server(files) as url:
        socket = await dial(url, files.fingerprint)
        await socket.write_message(text)
        assert await asyncio.wait_for(socket.read_message(), 30) == text
        socket.close()
        assert await socket.read_message() is None


def test_nothing_passes_before_the_certificate_was_checked(authority: Authority) -> None:
    """OpenSSL would shake hands within the first write: an unchecked connection refuses it."""
    files = authority.issue("box")
    here, there = socket.socketpair()
    with here, there:
        context = tls.pinned_context(files.fingerprint)
        client = context.wrap_socket(here, do_handshake_on_connect=False)
        for attempt in (client.send, client.sendall, client.write):
            with pytest.raises(tls.WrongCertificate):
                attempt(b"token")
        with pytest.raises(tls.WrongCertificate):
            client.recv(1)
        there.setblocking(False)
        with pytest.raises(BlockingIOError):
            there.recv(1)
        client.close()
    memory = context.wrap_bio(ssl.MemoryBIO(), outgoing := ssl.MemoryBIO())
    with pytest.raises(tls.WrongCertificate):
        memory.write(b"token")
    assert outgoing.pending == 0


def test_it_needs_the_standard_library_alone() -> None:
    """The module loads neither Jupyter nor tornado nor httpx: a link's dialer uses it too."""
    code = "import sys, json, ropeway.tls; print(json.dumps(sorted(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    loaded = set(json.loads(ran.stdout))
    assert not loaded & {"jupyter_server", "tornado", "httpx", "cryptography", "psutil"}


@asynccontextmanager
async def websocket_server(files: Files) -> AsyncIterator[str]:
    """A WebSocket that echoes, over TLS; its URL."""

    class Echo(WebSocketHandler):
        def on_message(self, message: str | bytes) -> None:
            self.write_message(message)

    sockets = bind_sockets(0, "127.0.0.1")
    application = web.Application([("/", Echo)], websocket_max_message_size=2**30)
    server = HTTPServer(application, ssl_options=files.context())
    server.add_sockets(sockets)
    try:
        yield f"wss://127.0.0.1:{sockets[0].getsockname()[1]}/"
    finally:
        server.stop()
        await server.close_all_connections()


async def dial(url: str, fingerprint: str) -> Any:
    """A WebSocket as the uplink dials it."""
    request = HTTPRequest(url, ssl_options=tls.context_for(fingerprint), connect_timeout=10)
    return await websocket_connect(request, max_message_size=2**30)
