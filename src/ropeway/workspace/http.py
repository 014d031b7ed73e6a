"""One HTTP request to a server that may be a stranger's: bounded in time and size.

Redirects are never followed, so that a token goes nowhere but where it was meant to go.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from ropeway.errors import Unreachable
from ropeway.tls import context_for

ANSWER_BYTES = 8_000_000
"""The largest answer that is read: a strange server may answer without an end."""

KEPT_SECONDS = 30.0
"""A connection is kept from one look at a runtime to the next: a new one may be a new stream."""

_REPEATABLE = ("GET", "DELETE")
"""What may be asked twice."""

FAULTS = (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError, RuntimeError)
"""What a request ends with when there is no answer; time-outs are among them."""


class TooMuch(Exception):
    """The answer is larger than what was to be read."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, read whole."""

    status: int
    path: str
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        """The answer as JSON. Raises `ValueError`."""
        try:
            return json.loads(self.content, parse_constant=_no_constant)
        except RecursionError:
            raise ValueError("nested too deeply") from None


def new_client(fingerprint: str = "") -> httpx.AsyncClient:
    """A client without redirects and proxies, which may be pinned to one certificate; close it with
    `aclose`."""
    return httpx.AsyncClient(
        follow_redirects=False,
        verify=context_for(fingerprint),
        trust_env=False,  # as for the WebSocket, which knows no proxies
        limits=httpx.Limits(keepalive_expiry=KEPT_SECONDS),
    )


def limits(seconds: float) -> httpx.Timeout:
    """The time-outs of one request."""
    return httpx.Timeout(seconds, connect=min(seconds, 5.0))


async def send(
    http: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: Any = None,
    seconds: float,
    most: int = ANSWER_BYTES,
) -> Response:
    """One request with a JSON body. Raises `TooMuch` or one of `FAULTS`."""
    extra: dict[str, Any] = {} if body is None else {"json": body}
    try:
        return await _send(http, method, url, headers, extra, seconds, most)
    except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
        # The other end may close a kept connection in the moment in which it is used.
        if method not in _REPEATABLE:
            raise
        return await _send(http, method, url, headers, extra, seconds, most)


async def _send(
    http: httpx.AsyncClient,
    method: str,
    url: str,
    headers: Mapping[str, str],
    extra: dict[str, Any],
    seconds: float,
    most: int,
) -> Response:
    async with (
        asyncio.timeout(seconds + 5),  # httpx counts from one piece to the next
        http.stream(method, url, headers=dict(headers), timeout=limits(seconds), **extra) as answer,
    ):
        content = await _read(answer, most)
        return Response(answer.status_code, answer.url.path, answer.headers, content)


def unreachable(where: str, error: BaseException) -> Unreachable:
    """The error for a server (`where`: "The server at …") that gives no answer, or not in time."""
    if isinstance(error, (httpx.TimeoutException, TimeoutError)):
        why = "it does not answer in time"
    else:
        why = _cause(error)
    return Unreachable(
        f"{where} cannot be reached: {why}.",
        hint="Is it running, and is that host and port reachable from this machine?",
    )


async def _read(answer: httpx.Response, most: int) -> bytes:
    pieces, total = [], 0
    async for piece in answer.aiter_bytes():
        total += len(piece)
        if total > most:
            raise TooMuch
        pieces.append(piece)
    return b"".join(pieces)


def _no_constant(word: str) -> None:
    """NaN and Infinity are no JSON: passed on, they would break every page's list."""
    raise ValueError(word)


def _cause(error: BaseException) -> str:
    """The system's own words (connection refused, name not known) beneath an httpx error."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            # asyncio writes the address into strerror; the number has the plain words.
            number = seen.errno or 0
            return (os.strerror(number) if number > 0 else seen.strerror).lower()
        seen = seen.__cause__ or seen.__context__
    return str(error).lower().rstrip(".") or type(error).__name__
