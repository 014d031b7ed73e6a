"""A page without a browser: speaks to a kernel through a Jupyter server's WebSocket."""

from __future__ import annotations

import asyncio
import json
import ssl
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any
from uuid import uuid4

from jupyter_server.services.kernels.connection.base import (
    deserialize_msg_from_ws_v1,
    serialize_msg_to_ws_v1,
)
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

V1 = "v1.kernel.websocket.jupyter.org"


@dataclass
class Run:
    """What one execution brought."""

    reply: dict[str, Any] = field(default_factory=dict)
    messages: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Everything printed to stdout."""
        return self.stream("stdout")

    def stream(self, name: str) -> str:
        """Everything printed to one stream."""
        return "".join(
            c["text"] for kind, c in self.messages if kind == "stream" and c["name"] == name
        )

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The contents of all messages of one type."""
        return [content for found, content in self.messages if found == kind]


class KernelClient:
    """An open WebSocket to one kernel; use it with `async with`."""

    def __init__(
        self, url: str, token: str, kernel_id: str, context: ssl.SSLContext | None = None
    ) -> None:
        self._url = f"ws{url.removeprefix('http')}/api/kernels/{kernel_id}/channels"
        self._token = token
        self._context = context
        self.session = uuid4().hex
        self.unclaimed: list[tuple[str, dict[str, Any]]] = []

    async def __aenter__(self) -> KernelClient:
        request = HTTPRequest(
            f"{self._url}?session_id={self.session}",
            headers={"Authorization": f"token {self._token}"},
            ssl_options=self._context,
        )
        self._socket: WebSocketClientConnection = await websocket_connect(
            request, subprotocols=[V1], max_message_size=2**31 - 1
        )
        self._socket.protocol.set_nodelay(True)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.close()
        while await self._socket.read_message() is not None:
            pass

    def send(
        self,
        channel: str,
        kind: str,
        content: dict[str, Any],
        *,
        metadata: dict[str, Any] | None = None,
        buffers: list[bytes] | None = None,
    ) -> str:
        """Send a message; returns its id."""
        msg_id = uuid4().hex
        header = {
            "msg_id": msg_id,
            "msg_type": kind,
            "username": "test",
            "session": self.session,
            "date": "2026-01-01T00:00:00Z",
            "version": "5.3",
        }
        parts = [json.dumps(part).encode() for part in (header, {}, metadata or {}, content)]
        frame = serialize_msg_to_ws_v1([*parts, *(buffers or [])], channel)
        self._socket.write_message(frame, binary=True)
        return msg_id

    async def receive(self) -> tuple[str, dict[str, Any]]:
        """The next message: its channel and the whole of it."""
        data = await self._socket.read_message()
        if data is None:
            raise ConnectionError("the server hung up")
        assert isinstance(data, bytes)
        channel, parts = deserialize_msg_from_ws_v1(data)
        names = ("header", "parent_header", "metadata", "content")
        message = {name: json.loads(parts[i]) for i, name in enumerate(names)}
        return channel, {**message, "buffers": parts[4:]}

    async def execute(
        self, code: str, *, answers: list[str] | None = None, timeout: float = 60, **content: Any
    ) -> Run:
        """Run code to its end; `answers` go to `input()` in order."""
        body = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": answers is not None,
            "stop_on_error": True,
        }
        msg_id = self.send("shell", "execute_request", {**body, **content})
        return await asyncio.wait_for(self.collect(msg_id, list(answers or [])), timeout)

    async def request(
        self, channel: str, kind: str, content: dict[str, Any], timeout: float = 60
    ) -> dict[str, Any]:
        """Send a request and return the content of its reply."""
        msg_id = self.send(channel, kind, content)
        run = await asyncio.wait_for(self.collect(msg_id, [], wait_idle=False), timeout)
        return run.reply

    async def collect(self, msg_id: str, answers: list[str], *, wait_idle: bool = True) -> Run:
        """Everything that answers a request, until its reply and its `idle`."""
        run, replied, idle = Run(), False, not wait_idle
        while not (replied and idle):
            channel, message = await self.receive()
            kind = message["header"]["msg_type"]
            if message["parent_header"].get("msg_id") != msg_id:
                self.unclaimed.append((kind, message["content"]))
            elif channel == "iopub":
                run.messages.append((kind, message["content"]))
                idle = idle or message["content"].get("execution_state") == "idle"
            elif channel == "stdin":
                self.send("stdin", "input_reply", {"value": answers.pop(0)})
            else:
                run.reply, replied = message["content"], True
        return run
