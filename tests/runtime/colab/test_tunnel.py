"""The tunnel of older front ends: HTTP in a WebSocket, as `jupyter_http_over_ws` 0.0.7 has it."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from tornado.httpclient import HTTPClientError
from tornado.websocket import WebSocketClientConnection

from support.colab_page import Cells, Page

PATH = "/http_over_websocket"


def pasted(page: Page, token: str | None = None) -> str:
    """The pasted URL as the page hands it on."""
    token = page.token if token is None else token
    return "jupyter_http_over_ws_auth_url=" + quote(f"{page.url}/?token={token}", safe="")


@asynccontextmanager
async def tunnel(page: Page, query: str) -> AsyncIterator[WebSocketClientConnection]:
    """The tunnel, opened with the pasted URL alone."""
    async with page.socket(f"{PATH}?{query}", token="") as socket:
        yield socket


async def ask(
    socket: WebSocketClientConnection, path: str, method: str = "GET", **body: Any
) -> tuple[list[dict[str, Any]], bytes]:
    """One request; returns the messages of its answer, and the body that they hold."""
    number = uuid4().hex
    asked = {"path": path, "method": method, "message_id": number, **body}
    await socket.write_message(json.dumps(asked))
    messages: list[dict[str, Any]] = []
    while not messages or not messages[-1]["done"]:
        messages.append(await hear(socket))
        assert messages[-1]["message_id"] == number
    data = b"".join(base64.b64decode(each.get("data", "")) for each in messages)
    return messages, data


async def hear(socket: WebSocketClientConnection) -> dict[str, Any]:
    """The next message."""
    found: dict[str, Any] = json.loads(await asyncio.wait_for(socket.read_message(), 60) or "null")
    return found


async def test_diagnosis(page: Page) -> None:
    """The page asks for the extension's version and whether it is too old."""
    for least, outdated in (("0.0.7", False), ("0.1.0", True)):
        async with page.socket(f"{PATH}/diagnose?min_version={least}", token="") as socket:
            await socket.write_message("hello")
            assert await hear(socket) == {
                "message_id": "hello",
                "extension_version": "0.0.7",
                "has_authentication_cookie": False,
                "is_outdated_extension": outdated,
            }


async def test_requests(page: Page) -> None:
    """The page lists kernels, starts a session and looks for a file, all through one WebSocket."""
    async with tunnel(page, f"min_version=0.0.7&{pasted(page)}") as socket:
        messages, data = await ask(socket, "/api/kernelspecs")
        assert (messages[0]["status"], messages[0]["statusText"]) == (200, "OK")
        assert messages[0]["headers"]["Content-Type"] == "application/json"
        assert "python3" in json.loads(data)["kernelspecs"]
        body = json.dumps({"name": "", "path": "fileId=2", "type": "notebook", "kernel": {}})
        encoded = base64.b64encode(body.encode()).decode()
        messages, data = await ask(socket, "/api/sessions", "POST", body_base64=encoded)
        assert messages[0]["status"] == 201
        session = json.loads(data)
        one = f"{PATH}/proxied_ws/api/kernels/{session['kernel']['id']}/channels"
        query = f"?session_id={uuid4().hex}&{pasted(page)}"
        async with page.socket(one + query, token="") as kernel:
            assert await Cells(kernel).run("print('through the tunnel')") == "through the tunnel\n"
        messages, data = await ask(socket, f"/api/sessions/{session['id']}", "DELETE")
        assert (messages[0]["status"], data) == (204, b"")
        messages, _ = await ask(socket, "/api/contents/var/colab/app.log?content=0")
        assert messages[0]["status"] == 404


async def test_pieces(page: Page) -> None:
    """A large answer comes in pieces of 64 KiB; the first has its status, the last says so."""
    text = "x" * 200_000
    page.ask(
        "/api/contents/large.txt", "PUT", body={"type": "file", "format": "text", "content": text}
    )
    async with tunnel(page, pasted(page)) as socket:
        messages, data = await ask(socket, "/files/large.txt")
    assert data.decode() == text
    assert len(messages) > 3
    assert [each["done"] for each in messages] == [False] * (len(messages) - 1) + [True]
    assert [i for i, each in enumerate(messages) if "status" in each] == [0]
    assert max(len(base64.b64decode(each["data"])) for each in messages) <= 65_536


async def test_the_token_is_wanted(page: Page) -> None:
    """Without the token of the pasted URL every request is refused, and so is every kernel."""
    for query in ("", pasted(page, "wrong"), pasted(page, "")):
        async with tunnel(page, query) as socket:
            messages, _ = await ask(socket, "/api/kernels")
            assert messages[0]["status"] == 403
        path = f"{PATH}/proxied_ws/api/kernels/{uuid4()}/channels?{query}"
        async with page.socket(path, token="") as socket:
            assert await asyncio.wait_for(socket.read_message(), 60) is None
            assert socket.close_code == 403


async def test_it_leads_nowhere_else(page: Page) -> None:
    """No pasted URL, and no path that is asked for, makes the runtime ask another server."""
    elsewhere = quote("http://evil.example/?token=x", safe="")
    async with tunnel(page, f"jupyter_http_over_ws_auth_url={elsewhere}") as socket:
        messages, _ = await ask(socket, "/api/kernels")
        assert messages[0]["status"] == 500
    async with tunnel(page, pasted(page)) as socket:
        for path in ("@evil.example/", "http://evil.example/", "/api\r\nX: y", 7):
            messages, _ = await ask(socket, path)  # type: ignore[arg-type]
            assert messages[0]["status"] == 400, path


async def test_what_is_no_request(page: Page) -> None:
    """What is no JSON, and what lacks a key, is answered with 400."""
    async with tunnel(page, pasted(page)) as socket:
        await socket.write_message("{")
        assert await hear(socket) == {
            "done": True,
            "status": 400,
            "statusText": "JSON input is required.",
        }
        await socket.write_message(json.dumps({"message_id": "1", "path": "/api"}))
        answer = await hear(socket)
        assert (answer["message_id"], answer["status"]) == ("1", 400)


@pytest.mark.parametrize(
    ("least", "words"),
    [("new", 'Invalid "min_version" provided: new'), ("0.0.8", "Please upgrade this package.")],
)
async def test_versions(page: Page, least: str, words: str) -> None:
    """Who wants a newer version, or none that is one, is hung up on with 400 and why."""
    async with tunnel(page, f"min_version={least}") as socket:
        assert await asyncio.wait_for(socket.read_message(), 60) is None
        assert socket.close_code == 400
        assert words in (socket.close_reason or "")


async def test_a_kernel_that_is_not_there(page: Page) -> None:
    """The WebSocket of a kernel that is not there is closed with 404."""
    path = f"{PATH}/proxied_ws/api/kernels/{uuid4()}/channels?{pasted(page)}"
    async with page.socket(path, token="") as socket:
        assert await asyncio.wait_for(socket.read_message(), 60) is None
        assert socket.close_code == 404


@pytest.mark.parametrize("path", ["", "/diagnose", "/proxied_ws/api/kernels/x/channels"])
async def test_other_pages(page: Page, path: str) -> None:
    """Pages of other origins do not come in."""
    other = Page(page.url, page.token, "https://evil.example")
    with pytest.raises(HTTPClientError) as refused:
        async with other.socket(f"{PATH}{path}?{pasted(page)}"):
            pass
    assert refused.value.code == 403
    other.close()
