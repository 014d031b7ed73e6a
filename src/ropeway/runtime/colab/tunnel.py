"""`/http_over_websocket`: HTTP in a WebSocket, as older front ends of Colab connect.

On the wire it is `jupyter_http_over_ws` 0.0.7, which does not load in today's Jupyter. The token
comes in the URL that the user pasted; each request goes with it to this very server, which decides.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from jupyter_server.auth.decorator import allow_unauthenticated
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse
from tornado.httputil import HTTPHeaders, parse_response_start_line
from tornado.websocket import (
    WebSocketClientConnection,
    WebSocketClosedError,
    WebSocketError,
    WebSocketHandler,
    websocket_connect,
)

VERSION = "0.0.7"
AUTH_URL = "jupyter_http_over_ws_auth_url"

_LARGEST = 2**40
_REQUIRED = {"path", "method", "message_id"}
_PATH = re.compile(r"/[!-~]*")
_UNSENT_CODES = (1005, 1006)
_FAILED = "Uncaught server-side exception. Check logs for additional details."


class TunnelSocket(WebSocketHandler):
    """What the tunnel's WebSockets have in common. The gate has seen to their origin."""

    def initialize(self, port: int) -> None:
        """Keep where this server listens."""
        self._port = port

    @allow_unauthenticated  # type: ignore[untyped-decorator]
    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Open the WebSocket: what goes through it shows the token."""
        await super().get(*args, **kwargs)

    def check_origin(self, origin: str) -> bool:
        """The gate lets no other page come here."""
        return True

    def headers(self) -> HTTPHeaders:
        """What authorizes requests: the pasted URL's token. `ValueError` for another host."""
        pasted = self.get_argument(AUTH_URL, "")
        if not pasted:
            return HTTPHeaders()
        url = urlsplit(pasted)
        if (url.scheme, url.netloc) != (self.request.protocol, self.request.host):
            raise ValueError("the pasted URL leads to another server")
        token = parse_qs(url.query).get("token", [""])[0]
        return HTTPHeaders({"Authorization": f"token {token}"} if token else {})


class DiagnoseHandler(TunnelSocket):
    """`/http_over_websocket/diagnose`: which version this is."""

    def on_message(self, message: str | bytes) -> None:
        """Answer whatever is said."""
        asked = self.get_argument("min_version", None)
        text = message if isinstance(message, str) else message.decode("utf-8", "replace")
        answer = {
            "message_id": text,
            "extension_version": VERSION,
            "has_authentication_cookie": False,
            "is_outdated_extension": bool(asked and _is_newer(asked)),
        }
        self.write_message(json.dumps(answer))


class RequestsHandler(TunnelSocket):
    """`/http_over_websocket`: requests, one after the other, and their answers in pieces."""

    def initialize(self, port: int) -> None:
        """Make what asks this server."""
        super().initialize(port)
        self._client = AsyncHTTPClient(force_instance=True, max_body_size=_LARGEST)

    def open(self, *_: str, **__: str) -> None:
        """Hang up on who wants another version."""
        asked = self.get_argument("min_version", None)
        newer = _is_newer(asked) if asked is not None else False
        if newer is None:
            self.close(400, f'Invalid "min_version" provided: {asked}'[:120])
        elif newer:
            reason = f"Requested version ({asked}) > Current version ({VERSION})."
            self.close(400, f"{reason} Please upgrade this package.")

    async def on_message(self, message: str | bytes) -> None:
        """Answer one request."""
        try:
            asked = json.loads(message)
            assert isinstance(asked, dict)
        except (ValueError, AssertionError):
            self._fail(400, "JSON input is required.")
            return
        number = asked.get("message_id")
        if missing := _REQUIRED - set(asked):
            self._fail(400, f"Invalid request. The body lacks {sorted(missing)}.", number)
        elif not _PATH.fullmatch(str(asked["path"])):
            self._fail(400, "Invalid request. The path must begin with a slash.", number)
        else:
            await self._forward(asked)

    def on_close(self) -> None:
        """Ask no more."""
        self._client.close()

    async def _forward(self, asked: dict[str, Any]) -> None:
        answer = _Answer(asked["message_id"], self._say)
        try:
            request = HTTPRequest(
                f"http://127.0.0.1:{self._port}{asked['path']}",
                method=str(asked["method"]).upper(),
                headers=self.headers(),
                body=_body(asked),
                allow_nonstandard_methods=True,
                follow_redirects=False,
                request_timeout=0,
                header_callback=answer.head,
                streaming_callback=answer.piece,
            )
            response: HTTPResponse = await self._client.fetch(request, raise_error=False)
        except (ValueError, OSError):
            self._fail(500, _FAILED, asked["message_id"])
            return
        if answer.status is None or response.code == 599:
            self._fail(500, _FAILED, asked["message_id"])
        else:
            answer.end()

    def _fail(self, status: int, text: str, number: Any = None) -> None:
        said = {"done": True, "status": status, "statusText": text}
        self._say(said | ({"message_id": number} if number else {}))

    def _say(self, said: dict[str, Any]) -> None:
        try:
            self.write_message(json.dumps(said))
        except WebSocketClosedError:
            return  # nobody listens any more


class ProxiedHandler(TunnelSocket):
    """`/http_over_websocket/proxied_ws/…`: another WebSocket of this server, both ways."""

    _inner: WebSocketClientConnection | None = None

    async def open(self, path: str) -> None:
        """Open that one, or hang up with what it said."""
        pairs = [pair for pair in parse_qsl(self.request.query, True) if pair[0] != AUTH_URL]
        url = f"ws://127.0.0.1:{self._port}/{path}?{urlencode(pairs)}"
        self.set_nodelay(True)
        try:
            self._inner = await websocket_connect(
                HTTPRequest(url, headers=self.headers()),
                on_message_callback=self._heard,
                max_message_size=_LARGEST,
            )
        except (HTTPClientError, WebSocketError, ValueError, OSError) as error:
            code = error.code if isinstance(error, HTTPClientError) else 500
            self.close(code, "Uncaught error when proxying request")

    async def on_message(self, message: str | bytes) -> None:
        """Pass on what the page says."""
        if self._inner is not None:
            await self._inner.write_message(message, binary=isinstance(message, bytes))

    def on_close(self) -> None:
        """Hang up there too."""
        if self._inner is not None:
            self._inner.close(_sendable(self.close_code), self.close_reason)

    def _heard(self, message: str | bytes | None) -> None:
        if message is None:
            inner = self._inner
            self.close(_sendable(inner.close_code if inner else None))
            return
        try:
            self.write_message(message, binary=isinstance(message, bytes))
        except WebSocketClosedError:
            return


class _Answer:
    """An answer in pieces: the first has its status and headers, the last says that it is."""

    def __init__(self, number: Any, say: Any) -> None:
        self.status: int | None = None
        self._reason = ""
        self._headers = HTTPHeaders()
        self._say = say
        self._piece: dict[str, Any] = {"message_id": number}
        self._is_first = True
        self._number = number

    def head(self, line: str) -> None:
        """A line of the head came."""
        if self.status is None:
            start = parse_response_start_line(line.strip())
            self.status, self._reason = start.code, start.reason
        elif line.strip():
            self._headers.parse_line(line.rstrip("\r\n"))

    def piece(self, data: bytes) -> None:
        """A piece of the body came; the one before was not the last."""
        if "data" in self._piece:
            self._tell(done=False)
            self._piece = {"message_id": self._number}
        self._piece["data"] = base64.b64encode(data).decode("ascii")

    def end(self) -> None:
        """The body is complete."""
        self._tell(done=True)

    def _tell(self, *, done: bool) -> None:
        if self._is_first:
            headers = dict(self._headers.get_all())
            self._piece |= {"status": self.status, "statusText": self._reason, "headers": headers}
            self._is_first = False
        self._say(self._piece | {"done": done})


def _is_newer(asked: str) -> bool | None:
    """Whether a version is newer than ours; None where it is none."""
    if not re.fullmatch(r"\d{1,9}\.\d{1,9}(\.\d{1,9})?", asked):
        return None
    return [int(part) for part in asked.split(".")] > [int(part) for part in VERSION.split(".")]


def _body(asked: dict[str, Any]) -> bytes | None:
    if asked.get("body_base64"):
        return base64.b64decode(asked["body_base64"])
    body = asked.get("body")
    return body.encode("utf-8") if isinstance(body, str) else None


def _sendable(code: int | None) -> int:
    return 1000 if code is None or code in _UNSENT_CODES else code
