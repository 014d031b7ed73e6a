"""Delivery between two ends over a line that may break: nothing lost, nothing doubled. Pure.

Each end numbers what it sends, keeps it until the other end says that it has it, and sends it
again over the next connection. What comes twice is known by its number. A home that was killed has
nothing to send again: its next process counts from the start, under another `life`.

A connection is a WebSocket: what arrives over it arrives in order, and a part of it at its end may
not arrive at all. Each message is a number and a frame (`frames.pack_v1`); a text
`{"kept": NUMBER}` says, each way, that everything up to that number need not be sent again.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

WINDOW = 1_000
"""Requests that are on their way to a runtime at most."""

KEPT_SECONDS = 0.05
KEPT_BYTES = 1_000_000
"""An end says what it has after so much time or so many bytes, whichever comes first."""

T = TypeVar("T")


class Outbox(Generic[T]):
    """What one end sends: numbered from `after + 1` on, and kept until the other end has it.

    At most `window` items are on their way at a time, where one is given.
    """

    def __init__(self, after: int = 0, window: int | None = None) -> None:
        self.last = after
        self._carried = after
        self._window = window
        self._sent: deque[tuple[int, T]] = deque()
        self._waiting: deque[tuple[int, T]] = deque()

    def __len__(self) -> int:
        return len(self._sent) + len(self._waiting)

    def __iter__(self) -> Iterator[tuple[int, T]]:
        """Everything that is kept, the oldest first."""
        yield from self._sent
        yield from self._waiting

    def put(self, item: T) -> int:
        """Keep an item that is to be sent; returns its number."""
        self.last += 1
        self._waiting.append((self.last, item))
        return self.last

    def take(self) -> tuple[int, T] | None:
        """The next item to be sent, with its number; None while there is none."""
        full = self._window is not None and len(self._sent) >= self._window
        if full or not self._waiting:
            return None
        self._sent.append(self._waiting.popleft())
        self._carried = max(self._carried, self._sent[-1][0])
        return self._sent[-1]

    def connected(self, after: int = 0) -> None:
        """The line is new: whatever is kept and has a number above `after` is sent (again)."""
        kept = [*self]
        self._sent = deque(each for each in kept if each[0] <= after)
        self._waiting = deque(each for each in kept if each[0] > after)

    def release(self, number: int) -> list[T]:
        """The other end has everything up to `number`: let go of it, and return it."""
        gone: list[T] = []
        for queue in (self._sent, self._waiting):
            while queue and queue[0][0] <= number:
                gone.append(queue.popleft()[1])
        return gone

    def remove(self, numbers: set[int]) -> None:
        """Let go of these, whether the other end has them or not."""
        self._sent = deque(each for each in self._sent if each[0] not in numbers)
        self._waiting = deque(each for each in self._waiting if each[0] not in numbers)

    def unsent(self) -> list[T]:
        """What no connection has ever carried."""
        return [item for number, item in self._waiting if number > self._carried]


class Inbox:
    """What one end has of the other's numbered items; `after` is the number of the last one."""

    def __init__(self, after: int = 0) -> None:
        self.last = after

    def accept(self, number: int) -> bool:
        """Whether this one is new. Numbers may be left out, and never go down."""
        if number <= self.last:
            return False
        self.last = number
        return True


class Acknowledger:
    """What one end still has to tell the other: seldom, since each word costs both ends."""

    def __init__(self) -> None:
        self._kept = 0
        self._told = 0
        self._bytes = 0

    def received(self, size: int) -> None:
        """So many bytes came, which the other end still keeps."""
        self._bytes += size

    def keep(self, number: int) -> bool:
        """Everything up to `number` is safe here; whether to tell that at once, or a little later
        (`KEPT_SECONDS`)."""
        self._kept = max(self._kept, number)
        return self._kept > self._told and self._bytes >= KEPT_BYTES

    def text(self) -> str | None:
        """The message that tells it; None when there is nothing to tell."""
        if self._kept <= self._told:
            return None
        self._told, self._bytes = self._kept, 0
        return json.dumps({"kept": self._kept})

    def connected(self) -> None:
        """The line is new: the last word may have been lost with the old one."""
        self._told = 0


def kept_number(text: str) -> int:
    """The number in a `kept` message. Raises `ValueError`."""
    try:
        number = json.loads(text)["kept"]
    except (TypeError, KeyError, RecursionError):
        number = None
    if not isinstance(number, int) or number < 0:
        raise ValueError("not a word about what was kept")
    return number
