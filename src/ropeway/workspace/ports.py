"""The local side of a bridge: the five ZMQ sockets of an ordinary local kernel.

Everything in the Jupyter world that speaks to local kernels speaks to these. Messages are signed
with the kernel manager's key; the parts themselves are passed on as they are.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import zmq

from ropeway.frames import Frame, Part

DELIMITER = b"<IDS|MSG>"
REQUEST_CHANNELS = ("shell", "control", "stdin")

log = logging.getLogger(__name__)

MOST_SOCKETS = 65_535
"""ZMQ's own bound of 1,023 is reached by two hundred kernels."""

_AT_ONCE = 100
"""Messages that are taken from one socket before others have their turn."""

ASKED_LATER = 0.05
"""Seconds for which a question waits. What was said before it goes by another socket, and of two
that have something a client reads either first: a page would ask for a password before it shows
what for."""

Received = Callable[[list[bytes], Frame], None]


@cache
def _context() -> zmq.Context[zmq.Socket[bytes]]:
    """One for all kernels, with room for many."""
    made: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    made.set(zmq.MAX_SOCKETS, MOST_SOCKETS)
    return made


class KernelPorts:
    """ROUTERs for shell, control and stdin, a PUB for iopub, an echo for the heartbeat.

    `received(identities, frame)` is called for each message of a local client.
    """

    def __init__(self, key: bytes, received: Received) -> None:
        self._key = key
        self._received = received
        self._context = _context()
        self._routers: dict[str, _Router] = {}
        self._iopub: zmq.Socket[bytes] | None = None

    def open(self) -> dict[str, Any]:
        """Bind to free loopback ports; returns the kernel's connection info."""
        info: dict[str, Any] = {
            "ip": "127.0.0.1",
            "transport": "tcp",
            "key": self._key,
            "signature_scheme": "hmac-sha256",
        }
        for channel in (*REQUEST_CHANNELS, "hb"):
            socket, info[f"{channel}_port"] = self._bound(zmq.ROUTER)
            socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
            received = self._echo if channel == "hb" else partial(self._receive, channel)
            self._routers[channel] = _Router(socket, received)
        self._iopub, info["iopub_port"] = self._bound(zmq.PUB)
        return info

    def close(self) -> None:
        """Free the ports."""
        for router in self._routers.values():
            router.close()
        if self._iopub is not None:
            self._iopub.close(0)

    def publish(self, parts: Sequence[Part]) -> None:
        """Send a message to every subscriber of iopub."""
        if self._iopub is not None and not self._iopub.closed:
            self._iopub.send_multipart(self._signed([b""], parts), copy=False, flags=zmq.NOBLOCK)

    def answer(self, channel: str, identities: list[bytes], parts: Sequence[Part]) -> None:
        """Send a message to the one client that `identities` names."""
        send = partial(self._routers[channel].send, self._signed(identities, parts))
        if channel == "stdin":
            asyncio.get_running_loop().call_later(ASKED_LATER, send)
        else:
            send()

    def _bound(self, kind: int) -> tuple[zmq.Socket[bytes], int]:
        socket = self._context.socket(kind)
        socket.linger = 0
        socket.set_hwm(0)  # the default of 1000 messages drops output without a word
        return socket, socket.bind_to_random_port("tcp://127.0.0.1")

    def _receive(self, channel: str, frames: list[bytes]) -> None:
        try:
            split = frames.index(DELIMITER)
            signature, parts = frames[split + 1], frames[split + 2 :]
            if len(parts) < 4 or not hmac.compare_digest(signature, self._sign(parts)):
                raise ValueError("bad signature")
        except (ValueError, IndexError):
            log.warning("dropped a message on %s that was not signed with our key", channel)
            return
        self._received(frames[:split], Frame(channel, parts))

    def _echo(self, frames: list[bytes]) -> None:
        self._routers["hb"].send(frames)

    def _signed(self, identities: list[bytes], parts: Sequence[Part]) -> list[Part]:
        return [*identities, DELIMITER, self._sign(parts), *parts]

    def _sign(self, parts: Sequence[Part]) -> bytes:
        if not self._key:
            return b""
        digest = hmac.new(self._key, digestmod=hashlib.sha256)
        for part in parts[:4]:
            digest.update(part)
        return digest.hexdigest().encode()


class _Router:
    """A ROUTER on the event loop: a tenth of what pyzmq's `ZMQStream` weighs, of which a fleet of
    idle kernels has thousands.

    ZMQ's descriptor speaks only when something changes: what came is read until there is no more,
    and looked for again after each send.
    """

    def __init__(self, socket: zmq.Socket[bytes], received: Callable[[list[bytes]], None]) -> None:
        self._socket = socket
        self._received = received
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(socket.FD, self._read)

    def send(self, frames: Sequence[Part]) -> None:
        """Send a message; one whose addressee has gone is dropped."""
        if not self._socket.closed:
            self._socket.send_multipart(frames, copy=False, flags=zmq.NOBLOCK)
            self._loop.call_soon(self._read)

    def close(self) -> None:
        """Free the port."""
        if not self._socket.closed:
            self._loop.remove_reader(self._socket.FD)
            self._socket.close(0)

    def _read(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                frames = None if self._socket.closed else self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            if frames is None:
                return
            self._received(frames)
        self._loop.call_soon(self._read)  # others have their turn
