"""The kernel's stdin socket, on which home answers what a running cell asked on iopub.

Several may wait for answers of their own, in several threads; whoever reads hands what came to the
one whom it is for. Standard library only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

LOOK_MS = 100
"""Milliseconds of one wait on the socket; between two, an interrupt gets through."""

Take = Callable[[dict[str, Any], list[Any]], None]
"""Called with the `value` of an `input_reply` and its binary buffers."""

_turn = threading.Lock()
"""Two threads must not read the one socket together."""

_takers: dict[str, Take] = {}


def hand(kind: str, take: Take) -> None:
    """Hand every answer that has the key `kind` to `take`, from now on."""
    _takers[kind] = take


def look(kernel: Any, came: Callable[[], bool]) -> None:
    """Wait a moment for the next answer to anybody, unless what is waited for `came`.

    In short waits: a thread that waits for a lock for long cannot be interrupted everywhere, and
    who has the turn may take what is for us.
    """
    if not _turn.acquire(timeout=LOOK_MS / 1000):
        return
    try:
        if not came() and kernel.stdin_socket.poll(LOOK_MS):
            _receive(kernel)
    finally:
        _turn.release()


def _receive(kernel: Any) -> None:
    """Hand on what came. What belongs to nobody is dropped."""
    try:
        _, message = kernel.session.recv(kernel.stdin_socket)
    except ValueError:  # not signed with this kernel's key
        return
    value = (message or {}).get("content", {}).get("value")
    if message is None or not isinstance(value, dict):
        return
    for kind, take in _takers.items():
        if kind in value:
            take(value, list(message["buffers"]))
