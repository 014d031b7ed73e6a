"""The in-band road, the kernel's end: ask home over the kernel's own connection.

A request goes out on iopub, which works while a cell runs; the answer arrives on stdin, which a
running cell can read. See `ropeway.wire`. Standard library only.
"""

from __future__ import annotations

import sys
import time
import uuid
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ropeway import wire
from ropeway.errors import HomeUnreachable, ProtocolError, RopewayError
from ropeway.kernel import stdin
from ropeway.kernel.answer import Meanwhile

FIRST = 10.0
"""Seconds until home must have given a sign of life."""

SILENCE = 30.0
"""Seconds that home may be silent after its first sign; it gives one every 5."""

KNOCK = 7.0
"""Seconds of silence after which a patient request asks whether home knows it; then after twice as
long, and so on up to a minute."""

LONG = 60.0
"""Seconds of silence after which a patient request says that it waits; before home's first sign of
life `FIRST`."""

CREDIT = 4
"""Buffers that may be on their way to us: 16 MB."""

_LONGEST_KNOCK = 60.0

_WAITING = (
    "Ropeway: home has been silent for {:.0f} s. The cell goes on once it is back; interrupt it, "
    "twice where it runs elsewhere, to give up.\n"
)


@dataclass
class _Box:
    """What came for one request and was not looked at yet; whoever reads the socket fills it."""

    patient: bool = False
    replies: deque[tuple[wire.Reply, list[Any]]] = field(default_factory=deque)
    expected: int = 0
    heard: int = 0
    lost: bool = False

    def put(self, reply: wire.Reply, buffers: list[Any]) -> None:
        """One more came."""
        self.heard += 1
        if self.patient and (reply.kind == "again" or reply.seq == 0):
            # A home that was started anew counts from its own beginning.
            self.expected, self.lost = reply.seq, False
        # An error may be the word of a home that knows nothing of what was before.
        self.lost = self.lost or (reply.seq != self.expected and reply.kind != "error")
        self.expected += 1
        if not self.lost:
            self.replies.append((reply, buffers))


_has_home = False
"""Whether a workspace started this kernel: where it is away, it comes back."""

_boxes: dict[str, _Box] = {}
"""By request: the answers that are not whole. Home's credit bounds what lies in them."""


class Talk:
    """One request and its replies. Raises `HomeUnreachable` in any Python that is no kernel."""

    def __init__(
        self, op: str, *, patient: bool = False, credit: int = CREDIT, **fields: Any
    ) -> None:
        """A `patient` one waits for a home that is away, if ever there was one."""
        self._kernel = kernel()
        self.id = uuid.uuid4().hex
        self._box = _boxes[self.id] = _Box(patient)
        self._heard_at = time.monotonic()
        self._told = False
        self.say(op, credit=credit, **fields)

    def say(self, op: str, *buffers: Any, **fields: Any) -> None:
        """Send a message that belongs to this request."""
        self._kernel.session.send(
            self._kernel.iopub_socket,
            wire.REQUEST_TYPE,
            wire.to_json(wire.Request(self.id, op, **fields)),
            parent=self._kernel.get_parent("shell"),
            buffers=list(buffers),
        )

    def hear(self, meanwhile: Meanwhile) -> tuple[wire.Reply, list[Any]]:
        """The next reply that is more than a sign of life. Raises home's errors.

        When it raises, the request has ended: home was told, unless it said so itself.
        """
        try:
            while True:
                reply, parts = self._next(meanwhile)
                if reply.kind == "error":
                    self.forget()
                    raise RopewayError.from_json(reply.body)
                if reply.kind == "end":
                    self.forget()
                if reply.kind != "wait":
                    return reply, parts
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Tell home to stop, if it has not ended."""
        if self.forget():
            self.say("cancel")

    def forget(self) -> bool:
        """Whether it was still open."""
        return _boxes.pop(self.id, None) is not None

    @property
    def silence(self) -> float:
        """Seconds since home said something, or was listened to."""
        return time.monotonic() - self._heard_at

    def _next(self, meanwhile: Meanwhile) -> tuple[wire.Reply, list[Any]]:
        box, seen, knock = self._box, self._box.heard, KNOCK
        self._heard_at = time.monotonic()
        while True:
            meanwhile()
            if box.replies:
                return box.replies.popleft()
            if box.lost:
                raise HomeUnreachable(
                    "A part of the answer was lost on the way.", hint="Run the cell again."
                )
            stdin.look(self._kernel, lambda: bool(box.replies))
            if box.heard != seen:
                self._heard_at, seen, knock = time.monotonic(), box.heard, KNOCK
            if box.patient and (seen or _has_home):
                if self.silence > knock:
                    self.say("there")
                    knock += min(knock, _LONGEST_KNOCK)
                self._tell_that_it_waits(LONG if seen else FIRST)
            elif self.silence > (SILENCE if seen else FIRST):
                raise _silent(seen > 0)

    def _tell_that_it_waits(self, longer_than: float) -> None:
        if not self._told and self.silence > longer_than:
            self._told = True
            sys.stderr.write(_WAITING.format(longer_than))


class InBandAnswer:
    """An answer that began; see `ropeway.kernel.answer`."""

    def __init__(self, talk: Talk, meanwhile: Meanwhile) -> None:
        self.road = "in-band"
        self.summary: dict[str, Any] = {}
        self._talk = talk
        self._taken = 0
        self._ended = False
        reply, _ = talk.hear(meanwhile)
        self.unchanged = reply.kind == "end" and reply.body.get("cached") is True
        self.etag = str(reply.body.get("etag", ""))

    def next(self, meanwhile: Meanwhile) -> Any:
        """The next bytes; None once it is whole. Raises `RopewayError`."""
        reply, parts = self._talk.hear(meanwhile)
        if reply.kind == "end":
            self.summary = reply.body
            return None
        self._taken += 1
        if self._taken % (CREDIT // 2) == 0:
            self._talk.say("more", credit=CREDIT // 2)
        return parts[0]

    def close(self) -> None:
        """Take no more of it; home stops the query."""
        self._talk.close()


def query(sql: str, params: dict[str, Any], etag: str, meanwhile: Meanwhile) -> InBandAnswer:
    """Put a query to home; returns when its first rows are ready, or the answer is `unchanged`.

    `meanwhile` is called while nothing comes. Raises what home answers, `HomeUnreachable` when it
    does not, and passes an interrupt on after it has told home to stop.
    """
    return InBandAnswer(Talk("query", sql=sql, params=params, etag=etag), meanwhile)


def datasets(meanwhile: Meanwhile) -> dict[str, Any]:
    """`{"datasets": [Dataset...]}`. Raises as `query`."""
    return Talk("datasets").hear(meanwhile)[0].body


def put(name: str, if_exists: str, stream: Iterator[bytes], meanwhile: Meanwhile) -> dict[str, Any]:
    """Send a table home as the dataset `name`; home's `Receipt`. Raises as `query`.

    What `stream` raises is passed on, once home was told to drop what came.
    """
    return _send(Talk("put", name=name, if_exists=if_exists), stream, meanwhile)


def give(number: str, kind: str, stream: Iterator[Any], meanwhile: Meanwhile) -> None:
    """Send the value of a crossing. Raises as `put`."""
    _send(Talk("give", name=number, text=kind), stream, meanwhile)


def download(name: str, stream: Iterator[bytes], meanwhile: Meanwhile) -> dict[str, Any]:
    """Send a file for the person at the page; its `id` at home. Raises as `put`."""
    return _send(Talk("download", name=name), stream, meanwhile)


class Taken:
    """The value of a crossing, as it comes."""

    def __init__(self, number: str, meanwhile: Meanwhile) -> None:
        self._talk = Talk("take", name=number)
        self._meanwhile = meanwhile
        self._piece = memoryview(b"")
        self._taken = 0
        self._whole = False

    def readinto(self, view: Any) -> int:
        """See `road.Taken`."""
        while not self._piece and not self._whole:
            reply, parts = self._talk.hear(self._meanwhile)
            self._whole = reply.kind == "end"
            if reply.kind == "data":
                self._piece = memoryview(parts[0])
                self._taken += 1
                if self._taken % (CREDIT // 2) == 0:
                    self._talk.say("more", credit=CREDIT // 2)
        part = self._piece[: len(view)]
        view[: len(part)] = part
        self._piece = self._piece[len(part) :]
        return len(part)

    def close(self) -> None:
        """Take no more of it."""
        self._talk.close()


def _send(talk: Talk, stream: Iterator[Any], meanwhile: Meanwhile) -> dict[str, Any]:
    credit = 0
    try:
        for piece in stream:
            for start in range(0, len(piece), wire.CHUNK_BYTES):
                while credit == 0:
                    credit = int(talk.hear(meanwhile)[0].body["credit"])
                talk.say("piece", memoryview(piece)[start : start + wire.CHUNK_BYTES])
                credit -= 1
        talk.say("whole")
        while (reply := talk.hear(meanwhile)[0]).kind != "end":
            pass
        return reply.body
    except BaseException:
        talk.close()
        raise


def _take(value: dict[str, Any], parts: list[Any]) -> None:
    """Put what came into its box. What belongs to nobody is dropped."""
    body = value["ropeway"]
    box = _boxes.get(str(body.get("id"))) if isinstance(body, dict) else None
    if box is None:
        return
    if body.get("v") != wire.PROTOCOL:
        raise ProtocolError(
            f"Home speaks version {body.get('v')!r} of Ropeway's protocol, "
            f"this kernel {wire.PROTOCOL}.",
            hint="Restart the kernel: it then gets the version of the workspace.",
        )
    box.put(wire.from_json(wire.Reply, body), parts)


stdin.hand("ropeway", _take)


def started_by_home() -> None:
    """A workspace says that it started this kernel."""
    global _has_home
    _has_home = True


def kernel() -> Any:
    """This process's ipykernel. Raises `HomeUnreachable` in any other Python."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    found = getattr(shell, "kernel", None)
    if found is None or getattr(found, "stdin_socket", None) is None:
        raise HomeUnreachable(
            "This Python is no notebook kernel, so it has no road to home.",
            hint="Run it in a notebook that a workspace opened, or use `ropeway data query`.",
        )
    return found


def _silent(spoke_before: bool) -> HomeUnreachable:
    if spoke_before:
        return HomeUnreachable(
            f"Home has been silent for {SILENCE:.0f} s in the middle of an answer.",
            hint="Check that the workspace runs and is connected, then run the cell again.",
        )
    return HomeUnreachable(
        f"Home did not answer within {FIRST:.0f} s.",
        hint="Data at home is reached from notebooks that a Ropeway workspace opened; check "
        "that the workspace runs and is connected to this runtime.",
    )
