"""A connected socket as http.client wants it, whose waits can be watched and interrupted."""

from __future__ import annotations

import io
import socket
from collections.abc import Callable
from typing import Any

SEND = 60.0
"""Seconds that home may take to take a request."""

PIECE = 1024 * 1024
"""Bytes that are read at a time: with http.client's own 8 kB a large result comes a quarter slower
(334 MB/s against 430)."""

_LOOK = 0.1
"""Seconds of one wait on the socket; between two, progress is shown."""


class Line:
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

    def __init__(self, line: Line, sock: socket.socket) -> None:
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


def is_quiet(line: Any) -> bool:
    """Whether a kept connection is open: one that home closed has something to read, its end."""
    import select

    try:
        return not select.select([line], [], [], 0)[0]
    except (OSError, ValueError):
        return False
