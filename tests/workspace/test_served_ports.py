"""Pages that kernels serve, through the workspace."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from ropeway.errors import ProtocolError
from ropeway.workspace.forwarding import Page, answered
from ropeway.workspace.furnishing import SCRIPT, furnished
from support.kernel_client import KernelClient
from support.servers import Server

from .test_kernels import started

SERVER = """
from tornado import web, websocket
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

class Told(web.RequestHandler):
    async def get(self):
        self.set_cookie('username', 'mine')
        self.set_header('X-Frame-Options', 'DENY')
        self.write(dict(self.request.headers) | {'uri': self.request.uri})
    async def post(self):
        self.write(str(len(self.request.body)))

class Moved(web.RequestHandler):
    def get(self):
        self.redirect('/there?a=b')

class Slow(web.RequestHandler):
    async def get(self):
        import asyncio
        global go
        go = asyncio.Event()
        self.write('first')
        await self.flush()
        await go.wait()
        self.write('last')

class Document(web.RequestHandler):
    def get(self):
        self.set_header('ETag', self.request.headers.get('Accept-Encoding', 'as it is'))
        self.set_header('Content-Encoding', 'identity')  # as TensorBoard does
        self.write('<!doctype html><html><HEAD lang="en"><title>a</title>')

class Go(web.RequestHandler):
    def get(self):
        go.set()

class Echo(websocket.WebSocketHandler):
    def on_message(self, message):
        self.write_message(message, binary=isinstance(message, bytes))

served = [('/slow', Slow), ('/go', Go), ('/document', Document), ('/moved', Moved),
          ('/echo', Echo), ('/.*', Told)]
sockets = bind_sockets(0, '127.0.0.1')
HTTPServer(web.Application(served)).add_sockets(sockets)
print(sockets[0].getsockname()[1])
"""


@pytest.fixture(scope="module")
def kernel(work: Server) -> Iterator[str]:
    """A kernel on the runtime here."""
    with started(work, "python3") as kernel_id:
        yield kernel_id


@pytest.fixture(scope="module")
def port(work: Server, kernel: str) -> int:
    """The port at which it serves."""

    async def serve() -> int:
        async with KernelClient(work.url, work.token, kernel) as client:
            return int((await client.execute(SERVER)).text)

    return asyncio.run(serve())


@pytest.fixture
def base(work: Server, kernel: str, port: int) -> str:
    """Where a browser finds the page."""
    status, found = work.api(f"/ropeway/api/kernels/{kernel}/ports/{port}")
    assert status == 200, found
    return work.url + found["url"]


async def get(url: str, method: str = "GET", **options: Any) -> httpx.Response:
    """An answer, as it comes; without the workspace's token."""
    async with httpx.AsyncClient() as client:
        return await client.request(method, url, **options)


async def test_a_page_is_a_stranger_to_the_workspace(base: str, port: int, work: Server) -> None:
    """It gets nothing that proves who the user is, sets no cookie of the workspace's address, and
    the browser is told that it is of another origin."""
    secret = {"Authorization": f"token {work.token}", "Cookie": "_xsrf=a", "X-XSRFToken": "a"}
    secret |= {"X-Auth-Request-User": "ann", "Cf-Access-Jwt-Assertion": "a"}
    kept = {"Accept-Language": "eo", "Origin": "null"}
    answer = await get(base + "a%20b?c=d", headers={**secret, **kept})
    told = answer.json()
    assert told["uri"] == "/a%20b?c=d"
    assert told["Host"] == f"localhost:{port}"
    assert told["Origin"] == f"http://localhost:{port}"
    assert told["Accept-Language"] == "eo"
    assert not {each.title() for each in (*secret, "Referer")} & set(told)
    assert answer.headers["content-security-policy"].startswith("sandbox allow-scripts")
    assert "allow-same-origin" not in answer.headers["content-security-policy"]
    assert not {"set-cookie", "x-frame-options"} & set(answer.headers)


async def test_only_the_address_that_was_given_leads_there(
    base: str, kernel: str, work: Server
) -> None:
    """Not that of another port, and none without its key, even with the workspace's token."""
    port, key = base.rstrip("/").rsplit("/", 2)[-2:]
    secret = {"Authorization": f"token {work.token}"}
    for wrong in (f"/{int(port) % 60000 + 1}/{key}/", f"/{port}/{'0' * 64}/"):
        assert (
            await get(base.replace(f"/{port}/{key}/", wrong), headers=secret)
        ).status_code == 403
    assert work.api("/ropeway/api/kernels/none/ports/80")[0] == 410
    assert work.api(f"/ropeway/api/kernels/{kernel}/ports/70000")[0] == 400


async def test_bodies_pass_in_both_directions_as_they_come(base: str) -> None:
    """A large body with its length and one in chunks; an answer's beginning before its end."""

    async def chunks() -> Any:
        for _ in range(30):
            yield b"x" * 100_000

    assert (await get(base, "POST", content=b"y" * 3_000_001)).text == "3000001"
    assert (await get(base, "POST", content=chunks())).text == "3000000"
    async with httpx.AsyncClient() as client, client.stream("GET", base + "slow") as answer:
        pieces = answer.aiter_text()
        assert await anext(pieces) == "first"
        assert (await get(base + "go")).status_code == 200
        assert await anext(pieces) == "last"


async def test_a_document_begins_with_storage(base: str) -> None:
    """A document that a browser asks for gets the script in its head, with the length that it then
    has; what is not asked for as a document is as its server gives it."""
    plain = (await get(base + "document")).text
    frame = await get(base + "document", headers={"Sec-Fetch-Dest": "iframe"})
    begin, end = plain.split("<title>")
    assert frame.text == f"{begin}{SCRIPT.decode()}<title>{end}"
    assert frame.headers["etag"] == "as it is"
    assert furnished(b"<!DOCTYPE html>\n<p>") == b"<!DOCTYPE html>\n" + SCRIPT + b"<p>"
    assert furnished(b"<p>") == SCRIPT + b"<p>"
    old = {"Accept": "text/html,*/*"}
    assert len((await get(base + "document", headers=old)).text) == len(frame.text)


async def test_redirects_stay_below_the_address(base: str) -> None:
    """A redirect to the root of the page's server leads to its place here."""
    assert (
        (await get(base + "moved"))
        .headers["location"]
        .endswith(base.split("/", 3)[3] + "there?a=b")
    )
    page = Page(80, "/base")
    for there, here in {
        "http://127.0.0.1:80/x": "/base/x",
        "//localhost:80/": "/base/",
        "https://example.org/": "https://example.org/",
        "next": "next",
        "http://[": "/base/",
    }.items():
        head = f"HTTP/1.0 302 Found\r\nLocation: {there}".encode()
        assert f"\r\nLocation: {here}\r\n".encode() in answered(page, head).head


def test_no_header_hides_in_another() -> None:
    """What a browser would read as a line of its own is one, and is dropped as such."""
    hidden = b"ETag: a\nSet-Cookie: b=c\rset-cookie : d=e\r\nX-Frame-Options\t: DENY\r\n folded: f"
    head = answered(Page(80, "/base"), b"HTTP/1.1 200 OK\r\n" + hidden).head.lower()
    assert b"\r\netag: a\r\n" in head
    assert not any(each in head for each in (b"cookie", b"frame", b"folded"))
    for odd in (b"SSH-2.0-OpenSSH", b"HTTP/1.1 1012 OK", b"HTTP/1.1 101\tx", b"HTTP/1.1 101 OK"):
        with pytest.raises(ProtocolError, match="speaks no HTTP"):
            answered(Page(80, "/base"), odd)
    upgraded = answered(Page(80, "/base"), b"HTTP/1.1 101 X", may_upgrade=True)
    assert b"\r\nContent-Security-Policy: sandbox" in upgraded.head


async def test_a_browser_may_ask_for_what_belongs_to_the_page(base: str) -> None:
    """The page is of no origin, so the browser asks first; it is answered here."""
    asks = {"Origin": "null", "Access-Control-Request-Method": "PUT"}
    asks["Access-Control-Request-Headers"] = "x-own"
    answer = await get(base, "OPTIONS", headers=asks)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-methods"] == "PUT"
    assert answer.headers["access-control-allow-headers"] == "x-own"


async def test_web_sockets_pass(base: str) -> None:
    """Texts, and binary messages that are larger than one of the link's."""
    request = HTTPRequest(base.replace("http", "ws", 1) + "echo", headers={"Origin": "null"})
    socket = await websocket_connect(request)
    for message in ("hello", b"z" * 600_000):
        await socket.write_message(message, binary=isinstance(message, bytes))
        assert await socket.read_message() == message
    socket.close()


async def test_where_nothing_listens_or_leads_the_page_says_so(
    work: Server, kernel: str, gpu: Server
) -> None:
    """In words, with what to do: also of a runtime that is a plain Jupyter server."""
    url = work.api(f"/ropeway/api/kernels/{kernel}/ports/1")[1]["url"]
    answer = await get(work.url + url)
    assert answer.status_code == 503
    assert "Nothing listens at port 1 of runtime here." in answer.text
    with started(work, "gpu.python3") as plain:
        url = work.api(f"/ropeway/api/kernels/{plain}/ports/8000")[1]["url"]
        answer = await get(work.url + url)
        assert "Runtime gpu leads to no port of its machine." in answer.text
        assert "install ropeway[runtime] there" in answer.text
        assert json.dumps(answer.text).count("<p>") == 2
