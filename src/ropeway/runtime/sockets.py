"""A kernel's ZMQ sockets, as one home has them: nothing the kernel publishes is dropped here."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import zmq
from jupyter_client.session import Session

from ropeway.frames import Frame, Part

REQUEST_CHANNELS = ("stdin", "shell", "control")

_NUDGE_SECONDS = 0.5
_NUDGES = 120

log = logging.getLogger(__name__)


class KernelSockets:
    """The sockets to the kernel of `manager`, stock Jupyter's manager of this one kernel.

    `received` hears every message. What is sent before the kernel is known to hear us waits,
    because a kernel that published before our subscription reached it would not be heard.
    """

    def __init__(self, manager: Any, received: Callable[[Frame], None]) -> None:
        self._manager = manager
        self._received = received
        self._streams: dict[str, Any] = {}
        self._session = Session(key=manager.session.key)
        self._mark = self._session.session.encode()
        self._process: object = None
        self._waiting: list[Frame] = []
        self._greeting: asyncio.Task[None] | None = None
        self.ready = asyncio.Event()

    @property
    def stale(self) -> bool:
        """Whether they lead to a process that is no more: the kernel was restarted."""
        return self._process != self._current_process()

    def open(self) -> None:
        """Connect to the kernel as it is now; what waits is sent once it hears us."""
        self.close()
        self._process = self._current_process()
        # A busy kernel published already, and some answer nobody before they are done.
        if getattr(self._manager, "execution_state", None) == "busy":
            self._connect()
            self._heard()
        else:
            self._greeting = asyncio.ensure_future(self._greet())

    def close(self) -> None:
        """Disconnect. What waits is kept for another `open`."""
        self.ready.clear()
        if self._greeting is not None:
            self._greeting.cancel()
            self._greeting = None
        for stream in self._streams.values():
            if not stream.closed():
                stream.on_recv(None)
                stream.close()
        self._streams.clear()

    def flush(self) -> None:
        """Hear what the kernel said until now."""
        if "iopub" in self._streams and not self._streams["iopub"].closed():
            self._streams["iopub"].flush()

    def send(self, frame: Frame) -> None:
        """Send a message to the kernel."""
        if self.ready.is_set():
            self._session.send_raw(self._streams[frame.channel], list(frame.parts))
        else:
            self._waiting.append(frame)

    def _current_process(self) -> object:
        provisioner = getattr(self._manager, "provisioner", None)
        return tuple(self._manager.ports), getattr(provisioner, "pid", None)

    def _from_kernel(self, channel: str, received: Sequence[Any]) -> None:
        _, rest = self._session.feed_identities(received, copy=False)
        parts: list[Part] = [part.buffer for part in rest[1:]]
        if len(parts) < 4:
            log.warning("dropped a message on %s that is none", channel)
            return
        if channel == "iopub" and self._is_for_us(parts):
            self._heard()
            return
        self._received(Frame(channel, parts))

    def _is_for_us(self, parts: Sequence[Part]) -> bool:
        """Whether it says no more than that the kernel hears us."""
        return self._mark in bytes(parts[1]) or b'"iopub_welcome"' in bytes(parts[0])

    def _heard(self) -> None:
        if self.ready.is_set():
            return
        self.ready.set()
        waiting, self._waiting = self._waiting, []
        for frame in waiting:
            self.send(frame)

    def _connect(self) -> None:
        identity = Session(key=self._manager.session.key).bsession
        for channel in (*REQUEST_CHANNELS, "iopub"):
            stream = getattr(self._manager, f"connect_{channel}")(identity=identity)
            stream.socket.set(zmq.RCVHWM, 0)
            stream.socket.set(zmq.LINGER, 0)
            stream.on_recv(partial(self._from_kernel, channel), copy=False)
            self._streams[channel] = stream

    async def _greet(self) -> None:
        """Connect once the kernel answers, and wait until iopub speaks of it.

        A socket that connects before the kernel listens tries again when it likes, each by itself:
        then a question on stdin could come before we hear it, and be lost. A kernel that never
        answers is spoken to all the same.
        """
        probes = [self._manager.connect_shell(), self._manager.connect_control()]
        answered = asyncio.Event()
        try:
            for probe in probes:
                probe.socket.set(zmq.LINGER, 0)
                probe.on_recv(lambda _: answered.set())
            await self._ask(probes, answered)
            self._connect()
            await self._ask(probes[1:], self.ready)
            self._heard()
        finally:
            for probe in probes:
                probe.close()

    async def _ask(self, probes: Sequence[Any], until: asyncio.Event) -> None:
        for _ in range(_NUDGES):
            for probe in probes:
                self._session.send(probe, "kernel_info_request")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(until.wait(), _NUDGE_SECONDS)
                return
