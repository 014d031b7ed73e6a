"""What the two ends of a link say to each other, and what each may do when. Pure: no I/O.

Control messages are JSON texts with a `kind`:

    runtime -> home   hello     v, version, server {url token of its Jupyter server}, door (a port)
                      renewed   the key that home sent is kept
                      failed    stream, why: the runtime could not open it
                      bye       why: the runtime stops
    home -> runtime   welcome   v, name
                      open      stream: dial `streams/STREAM` and connect it to your server
                      renew     key: the next key; answer `renewed` once it is kept
                      bye       why, for_good: the link ends; `for_good`: do not come back

A stream carries bytes as binary messages; an empty one ends that direction, as a TCP FIN does. A
WebSocket that closes before both directions ended is a connection that broke.
"""

from __future__ import annotations

import json
import random
import secrets
from dataclasses import dataclass, field
from typing import Any

from ropeway.errors import ProtocolError

VERSION = 1

CHUNK_BYTES = 256 * 1024
"""Bytes of one message of a stream; a larger one ends the stream."""

CONTROL_BYTES = 64 * 1024
"""The largest control message."""

MOST_STREAMS = 512
"""Streams that home may have open to one runtime."""

MOST_SERVICES = 32
"""Streams that one runtime may have open to home's services; home's own are counted apart, so that
neither side can use up the other's."""

PING_SECONDS = 3.0
"""Each side pings so often and waits so long for the answer. With the 5 s that a WebSocket may take
to close, a link that died without a word is given up within 15 s."""

OPEN_SECONDS = 10.0
"""Time that the runtime has to dial a stream that home asked for."""

IDLE_SECONDS = 4000.0
"""A stream that carried nothing for so long is closed. Jupyter's own pings are more frequent, and
the longest query that may be allowed (`data.seconds`) ends earlier."""

REFUSED = "X-Ropeway-Link"
"""The header of home's own refusal: a proxy's 401 or 404 does not have it."""

SERVICES = ("data",)
"""What a runtime may reach at home, by name; nothing else, ever."""

LONGEST_PAUSE = 8.0
_SHORTEST_PAUSE = 0.3


def pack(kind: str, **body: Any) -> str:
    """A control message."""
    return json.dumps({"kind": kind, **body})


def unpack(text: str | bytes) -> dict[str, Any]:
    """A control message; unknown kinds are passed on. Raises `ProtocolError`."""
    if not isinstance(text, str) or len(text) > CONTROL_BYTES:
        raise ProtocolError("The other end of the link sent what is no control message.")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("The other end of the link sent what is no JSON.") from error
    if not isinstance(found, dict) or not isinstance(found.get("kind"), str):
        raise ProtocolError("The other end of the link sent a message without a kind.")
    return found


@dataclass(frozen=True, slots=True)
class Hello:
    """What a runtime says of itself: the token of its Jupyter server, and the port at which its
    kernels find home's services (0: none)."""

    token: str
    door: int
    version: str


class HomeEnd:
    """Home's end of one runtime's link.

    `receive` takes control messages and returns what became known; `ask` makes a stream's id,
    `claim` lets exactly one WebSocket take it.
    """

    def __init__(self) -> None:
        self.hello: Hello | None = None
        self.ended = ""
        """Why the runtime said goodbye; empty as long as it did not."""
        self._asked: set[str] = set()
        self._open = 0
        self._services = 0

    def receive(self, text: str | bytes) -> dict[str, Any]:
        """A message of the runtime, checked. Raises `ProtocolError`; then the link must end."""
        message = unpack(text)
        kind = message["kind"]
        if kind == "hello":
            if self.hello is not None:
                raise ProtocolError("The runtime said hello twice.")
            self.hello = _hello(message)
        elif self.hello is None:
            raise ProtocolError("The runtime did not say hello first.")
        elif kind == "failed":
            self._asked.discard(str(message.get("stream")))
        elif kind == "bye":
            self.ended = str(message.get("why") or "it stopped")[:200]
        return message

    def ask(self) -> str | None:
        """The id of a stream that the runtime shall dial; None when it has too many."""
        if self.hello is None or self.ended or len(self._asked) + self._open >= MOST_STREAMS:
            return None
        stream = secrets.token_urlsafe(18)
        self._asked.add(stream)
        return stream

    def claim(self, stream: str) -> bool:
        """Whether a WebSocket may be this stream: asked for, of this runtime, and not yet taken."""
        if stream not in self._asked:
            return False
        self._asked.discard(stream)
        self._open += 1
        return True

    def forget(self, stream: str) -> None:
        """A stream that nobody dialled in time."""
        self._asked.discard(stream)

    def admit(self, service: str) -> bool:
        """Whether the runtime may open one more stream to a service of home's."""
        if service not in SERVICES or self.hello is None:
            return False
        if self._services >= MOST_SERVICES:
            return False
        self._services += 1
        return True

    def closed(self) -> None:
        """A stream that was claimed has ended."""
        self._open -= 1

    def left(self) -> None:
        """A stream that was admitted has ended."""
        self._services -= 1

    @property
    def streams(self) -> int:
        """Streams that are open."""
        return self._open + self._services


class RuntimeEnd:
    """The runtime's end of its link."""

    def __init__(self) -> None:
        self.name = ""
        self.ended = ""
        self.for_good = False
        """Whether home told it not to come back."""

    def receive(self, text: str | bytes) -> dict[str, Any]:
        """A message of home, checked. Raises `ProtocolError`; then the link must end."""
        message = unpack(text)
        kind = message["kind"]
        if kind == "welcome":
            self.name = _text(message, "name")
        elif kind == "bye":
            self.ended = str(message.get("why") or "home ended the link")[:200]
            self.for_good = message.get("for_good") is True
        elif not self.name:
            raise ProtocolError("Home did not welcome this runtime first.")
        elif kind == "open":
            _text(message, "stream")
        elif kind == "renew":
            _text(message, "key")
        return message


@dataclass(slots=True)
class HalfClose:
    """The two directions of one stream: which of them have ended in order."""

    ended: set[str] = field(default_factory=set)

    def end(self, direction: str) -> None:
        """`in` or `out` has ended."""
        self.ended.add(direction)

    @property
    def whole(self) -> bool:
        """Whether both directions ended: the stream may close and nothing was lost."""
        return self.ended >= {"in", "out"}


class Backoff:
    """Pauses between two attempts: longer each time, each different, none beyond `LONGEST_PAUSE`.

    Many runtimes that lose one home at the same moment must not come back at the same moment.
    """

    def __init__(self, uniform: Any = random.uniform) -> None:
        self._uniform = uniform
        self._next = _SHORTEST_PAUSE

    def pause(self) -> float:
        """Seconds to wait before the next attempt."""
        longest = self._next
        self._next = min(self._next * 2, LONGEST_PAUSE)
        return float(self._uniform(longest / 2, longest))

    def reset(self) -> None:
        """The link was up: begin with short pauses again."""
        self._next = _SHORTEST_PAUSE


def _hello(message: dict[str, Any]) -> Hello:
    if message.get("v") != VERSION:
        raise ProtocolError(
            f"The runtime speaks version {message.get('v')!r} of the link, home {VERSION}.",
            hint="Install the same version of Ropeway on both machines.",
        )
    door = message.get("door", 0)
    if not isinstance(door, int) or isinstance(door, bool) or not 0 <= door < 65536:
        raise ProtocolError("The runtime named a port that is none.")
    token = _text(message, "token")
    if not token.isascii() or not token.isprintable():
        raise ProtocolError("The runtime named a token that is none.")
    return Hello(token, door, str(message.get("version") or "")[:50])


def _text(message: dict[str, Any], key: str) -> str:
    value = message.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= 500:
        raise ProtocolError(f"A message of the link lacks its {key}.")
    return value
