"""A variable's value on its way to a companion or from there: `%%on gpu --send df --get scores`.

Home opens a crossing between the two kernels and says its id to both: each sends or takes the value
by the road that it has. What runs in the companion is asked for by home.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

from ropeway import wire
from ropeway.errors import CellFailed, HomeUnreachable, NotFound, RopewayError
from ropeway.kernel import road, values
from ropeway.kernel.answer import ignore
from ropeway.kernel.inband import Talk
from ropeway.kernel.progress import Progress
from ropeway.kernel.values import Packed

_WHY = 6.0
"""Seconds that home may take to say why a value did not come through; it gives a sign of life
every 5."""

_TRIES = 3
"""Times that a value is sent whose way breaks while home stays."""

RETURNED = "_ropeway_returned"
"""The variable of a companion that holds what a call returned, until it has come."""

T = TypeVar("T")


class _Anew(Exception):
    """Home was started anew: it knows nothing of what began with the one before."""


def send(runtime: str, name: str, value: Any) -> bool:
    """Make `value` the variable `name` of this kernel's companion on the runtime.

    False where that runtime is this kernel's own. Begins again where the way breaks. Raises
    `RopewayError`.
    """

    def cross(talk: Talk, number: str, _: bool) -> None:
        packed = values.pack(value, code=True)  # whoever may send it there may run code there
        doing, done = f"sending {name} to {runtime}", f"{name} sent to {runtime}"
        with Progress(packed.size, doing=doing, done=done) as progress:
            _explained(talk, lambda: _give(number, packed, progress))
        _hear_the_end(talk)

    return _crossed("send", runtime, name, cross)[0]


def get(runtime: str, name: str) -> tuple[bool, Any]:
    """The value of the variable `name` of this kernel's companion on the runtime.

    (False, None) where that runtime is this kernel's own. As `send`.
    """

    def cross(talk: Talk, number: str, code: bool) -> Any:
        doing, done = f"getting {name} from {runtime}", f"{name} came from {runtime}"
        with Progress(doing=doing, done=done) as progress:
            value = _explained(talk, lambda: _take(number, code, progress))
        with suppress(_Anew, HomeUnreachable):  # it is here, whatever home says
            _hear_the_end(talk)
        return value

    return _crossed("get", runtime, name, cross)


def _crossed(
    what: str, runtime: str, name: str, cross: Callable[[Talk, str, bool], T]
) -> tuple[bool, T | None]:
    """Whether there is a way to go, and what came of it, however often it breaks."""
    tries = 0
    while True:
        talk = Talk(what, patient=True, runtime=runtime, name=name)
        try:
            reply = _heard(talk)
            if reply.kind == "end":
                return False, None
            try:
                return True, cross(talk, reply.body["id"], bool(reply.body.get("pickles")))
            except HomeUnreachable:
                tries += 1
                if tries == _TRIES:
                    raise
        except _Anew:
            pass
        finally:
            talk.close()


def receive(number: str, name: str) -> str:
    """In a companion: take the value of a crossing as the variable `name`; "" or the error."""

    def received() -> None:
        _variables()[name] = _take(number, True, None)

    return _told(received)


def give(number: str, name: str, code: bool) -> str:
    """In a companion: send the variable `name` by a crossing; "" or the error."""
    return _told(lambda: _give(number, values.pack(variable(name), code=code), None))


def _give(number: str, packed: Packed, progress: Progress | None) -> None:
    def pieces() -> Iterator[Any]:
        crossed = 0
        for piece in packed.pieces:
            view = memoryview(piece)
            for start in range(0, len(view), road.PIECE):
                part = view[start : start + road.PIECE]
                yield part
                crossed += len(part)
                if progress is not None:
                    progress(crossed)

    road.give(number, packed.type, pieces(), ignore if progress is None else progress.again)


def _take(number: str, code: bool, progress: Progress | None) -> Any:
    taken = road.take(number, ignore if progress is None else progress.again)
    try:
        stream = _Counted(taken, progress)
        value = values.unpack(stream, code=code)
        if stream.readinto(memoryview(bytearray(1))):  # to its end, which says that it is whole
            raise HomeUnreachable("More came than the value.")
        return value
    finally:
        taken.close()


class _Counted:
    """A stream whose bytes are shown as they come."""

    def __init__(self, stream: road.Taken, progress: Progress | None) -> None:
        self._stream = stream
        self._progress = progress
        self._crossed = 0

    def readinto(self, view: Any) -> int:
        done = 0
        while done < len(view):
            count = self._stream.readinto(view[done : done + road.PIECE])
            if not count:
                break
            done += count
            self._crossed += count
            if self._progress is not None:
                self._progress(self._crossed)
        return done


def _heard(talk: Talk) -> wire.Reply:
    reply, _ = talk.hear(ignore)
    if reply.kind == "again":
        raise _Anew
    return reply


def _hear_the_end(talk: Talk) -> None:
    while _heard(talk).kind != "end":
        pass


def _explained(talk: Talk, cross: Callable[[], T]) -> T:
    """What crossing gives; where it broke, home may know why."""
    try:
        return cross()
    except (HomeUnreachable, NotFound) as broken:
        since, error = time.monotonic(), broken

        def still() -> None:
            waited = time.monotonic() - since
            if waited > _WHY > talk.silence:  # else it is home that went away, and comes back
                raise error

        if talk.hear(still)[0].kind == "again":
            raise _Anew from None
        raise


def variable(name: str) -> Any:
    """A variable of this kernel. Raises `NotFound`."""
    found = _variables()
    if name not in found:
        raise NotFound(
            f"There is no variable {name}.",
            hint="Set it in a cell that runs there: it stays for later ones.",
        )
    return found[name]


def _variables() -> dict[str, Any]:
    shell = sys.modules["IPython"].get_ipython()
    found: dict[str, Any] = shell.user_ns
    return found


def _told(doing: Any) -> str:
    """How it went, for home: "" or an error as JSON."""
    try:
        doing()
    except RopewayError as error:
        return json.dumps(error.to_json())
    except Exception as error:  # noqa: BLE001 (a value's own code may raise anything)
        told = CellFailed(f"{type(error).__name__}: {error}")
        return json.dumps(told.to_json())
    return ""
