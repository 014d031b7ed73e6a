"""The direct road: ask home's data service over HTTP, through a door that a tunnel leads to.

Standard library only. What is asked and answered is in `ropeway.wire`; results and errors are those
of the in-band road.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from ropeway import wire
from ropeway.errors import HomeUnreachable, RopewayError
from ropeway.kernel.answer import Meanwhile, Rest, ignore
from ropeway.kernel.line import PIECE, is_quiet
from ropeway.kernel.talk import NOT_MODIFIED, NoRoad, Talk

CONNECT = 2.0
"""Seconds until the door must take the connection; it stands on this machine."""

KEEP = 15.0
"""Seconds that a connection is kept for the next request; home keeps it for 30."""


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

    def datasets(self, meanwhile: Meanwhile) -> dict[str, Any]:
        """As `inband.datasets`. Raises `NoRoad` when home is not at the other end."""
        return Talk(self, meanwhile).json("GET", "/v1/datasets", last=True)

    def query(
        self, sql: str, params: dict[str, Any], etag: str, meanwhile: Meanwhile
    ) -> DirectAnswer:
        """As `inband.query`. Raises `NoRoad` when nothing of the answer has come."""
        body = json.dumps({"sql": sql, "params": params}).encode()
        talk = Talk(self, meanwhile)
        headers = {"If-None-Match": etag} if etag else {}
        return DirectAnswer(self, talk, talk.request("POST", "/v1/query", body, headers))

    def put(
        self, name: str, if_exists: str, stream: Iterator[bytes], meanwhile: Meanwhile
    ) -> dict[str, Any]:
        """As `inband.put`. Raises `NoRoad` before anything of the stream was taken."""
        talk = Talk(self, meanwhile)
        path = f"/v1/put/{quote(name, safe='')}?{urlencode({'if_exists': if_exists})}"
        talk.json("GET", path)  # whether it may, before anything is sent
        try:
            return talk.send(path, stream)
        except NoRoad:
            raise HomeUnreachable(
                "The connection to home broke while the table was on its way.",
                hint="Run the cell again.",
            ) from None

    def send_value(
        self, number: str, kind: str, stream: Iterator[Any], meanwhile: Meanwhile
    ) -> None:
        """As `inband.give`. Raises `NoRoad` before anything of the stream was taken."""
        talk = Talk(self, meanwhile)
        talk.json("GET", "/v1/health")
        try:
            talk.send(f"/v1/crossings/{number}?{urlencode({'type': kind})}", stream)
        except NoRoad:
            raise _broke() from None

    def take_value(self, number: str, meanwhile: Meanwhile) -> DirectTaken:
        """As `inband.Taken`. Raises `NoRoad` when nothing of the value has come."""
        talk = Talk(self, meanwhile)
        return DirectTaken(talk, talk.request("GET", f"/v1/crossings/{number}"))

    def artefacts(self, question: bytes) -> bytes:
        """As `aside.ask`. Raises `NoRoad`; then the question may be put again by another road."""
        talk = Talk(self, ignore)
        response = talk.request("POST", "/v1/artefacts", question)
        try:
            answer = response.read()
        except (OSError, HTTPException) as error:
            talk.close()
            raise NoRoad from error
        talk.finish()
        return answer

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
                if time.monotonic() - since < KEEP and is_quiet(connection.sock):
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


class DirectAnswer:
    """An answer that began; see `ropeway.kernel.answer`."""

    def __init__(self, road: Direct, talk: Talk, response: HTTPResponse) -> None:
        self.road = "direct"
        self.etag = response.getheader("x-ropeway-etag", "")
        self.unchanged = response.status == NOT_MODIFIED
        self.summary: dict[str, Any] = {}
        self._home = road
        self._talk = talk
        self._response = response
        self._number = response.getheader("x-ropeway-query", "")
        self._rest = Rest()
        if self.unchanged:
            response.read()  # of no body; else the connection takes no further request
            talk.finish()

    def next(self, meanwhile: Meanwhile) -> bytes | None:
        """The next bytes; None once it is whole. Raises `RopewayError`."""
        self._rest.ends()
        self._talk.watch(meanwhile)
        try:
            if piece := self._response.read1(PIECE):
                return piece
            self.summary = _done(self._talk.json("GET", f"/v1/queries/{self._number}", last=True))
            return None
        except (NoRoad, OSError, HTTPException):
            self._talk.close()
            raise self._last_word(meanwhile) from None
        except BaseException:
            # An interrupt, too, ends here: home stops a query whose reader hangs up.
            self._talk.close()
            raise
        finally:
            self._talk.watch(ignore)
            self._rest.begins()

    def close(self) -> None:
        """Take no more of it; home stops the query."""
        self._talk.close()

    def _last_word(self, meanwhile: Meanwhile) -> RopewayError:
        """Why an answer broke off, as the summary tells, if it can be had."""
        broken = self._rest.given_up() or HomeUnreachable(
            "The data service broke off its answer.", hint="Run the cell again."
        )
        try:
            talk = Talk(self._home, meanwhile)
            summary = talk.json("GET", f"/v1/queries/{self._number}", last=True)
            if summary.get("state") != "cancelled":  # by the break itself: nobody else may
                _done(summary)
        except RopewayError as error:
            told = error
            return broken if told.code in ("not_found", "token_refused") else told
        except NoRoad:
            return broken
        return broken


class DirectTaken:
    """The value of a crossing, as it comes; see `road.Taken`."""

    def __init__(self, talk: Talk, response: HTTPResponse) -> None:
        self._talk = talk
        self._response = response

    def readinto(self, view: Any) -> int:
        """Raises `HomeUnreachable` where it ends short."""
        try:
            return self._response.readinto(view)
        except (OSError, HTTPException):
            self._talk.close()
            raise _broke() from None
        except BaseException:
            self._talk.close()
            raise

    def close(self) -> None:
        """Take no more of it."""
        if self._response.isclosed():
            self._talk.finish()
        else:
            self._talk.close()


def _broke() -> HomeUnreachable:
    return HomeUnreachable("The value did not come whole.", hint="Run the cell again.")


def _done(body: dict[str, Any]) -> dict[str, Any]:
    """The summary of a query that is done. Raises what it failed with."""
    if body.get("error"):
        raise RopewayError.from_json(body["error"])
    return body
