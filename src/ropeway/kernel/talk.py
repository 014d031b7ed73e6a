"""Requests to home over one connection of the direct road. Standard library only."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any, Protocol

from ropeway import wire
from ropeway.errors import RopewayError, TokenRefused
from ropeway.kernel.answer import Meanwhile
from ropeway.kernel.line import Line, is_quiet

ANSWER = 5.0
"""Seconds until home must answer that it is there: a tunnel may take what it cannot deliver."""

QUIET = 10.0
"""Seconds of silence after which home is asked again whether it is there."""

NOT_MODIFIED = 304


class NoRoad(Exception):
    """The door does not answer, or broke before the first byte: another road may do."""


class Connections(Protocol):
    """Where connections come from, and go when all went well; `Direct` is one."""

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""

    def take(self) -> tuple[HTTPConnection, bool]:
        """A connection, and whether it was kept from an earlier request. Raises `OSError`."""

    def keep(self, connection: HTTPConnection) -> None:
        """Have it ready for the next request."""

    def answers(self, timeout: float) -> bool:
        """Whether the way leads home now."""


class Talk:
    """Requests over one connection, one after the other.

    A request that raises closes it, unless home's own error is all that is wrong.
    """

    def __init__(self, road: Connections, meanwhile: Meanwhile) -> None:
        self._road = road
        self._asker = meanwhile
        self._heard = time.monotonic()
        self._limit = float("inf")
        self._connection: HTTPConnection | None = None

    def watch(self, meanwhile: Meanwhile) -> None:
        """Call this from now on between two looks at the socket; silence counts from now."""
        self._asker = meanwhile
        self._heard = time.monotonic()

    def finish(self) -> None:
        """All went well: the connection is kept for the next request."""
        connection, self._connection = self._connection, None
        if connection is not None and connection.sock is not None:
            self._road.keep(connection)

    def close(self) -> None:
        """Give the connection up."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def json(self, method: str, path: str, *, last: bool = False) -> dict[str, Any]:
        """The JSON that answers a request, the `last` one here. Raises as `request`."""
        response = self.request(method, path)
        try:
            found = json_object(response.read())
        except (OSError, HTTPException) as error:
            self.close()
            raise NoRoad from error
        except BaseException:
            self.close()
            raise
        if last:
            self.finish()
        return found

    def request(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> HTTPResponse:
        """The beginning of an answer. Raises `NoRoad` and home's errors."""
        try:
            return self._request(method, path, body, headers or {})
        except RopewayError:
            self.finish()
            raise
        except BaseException:
            self.close()
            raise

    def send(self, path: str, stream: Iterator[bytes]) -> dict[str, Any]:
        """POST a stream; the JSON that answers it. Raises as `request`, and as the stream."""
        connection = self._connection
        assert connection is not None
        headers = {**self._road.headers, "Transfer-Encoding": "chunked"}
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # it may have said why
                connection.request("POST", path, until_answered(connection, stream), headers)
            self.watch(self._asker)
            response = connection.getresponse()
            if response.status != 200:
                raise self._refusal(response)
            return json_object(response.read())
        except (OSError, HTTPException) as error:
            raise NoRoad from error
        finally:
            self.close()

    def _request(
        self, method: str, path: str, body: Any, headers: Mapping[str, str]
    ) -> HTTPResponse:
        while True:
            was_kept = False
            try:
                if self._connection is None or self._connection.sock is None:
                    self._connection, was_kept = self._road.take()
                    if not was_kept:
                        self._greet(self._connection)
                response = self._answer(self._connection, method, path, body, headers)
                break
            except (OSError, HTTPException) as error:
                self.close()
                if not was_kept:
                    raise NoRoad from error
        if response.status in (200, NOT_MODIFIED):
            return response
        raise self._refusal(response)

    def _greet(self, connection: HTTPConnection) -> None:
        """Make sure that home is at the other end before a query goes there.

        Raises `OSError` or `HTTPException` when it is not.
        """
        self._limit = time.monotonic() + ANSWER
        response = self._answer(connection, "GET", "/v1/health")
        told = json_object(response.read())
        if response.status != 200 or told.get("v") != wire.PROTOCOL:
            raise HTTPException("this is not home")
        self._limit = float("inf")
        if isinstance(port := told.get("port"), int):
            # The service is on this machine: the door need not carry every byte.
            connection.close()
            connection.host, connection.port = "127.0.0.1", port
            connection.connect()

    def _answer(
        self,
        connection: HTTPConnection,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> HTTPResponse:
        line = connection.sock
        if isinstance(line, socket.socket):
            line = Line(line)
            connection.sock = line
        assert isinstance(line, Line)
        line.meanwhile = self._meanwhile
        self._heard = time.monotonic()
        connection.request(method, path, body, {**self._road.headers, **(headers or {})})
        return connection.getresponse()

    def _refusal(self, response: HTTPResponse) -> BaseException:
        """Home's error; an answer that is none of home's, or a refused grant, is no road."""
        try:
            told = json_object(response.read())["error"]
        except (OSError, HTTPException, KeyError):
            return NoRoad()
        if not isinstance(told, dict):
            return NoRoad()
        error = RopewayError.from_json(told)
        # Home's own word on who may ask is the in-band road's, which shows no grant.
        return NoRoad() if isinstance(error, TokenRefused) else error

    def _meanwhile(self, heard: bool) -> None:
        """Between two looks at the socket."""
        now = time.monotonic()
        if heard:
            self._heard = now
        elif now > self._limit:
            raise TimeoutError("home does not answer")
        elif now - self._heard > QUIET:
            if not self._road.answers(ANSWER):
                raise TimeoutError("the road does not lead home any more")
            self._heard = time.monotonic()
        self._asker()


def until_answered(connection: HTTPConnection, stream: Iterator[Any]) -> Iterator[Any]:
    """The stream in HTTP's chunks, until there is an answer to it: that is home's refusal.

    http.client's own would copy each piece to put its length before it.
    """
    for piece in stream:
        if not is_quiet(connection.sock):
            return
        if piece:
            yield b"%X\r\n" % len(piece)
            yield piece
            yield b"\r\n"
    yield b"0\r\n\r\n"


def json_object(data: bytes) -> dict[str, Any]:
    """Raises `HTTPException` for anything else."""
    try:
        found = json.loads(data)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise HTTPException("no object in JSON")
    return found
