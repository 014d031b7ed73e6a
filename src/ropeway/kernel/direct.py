"""The direct road: ask home's data service over HTTP, through a door that a tunnel leads to.

Standard library only. What is asked and answered is in `ropeway.wire`; results and errors are those
of the in-band road.
"""

from __future__ import annotations

import io
import json
import os
import socket
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

from ropeway import wire
from ropeway.errors import HomeUnreachable, RopewayError, TokenRefused

CONNECT = 2.0
"""Seconds until the door must take the connection; it stands on this machine."""

ANSWER = 5.0
"""Seconds until home must answer that it is there: a tunnel may take what it cannot deliver."""

QUIET = 10.0
"""Seconds of silence after which home is asked again whether it is there."""

SEND = 60.0
"""Seconds that home may take to take a request."""

KEEP = 15.0
"""Seconds that a connection is kept for the next request; home keeps it for 30."""

PIECE = 1024 * 1024
"""Bytes that are read at a time: with http.client's own 8 kB a large result comes a quarter slower
(334 MB/s against 430)."""

_LOOK = 0.1
"""Seconds of one wait on the socket; between two, progress is shown."""

Progress = Callable[[int], None]


class NoRoad(Exception):
    """The door does not answer, or broke before the first byte: another road may do."""


class Direct:
    """The way through the door at `url` with a grant, kept open between requests."""

    def __init__(self, url: str, grant: str) -> None:
        self.url = url
        self._grant = grant
        self._kept: tuple[int, float, HTTPConnection] | None = None
        self._closed = False
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<the direct road by {self.url}>"

    def ask(
        self, op: str, sql: str, params: dict[str, Any], progress: Progress
    ) -> tuple[dict[str, Any], list[Any]]:
        """As `inband.ask`. Raises `NoRoad` when nothing of the answer has come."""
        if op == "datasets":
            with _Talk(self, progress) as talk:
                return talk.json("GET", "/v1/datasets"), []
        body = json.dumps({"sql": sql, "params": params}).encode()
        with _Talk(self, progress) as talk:
            response = talk.request("POST", "/v1/query", body)
            number = response.getheader("x-ropeway-query", "")
            try:
                buffers = talk.read(response)
                return _done(talk.json("GET", f"/v1/queries/{number}")), buffers
            except (NoRoad, OSError, HTTPException):
                talk.close()
        raise self._last_word(number, progress)

    def answers(self, timeout: float) -> bool:
        """Whether the door leads home now."""
        connection = self._connection(timeout)
        try:
            connection.request("GET", "/v1/health", headers=self.headers)
            response = connection.getresponse()
            told = json.loads(response.read())
            return response.status == 200 and told.get("v") == wire.PROTOCOL
        except (OSError, HTTPException, ValueError, AttributeError):
            return False
        finally:
            connection.close()

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        return {"Authorization": f"Bearer {self._grant}"}

    def take(self) -> tuple[HTTPConnection, bool]:
        """A connection, and whether it was kept from an earlier request. Raises `OSError`."""
        with self._lock:
            kept, self._kept = self._kept, None
        if kept is not None:
            process, since, connection = kept
            # After a fork both processes would write into it.
            if process == os.getpid():
                if time.monotonic() - since < KEEP and _is_quiet(connection.sock):
                    return connection, True
                connection.close()
        connection = self._connection(CONNECT)
        connection.connect()
        return connection, False

    def keep(self, connection: HTTPConnection) -> None:
        """Have it ready for the next request."""
        with self._lock:
            spare = connection if self._closed else self._kept and self._kept[2]
            if not self._closed:
                self._kept = os.getpid(), time.monotonic(), connection
        if spare is not None:
            spare.close()

    def close(self) -> None:
        """Another road took its place: nothing is kept open any more."""
        with self._lock:
            self._closed = True
            kept, self._kept = self._kept, None
        if kept is not None:
            kept[2].close()

    def _connection(self, timeout: float) -> HTTPConnection:
        """Not connected. It knows of no proxy, and sends without Nagle's algorithm."""
        place = urlsplit(self.url)
        return HTTPConnection(place.hostname or "", place.port, timeout=timeout)

    def _last_word(self, number: str, progress: Progress) -> RopewayError:
        """Why an answer broke off, as the summary tells, if it can be had."""
        broken = HomeUnreachable(
            "The data service broke off its answer.", hint="Run the cell again."
        )
        try:
            with _Talk(self, progress) as talk:
                summary = talk.json("GET", f"/v1/queries/{number}")
            if summary.get("state") != "cancelled":  # by the break itself: nobody else may
                _done(summary)
        except RopewayError as error:
            told = error
            return broken if told.code in ("not_found", "token_refused") else told
        except NoRoad:
            return broken
        return broken


class _Talk:
    """Requests over one connection, one after the other; kept afterwards if all went well."""

    def __init__(self, road: Direct, progress: Progress) -> None:
        self._road = road
        self._progress = progress
        self._received = 0
        self._heard = time.monotonic()
        self._limit = float("inf")
        self._connection: HTTPConnection | None = None

    def __enter__(self) -> _Talk:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        connection, self._connection = self._connection, None
        well = kind is None or issubclass(kind, RopewayError)
        if connection is not None and well and connection.sock is not None:
            self._road.keep(connection)
        elif connection is not None:
            # An interrupt, too, ends here: home stops a query whose reader hangs up.
            connection.close()

    def close(self) -> None:
        """Give the connection up."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def json(self, method: str, path: str) -> dict[str, Any]:
        """The JSON that answers a request. Raises `NoRoad` and home's errors."""
        response = self.request(method, path)
        try:
            return _object(response.read())
        except (OSError, HTTPException) as error:
            raise NoRoad from error

    def request(self, method: str, path: str, body: bytes | None = None) -> HTTPResponse:
        """The beginning of an answer with status 200. Raises `NoRoad` and home's errors."""
        while True:
            was_kept = False
            try:
                if self._connection is None or self._connection.sock is None:
                    self._connection, was_kept = self._road.take()
                    if not was_kept:
                        self._greet(self._connection)
                response = self._answer(self._connection, method, path, body)
                break
            except (OSError, HTTPException) as error:
                self.close()
                if not was_kept:
                    raise NoRoad from error
        if response.status == 200:
            return response
        raise self._refusal(response)

    def read(self, response: HTTPResponse) -> list[Any]:
        """All of a body, in pieces. Raises `OSError` or `HTTPException` when it ends short."""
        buffers: list[Any] = []
        while piece := response.read1(PIECE):
            buffers.append(piece)
            self._received += len(piece)
        return buffers

    def _greet(self, connection: HTTPConnection) -> None:
        """Make sure that home is at the other end before a query goes there.

        Raises `OSError` or `HTTPException` when it is not.
        """
        self._limit = time.monotonic() + ANSWER
        response = self._answer(connection, "GET", "/v1/health")
        told = _object(response.read())
        if response.status != 200 or told.get("v") != wire.PROTOCOL:
            raise HTTPException("this is not home")
        self._limit = float("inf")

    def _answer(
        self, connection: HTTPConnection, method: str, path: str, body: bytes | None = None
    ) -> HTTPResponse:
        line = connection.sock
        if isinstance(line, socket.socket):
            line = _Line(line)
            connection.sock = line
        assert isinstance(line, _Line)
        line.meanwhile = self._meanwhile
        self._heard = time.monotonic()
        connection.request(method, path, body, self._road.headers)
        return connection.getresponse()

    def _refusal(self, response: HTTPResponse) -> BaseException:
        """Home's error; an answer that is none of home's, or a refused grant, is no road."""
        try:
            told = _object(response.read())["error"]
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
        self._progress(self._received)


class _Line:
    """A connected socket as http.client wants it, whose waits can be watched and interrupted."""

    def __init__(self, sock: socket.socket) -> None:
        self.meanwhile: Callable[[bool], None] = lambda heard: None
        self._sock = sock
        self._users = 1

    def sendall(self, data: Any) -> None:
        self._sock.settimeout(SEND)
        self._sock.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        self._sock.settimeout(_LOOK)
        self._users += 1
        return io.BufferedReader(_Incoming(self, self._sock), PIECE)

    def fileno(self) -> int:
        return self._sock.fileno()

    def close(self) -> None:
        """As a socket: what is still being read stays open until it is read."""
        self._users -= 1
        if self._users <= 0:
            self._sock.close()


class _Incoming(io.RawIOBase):
    """What comes in."""

    def __init__(self, line: _Line, sock: socket.socket) -> None:
        self._line = line
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            try:
                count = self._sock.recv_into(buffer)
            except TimeoutError:
                self._line.meanwhile(False)
            else:
                self._line.meanwhile(True)
                return count

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._line.close()


def _is_quiet(line: Any) -> bool:
    """Whether a kept connection is open: one that home closed has something to read, its end."""
    import select

    try:
        return not select.select([line], [], [], 0)[0]
    except (OSError, ValueError):
        return False


def _done(body: dict[str, Any]) -> dict[str, Any]:
    """The summary of a query that is done. Raises what it failed with."""
    if body.get("error"):
        raise RopewayError.from_json(body["error"])
    return body


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise HTTPException("no object in JSON")
    return found
