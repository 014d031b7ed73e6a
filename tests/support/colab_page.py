"""Colab's page, as far as it speaks with a local runtime; the real one needs a Google account.

It is a page of another site: it names its origin, sends no cookies, and has the token in the URL.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

COLAB = "https://colab.research.google.com"
PREFIX = ")]}'\n"


class Page:
    """The page at `origin`, to which a user gave the URL and the token of a runtime."""

    def __init__(self, url: str, token: str, origin: str = COLAB) -> None:
        self.url = url
        self.token = token
        self.origin = origin
        self._client = httpx.Client(timeout=60, trust_env=False)

    def close(self) -> None:
        """Close the page."""
        self._client.close()

    def ask(
        self,
        path: str,
        method: str = "GET",
        *,
        body: Any = None,
        token: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """One fetch."""
        self._client.cookies.clear()
        token = self.token if token is None else token
        return self._client.request(
            method,
            self.url + path,
            params={"token": token} if token else None,
            content=None if body is None else json.dumps(body),
            headers={
                "Origin": self.origin,
                "Referer": f"{self.origin}/",
                "Sec-Fetch-Site": "cross-site",
                **(headers or {}),
            },
        )

    def preflight(self, path: str, method: str = "GET") -> httpx.Response:
        """What the browser asks before a fetch."""
        wanted = "authorization,content-type,x-colab-tunnel,x-xsrftoken"
        named = {
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": wanted,
            "Access-Control-Request-Private-Network": "true",
        }
        return self.ask(path, "OPTIONS", token="", headers=named)

    def can_read(self, response: httpx.Response) -> bool:
        """Whether the browser lets the page read an answer that was fetched with credentials."""
        return (
            response.headers.get_list("access-control-allow-origin") == [self.origin]
            and response.headers.get("access-control-allow-credentials") == "true"
        )

    @asynccontextmanager
    async def socket(
        self, path: str, *, token: str | None = None
    ) -> AsyncIterator[WebSocketClientConnection]:
        """A WebSocket; raises tornado's `HTTPClientError` where it is refused."""
        token = self.token if token is None else token
        mark = "&" if "?" in path else "?"
        url = f"ws{self.url.removeprefix('http')}{path}" + (f"{mark}token={token}" if token else "")
        found = await websocket_connect(HTTPRequest(url, headers={"Origin": self.origin}))
        stream = found.protocol.stream
        try:
            yield found
        finally:
            found.close()
            while not stream.closed():  # noqa: ASYNC110 (tornado calls back nobody but itself)
                await asyncio.sleep(0.01)


class Cells:
    """The page's connection to a kernel: Jupyter's messages as JSON, without a subprotocol."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self._socket = socket
        self._session = uuid4().hex

    def send(self, kind: str, content: dict[str, Any], channel: str = "shell") -> str:
        """Send a message; returns its id."""
        header = {
            "msg_id": uuid4().hex,
            "username": "username",
            "session": self._session,
            "msg_type": kind,
            "version": "5.0",
        }
        message = {
            "header": header,
            "parent_header": {},
            "metadata": {"colab": {"cell_id": "aBcDeFgHiJkL"}, "unheard_of": [1]},
            "content": content,
            "channel": channel,
            "buffers": [],
        }
        self._socket.write_message(json.dumps(message))
        return str(header["msg_id"])

    async def hear(self) -> dict[str, Any]:
        """The next message."""
        data = await asyncio.wait_for(self._socket.read_message(), 60)
        assert isinstance(data, str), data
        found: dict[str, Any] = json.loads(data)
        return found

    async def run(self, code: str) -> str:
        """What a cell prints; it is answered what it asks of the page with 'from the page'."""
        request = self.send(
            "execute_request",
            {
                "code": code,
                "silent": False,
                "store_history": True,
                "user_expressions": {},
                "allow_stdin": True,
            },
        )
        said = ""
        while True:
            message = await self.hear()
            kind, content = message["header"]["msg_type"], message["content"]
            if message["parent_header"].get("msg_id") != request:
                continue
            assert kind != "error", content
            if kind == "stream":
                said += content["text"]
            elif kind == "colab_request":
                number = message["metadata"]["colab_msg_id"]
                reply = {"type": "colab_reply", "colab_msg_id": number, "data": "from the page"}
                self.send("input_reply", {"value": reply}, "stdin")
            elif kind == "status" and content["execution_state"] == "idle":
                return said


ASK_THE_PAGE = """
import time
from IPython import get_ipython

kernel = get_ipython().kernel
about = {"colab_request_type": "GetSecret", "colab_msg_id": 7}
parent = kernel.get_parent()
kernel.session.send(
    kernel.iopub_socket, "colab_request", {"request": {"key": "K"}}, parent=parent, metadata=about
)
reply = None
while reply is None:
    _, reply = kernel.session.recv(kernel.stdin_socket)
    time.sleep(0.01)
print(reply["content"]["value"]["colab_msg_id"], reply["content"]["value"]["data"])
"""
"""How `google.colab` asks the page for something, a secret here."""
