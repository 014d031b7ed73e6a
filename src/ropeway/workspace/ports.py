"""The local side of a bridge: the five ZMQ sockets of an ordinary local kernel.

Everything in the Jupyter world that speaks to local kernels speaks to these. Messages are signed
with the kernel manager's key; the parts themselves are passed on as they are.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import zmq
import zmq.asyncio

from ropeway.workspace.frames import Frame, Part

DELIMITER = b"<IDS|MSG>"
REQUEST_CHANNELS = ("shell", "control", "stdin")

log = logging.getLogger(__name__)

Received = Callable[[list[bytes], Frame], None]


class KernelPorts:
    """ROUTERs for shell, control and stdin, an XPUB for iopub, an echo for the heartbeat.

    `received(identities, frame)` is called for each message of a local client.
    """

    def __init__(self, key: bytes, received: Received) -> None:
        self._key = key
        self._received = received
        self._context = zmq.asyncio.Context.instance()
        self._sockets: dict[str, zmq.asyncio.Socket] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def open(self) -> dict[str, Any]:
        """Bind to free loopback ports; returns the kernel's connection info."""
        info: dict[str, Any] = {
            "ip": "127.0.0.1",
            "transport": "tcp",
            "key": self._key,
            "signature_scheme": "hmac-sha256",
        }
        for name in (*REQUEST_CHANNELS, "iopub", "hb"):
            socket = self._context.socket(zmq.XPUB if name == "iopub" else zmq.ROUTER)
            socket.linger = 0
            socket.set_hwm(0)  # the default of 1000 messages drops output without a word
            if name != "iopub":
                socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
            info[f"{name}_port"] = socket.bind_to_random_port("tcp://127.0.0.1")
            self._sockets[name] = socket
        for channel in REQUEST_CHANNELS:
            self._spawn(self._receive(channel))
        self._spawn(self._echo())
        self._spawn(self._drain_subscriptions())
        return info

    async def close(self) -> None:
        """Free the ports."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for socket in self._sockets.values():
            socket.close(0)

    async def publish(self, parts: Sequence[Part]) -> None:
        """Send a message to every subscriber of iopub."""
        await self._sockets["iopub"].send_multipart(self._signed([b""], parts), copy=False)

    async def answer(self, channel: str, identities: list[bytes], parts: Sequence[Part]) -> None:
        """Send a message to the one client that `identities` names."""
        await self._sockets[channel].send_multipart(self._signed(identities, parts), copy=False)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def _receive(self, channel: str) -> None:
        while True:
            frames = await self._sockets[channel].recv_multipart()
            try:
                split = frames.index(DELIMITER)
                signature, parts = frames[split + 1], frames[split + 2 :]
                if len(parts) < 4 or not hmac.compare_digest(signature, self._sign(parts)):
                    raise ValueError("bad signature")
            except (ValueError, IndexError):
                log.warning("dropped a message on %s that was not signed with our key", channel)
                continue
            self._received(frames[:split], Frame(channel, parts))

    async def _echo(self) -> None:
        socket = self._sockets["hb"]
        while True:
            await socket.send_multipart(await socket.recv_multipart())

    async def _drain_subscriptions(self) -> None:
        while True:
            await self._sockets["iopub"].recv_multipart()

    def _signed(self, identities: list[bytes], parts: Sequence[Part]) -> list[Part]:
        return [*identities, DELIMITER, self._sign(parts), *parts]

    def _sign(self, parts: Sequence[Part]) -> bytes:
        if not self._key:
            return b""
        digest = hmac.new(self._key, digestmod=hashlib.sha256)
        for part in parts[:4]:
            digest.update(part)
        return digest.hexdigest().encode()
