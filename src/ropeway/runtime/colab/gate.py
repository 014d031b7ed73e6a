"""The gate before the web application: whose pages may ask, and what they may read of the answer.

Stock Jupyter says this in some of its handlers, so that a page cannot read a 404, and a preflight
of an unknown path fails. Here every answer passes one place, whoever writes it.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Sequence
from typing import Any

from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.routing import Router
from tornado.web import Application, RequestHandler

TUNNEL = "/http_over_websocket"

METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

_CORS = "Access-Control-"

Told = Callable[[HTTPServerRequest, int], None]
"""Hears each request with the status of its answer."""


class Gate(Router):
    """Lets in the pages of `origins`, the runtime's own, and whoever is no page of another site.

    An origin proves nothing else: of those pages the gate wants the `token`, and a cookie that the
    browser adds is not looked at. Only the tunnel has the token elsewhere, and looks itself.
    """

    def __init__(
        self, application: Application, origins: Sequence[str], token: str, told: Told
    ) -> None:
        self._application = application
        self._origins = frozenset(origins)
        self._token = token.encode()
        self._told = told
        self._names = ", ".join(origins)

    def find_handler(self, request: HTTPServerRequest, **_: Any) -> HTTPMessageDelegate | None:
        """Who answers, over a connection that says what the gate decided."""
        origin = _origin(request)
        let_in = origin in self._origins
        headers = {}
        if let_in:
            headers = readable_by(origin, request.headers if _is_preflight(request) else None)
            request.headers.pop("Cookie", None)
        assert request.connection is not None
        request.connection = _Answer(request, request.connection, headers, self._told)
        if let_in and _is_preflight(request):
            return self._application.get_handler_delegate(request, PreflightHandler)
        why = self._why_not(origin, request)
        if why is None:
            return self._application.find_handler(request)
        message, hint = why
        said = {"message": message, "hint": hint}
        return self._application.get_handler_delegate(request, RefusedHandler, said)

    def _why_not(self, origin: str, request: HTTPServerRequest) -> tuple[str, str] | None:
        """Why a page may not ask this, and what to do; None where it may."""
        if not origin or _is_own(origin, request):
            return None
        if origin not in self._origins:
            return (
                f"Pages of this origin are not let in, those of {self._names} are.",
                "To let in another one start the runtime with --colab-origin and its origin.",
            )
        if request.path.startswith(TUNNEL) or hmac.compare_digest(_token(request), self._token):
            return None
        return (
            "The token is missing or not this runtime's.",
            "Each start makes a new one: paste the URL that the runtime printed last.",
        )


def readable_by(origin: str, preflight: HTTPHeaders | None = None) -> dict[str, str]:
    """The headers that let a page of `origin` read an answer, or ask what its preflight names."""
    headers = {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
    }
    if preflight is not None:
        headers["Access-Control-Allow-Methods"] = METHODS
        if wanted := preflight.get("Access-Control-Request-Headers"):
            headers["Access-Control-Allow-Headers"] = wanted
        if preflight.get("Access-Control-Request-Private-Network"):
            headers["Access-Control-Allow-Private-Network"] = "true"
    return headers


def _origin(request: HTTPServerRequest) -> str:
    """The origin of the page that asks; empty for programs."""
    return request.headers.get("Origin", "").lower()


def _token(request: HTTPServerRequest) -> bytes:
    """The token in the URL, or in the header as Jupyter takes it."""
    given = request.query_arguments.get("token", [b""])[-1]
    kind, _, value = request.headers.get("Authorization", "").partition(" ")
    return given or (value.strip().encode() if kind.lower() in ("token", "bearer") else b"")


def _is_own(origin: str, request: HTTPServerRequest) -> bool:
    return origin == f"{request.protocol}://{request.host}".lower()


def _is_preflight(request: HTTPServerRequest) -> bool:
    return request.method == "OPTIONS"


class _Answer(HTTPConnection):
    """A connection whose answers carry `headers`, and no such headers of anybody else."""

    def __init__(
        self,
        request: HTTPServerRequest,
        connection: HTTPConnection,
        headers: dict[str, str],
        told: Told,
    ) -> None:
        self._request = request
        self._connection = connection
        self._headers = headers
        self._told = told

    def write_headers(
        self,
        start_line: RequestStartLine | ResponseStartLine,
        headers: HTTPHeaders,
        chunk: bytes | None = None,
    ) -> Any:
        """Write the head of an answer."""
        assert isinstance(start_line, ResponseStartLine)
        for name in [each for each in headers if each.startswith(_CORS)]:
            del headers[name]
        if self._headers:
            headers.pop("Set-Cookie", None)
            headers.update(self._headers)
        headers.add("Vary", "Origin")
        self._told(self._request, start_line.code)
        return self._connection.write_headers(start_line, headers, chunk)

    def write(self, chunk: bytes) -> Any:
        """Write a piece of the body."""
        return self._connection.write(chunk)

    def finish(self) -> None:
        """The answer is complete."""
        self._connection.finish()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class PreflightHandler(RequestHandler):
    """What a browser asks before it lets a page ask: needs no token, tells nothing."""

    def options(self) -> None:
        """The connection says the rest."""
        self.set_status(204)


class RefusedHandler(RequestHandler):
    """A page that has no business here, and why."""

    def initialize(self, message: str, hint: str) -> None:
        """Keep why, and what to do."""
        self._said = {"message": message, "hint": hint, "reason": None}

    def check_xsrf_cookie(self) -> None:
        """Refused in any case."""

    def prepare(self) -> None:
        """Refuse, whatever is asked."""
        self.set_status(403)
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(self._said))
