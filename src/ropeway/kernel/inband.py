"""The in-band road, the kernel's end: ask home over the kernel's own connection.

A request goes out on iopub, which works while a cell runs; the answer arrives on stdin, which a
running cell can read. See `ropeway.wire`. Standard library only.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ropeway import wire
from ropeway.errors import HomeUnreachable, ProtocolError, RopewayError

FIRST = 10.0
"""Seconds until home must have given a sign of life."""

SILENCE = 30.0
"""Seconds that home may be silent after its first sign; it gives one every 5."""

CREDIT = 4
"""Buffers that may be on their way to us: 16 MB."""

_LOOK_MS = 100
"""Milliseconds of one wait on the socket; between two, an interrupt gets through."""

_turn = threading.Lock()
"""Two threads must not read the one socket together."""


def ask(
    op: str,
    sql: str = "",
    params: dict[str, Any] | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[dict[str, Any], list[Any]]:
    """Put one request to home and wait for its end: the body of `end`, and the buffers in order.

    `progress` is called with the bytes received so far, also while nothing comes. Raises what
    home answers, `HomeUnreachable` when it does not, and passes an interrupt on after it has
    told home to stop.
    """
    request = wire.Request(uuid.uuid4().hex, op, sql=sql, params=params or {}, credit=CREDIT)
    kernel = _kernel()
    with _alone():
        _send(kernel, request)
        try:
            return _collect(kernel, request, progress or _ignore)
        except RopewayError:
            raise
        except BaseException:
            _send(kernel, wire.Request(request.id, "cancel"))
            raise


def _collect(
    kernel: Any, request: wire.Request, progress: Callable[[int], None]
) -> tuple[dict[str, Any], list[Any]]:
    buffers: list[Any] = []

    def meanwhile() -> None:
        progress(sum(len(part) for part in buffers))

    for reply, parts in _replies(kernel, request, meanwhile):
        if reply.kind == "end":
            return reply.body, buffers
        if reply.kind == "error":
            raise RopewayError.from_json(reply.body)
        if reply.kind == "data":
            buffers.extend(parts)
            if len(buffers) % (CREDIT // 2) == 0:
                _send(kernel, wire.Request(request.id, "more", credit=CREDIT // 2))
    raise AssertionError("the replies end with end or error")


def _replies(
    kernel: Any, request: wire.Request, meanwhile: Callable[[], None]
) -> Iterator[tuple[wire.Reply, list[Any]]]:
    """The replies to one request as they come; others are stale and dropped."""
    expected = 0
    deadline = time.monotonic() + FIRST
    while True:
        meanwhile()
        got = _receive(kernel, request.id)
        if got is None:
            if time.monotonic() > deadline:
                _send(kernel, wire.Request(request.id, "cancel"))
                raise _silent(expected > 0)
            continue
        reply, parts = got
        if reply.seq != expected:
            _send(kernel, wire.Request(request.id, "cancel"))
            raise HomeUnreachable(
                "A part of the answer was lost on the way.", hint="Run the cell again."
            )
        expected += 1
        deadline = time.monotonic() + SILENCE
        yield reply, parts


def _receive(kernel: Any, number: str) -> tuple[wire.Reply, list[Any]] | None:
    """The next reply to the request `number`, or None when there is none for a moment."""
    if not kernel.stdin_socket.poll(_LOOK_MS):
        return None
    try:
        _, message = kernel.session.recv(kernel.stdin_socket)
    except ValueError:  # not signed with this kernel's key
        return None
    value = (message or {}).get("content", {}).get("value")
    body = value.get("ropeway") if isinstance(value, dict) else None
    if not isinstance(body, dict) or body.get("id") != number:
        return None
    if body.get("v") != wire.PROTOCOL:
        raise ProtocolError(
            f"Home speaks version {body.get('v')!r} of Ropeway's protocol, "
            f"this kernel {wire.PROTOCOL}.",
            hint="Restart the kernel: it then gets the version of the workspace.",
        )
    return wire.from_json(wire.Reply, body), list(message["buffers"])


def _send(kernel: Any, request: wire.Request) -> None:
    kernel.session.send(
        kernel.iopub_socket,
        wire.REQUEST_TYPE,
        wire.to_json(request),
        parent=kernel.get_parent("shell"),
    )


@contextmanager
def _alone() -> Iterator[None]:
    # In short waits: a thread that waits for a lock for long cannot be interrupted everywhere.
    while not _turn.acquire(timeout=_LOOK_MS / 1000):
        pass
    try:
        yield
    finally:
        _turn.release()


def _kernel() -> Any:
    """This process's ipykernel. Raises `HomeUnreachable` in any other Python."""
    import sys

    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    kernel = getattr(shell, "kernel", None)
    if kernel is None or getattr(kernel, "stdin_socket", None) is None:
        raise HomeUnreachable(
            "This Python is no notebook kernel, so it has no road to home.",
            hint="Run it in a notebook that a workspace opened, or use `ropeway data query`.",
        )
    return kernel


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


def _ignore(_: int) -> None:
    """Progress that nobody looks at."""
