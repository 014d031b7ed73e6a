"""A kernel behind a runtime's WebSocket, made to look like a local ZMQ kernel.

`KernelPorts` is the local side, `Uplink` the remote one; the bridge routes between them. What the
kernel publishes is passed on undecoded; of requests and replies only the header is read, to find
the way back. Three kinds of message stay between runtime and home: in-band requests of the SDK
(`ropeway_request`), those of `google.colab` that home answers (`colab_request`), and the traffic of
the workspace's own requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, Protocol

from ropeway import wire
from ropeway.delivery import KEPT_SECONDS
from ropeway.errors import KernelGone, TokenRefused, Unreachable
from ropeway.frames import Frame, Part, message
from ropeway.workspace import colab, gap
from ropeway.workspace.client import RuntimeClient
from ropeway.workspace.gap import Asked
from ropeway.workspace.journal import Journal
from ropeway.workspace.ports import KernelPorts
from ropeway.workspace.stand_in import StandIn
from ropeway.workspace.uplink import State, Uplink
from ropeway.workspace.windows import Windows

OURS = "ropeway-"
"""Prefix of the message ids of our own requests: their traffic is not for the page."""

_OURS = OURS.encode()
_REQUEST = wire.REQUEST_TYPE.encode()
_COLAB = colab.REQUEST_TYPE.encode()
_ROUTES_KEPT = 10_000

LINK_SECONDS = 60.0
REATTACH_TRIES = 8
REATTACH_PAUSE = 0.5
ANSWER_SECONDS = 4.0

_NO_KERNEL_INFO = {
    "status": "ok",
    "protocol_version": "5.3",
    "implementation": "",
    "implementation_version": "",
    "banner": "",
    "language_info": {"name": "python", "version": "", "mimetype": "text/x-python"},
}

log = logging.getLogger(__name__)

FOLLOWED = "ropeway_followed"
"""What a page hears as soon as it hears a run that it follows: `{"request", "client"}`."""

Event = Literal["up", "down", "restarting", "dead", "gone", "refused"]


class InBandServer(Protocol):
    """Who answers the SDK's requests at home."""

    def handle(self, content: dict[str, Any], buffers: Sequence[Part] = ()) -> None:
        """Take a request; returns at once, the answers come later."""

    def close(self) -> None:
        """Give up everything that runs."""


class Tap(Protocol):
    """Who hears what passes between clients and kernel, before it passes; `recorder.Tap` is one."""

    def asked(self, frame: Frame, header: dict[str, Any]) -> None:
        """A client's request."""

    def said(self, frame: Frame, number: int) -> None:
        """A message of the kernel that a client may get to see, with the runtime's number for it
        (0: none)."""

    def then(self, show: Callable[[], None]) -> None:
        """Call `show` once what was said up to now is kept."""

    def received(self, number: int) -> None:
        """Everything up to that number has been dealt with; returns once that is kept."""

    def informed(self, info: dict[str, Any]) -> None:
        """What the kernel is (`kernel_info_reply`)."""

    def ended(self) -> None:
        """The kernel is no more, or another one stands in its place."""


class Bridge:
    """One kernel of a runtime as a local kernel.

    `on_event` hears of the link and of what the runtime does to the kernel by itself. With a
    `journal`, which knows what belongs to a cell, pages are shown no more of it than they bear.
    """

    def __init__(
        self,
        client: RuntimeClient,
        remote_id: str,
        *,
        key: bytes,
        on_event: Callable[[Event], None],
        swallow_shutdown_of: str = "",
        tap: Tap | None = None,
        journal: Journal | None = None,
        session_id: str = "",
        after: int = 0,
        stand_in: StandIn | None = None,
    ) -> None:
        self._tap = tap
        self._stand_in = stand_in
        self.uplink = Uplink(client, remote_id, self, session_id=session_id, after=after)
        self.in_band: InBandServer | None = None
        self.colab: colab.ColabRequests | None = None
        self._ports = KernelPorts(key, self._from_client)
        self._windows: Windows | None = None
        if journal is not None:
            self._windows = Windows(journal, self._show_frame)
        self._on_event = on_event
        self._swallow_shutdown_of = swallow_shutdown_of
        self._routes: OrderedDict[str, Asked] = OrderedDict()
        self._settling: asyncio.Task[None] | None = None
        self._asked: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._dead = False
        self._number = 0
        self._keeping: asyncio.TimerHandle | None = None
        self._kernel_info: dict[str, Any] = dict(_NO_KERNEL_INFO)
        self._last_header = b"{}"
        if stand_in is not None:
            stand_in.serve(self)

    def open(self) -> dict[str, Any]:
        """Bind the local ports and begin to dial; returns the connection info."""
        info = self._ports.open()
        self.uplink.start()
        return info

    async def aclose(self) -> None:
        """Close both sides; the remote kernel is left as it is."""
        if self.in_band is not None:
            self.in_band.close()
        if self.colab is not None:
            self.colab.close()
        if self._stand_in is not None:
            self._stand_in.close()
        self._keep_no_more()
        self._stop_settling()
        if self._windows is not None:
            self._windows.close()
        await self.uplink.aclose()
        self._ports.close()

    async def follow(self, client: RuntimeClient, remote_id: str) -> None:
        """Become the same local kernel for another remote one: the ports stay."""
        self._keep_no_more()
        self._stop_settling()
        await self.uplink.aclose()
        self._routes.clear()
        self._dead = False
        self.uplink = Uplink(client, remote_id, self)
        self.uplink.start()

    async def reattach(self, before_clients: Callable[[], None]) -> bool:
        """Reach a kernel again that its server restarts by itself; False when it stays silent.

        `before_clients` may send first, once the kernel answers.

        The server may give it new ports, to which only new connections lead, and does not say
        when: dial until the kernel answers. What clients send meanwhile waits.
        """
        uplink = self.uplink
        uplink.hold()
        try:
            for _ in range(REATTACH_TRIES):
                await asyncio.sleep(REATTACH_PAUSE)
                with contextlib.suppress(TimeoutError):
                    await uplink.redial(LINK_SECONDS)
                    await self.ask("shell", "kernel_info_request", {}, ANSWER_SECONDS)
                    before_clients()
                    return True
            return False
        finally:
            uplink.release()

    async def wait_up(self, timeout: float) -> None:
        """Wait until the kernel can be spoken to.

        Raises `Unreachable`, `KernelGone` or `TokenRefused`.
        """
        uplink, name = self.uplink, self.uplink.client.name
        try:
            await asyncio.wait_for(uplink.settled.wait(), timeout)
        except TimeoutError as error:
            raise Unreachable(
                f"The kernel on runtime {name} did not answer within {timeout:.0f} s.",
                hint="The server there may be overloaded, or a proxy may block WebSockets.",
            ) from error
        if uplink.state == "gone":
            raise KernelGone(f"The kernel vanished from runtime {name}.", hint="Start it again.")
        if uplink.state == "refused":
            raise TokenRefused(
                f"Runtime {name} refuses the WebSocket of its kernel.",
                hint="The token may lack the right to use kernels, or a proxy blocks WebSockets.",
            )

    async def ask(
        self, channel: str, kind: str, content: dict[str, Any], timeout: float | None
    ) -> dict[str, Any]:
        """Send a request of our own; returns the content of its reply.

        Neither the page nor any other client sees it. Raises `TimeoutError`; with None as the
        timeout it waits for as long as the kernel is busy.
        """
        frame = message(channel, kind, content, session=self.uplink.session_id, prefix=OURS)
        msg_id = frame.decoded(0)["msg_id"]
        future = self._asked[msg_id] = asyncio.get_running_loop().create_future()
        self.uplink.send(frame, even_if_held=True)
        try:
            return await asyncio.wait_for(future, timeout)
        finally:
            self._asked.pop(msg_id, None)

    def tell(self, channel: str, kind: str, content: dict[str, Any]) -> None:
        """Send a request of our own whose reply nobody awaits, before what clients wait to send."""
        frame = message(channel, kind, content, session=self.uplink.session_id, prefix=OURS)
        self.uplink.send(frame, even_if_held=True)

    def place(self, kind: str, content: dict[str, Any], number: str) -> None:
        """Send an execution of home's own, under that number: what the kernel says of it goes to
        the tap, and to no client."""
        frame = message("shell", kind, content, session=self.uplink.session_id, number=number)
        header, sent = frame.decoded(0), self.uplink.state == "up"
        self._routes[number] = Asked("shell", [], header, sent)
        self.uplink.send(frame)

    def say(self, kind: str, content: dict[str, Any], buffers: Sequence[Part] = ()) -> None:
        """Show the pages a message as if the kernel had said it; it is not kept.

        A page drops what it has not handled yet when a message of another session arrives.
        """
        session = self._kernel_session()
        self._ports.publish(message("iopub", kind, content, session=session, buffers=buffers).parts)

    def reroute(self, request: str, client: str) -> None:
        """Let another page hear the reply to a request, and be asked what its cell asks.

        `client` is the session id of the page's WebSocket, by which its sockets are known here; an
        empty one means home itself, which hears through the tap. A page is told so by the way on
        which the rest comes: a WebSocket stands before the server listens to the kernel for it.
        """
        known = self._routes.get(request)
        header = known.header if known else {"msg_id": request, "msg_type": gap.EXECUTE}
        self._routes[request] = Asked(
            "shell", [client.encode()] if client else [], header, sent=True
        )
        if client:
            self.say(FOLLOWED, {"request": request, "client": client})
        if self.colab is not None:
            for frame in self.colab.unanswered(request):
                if (addressed := self.colab.pass_on(frame, client)) is not None:
                    self._show_frame(addressed)

    def catch_up(self) -> None:
        """Show pages what waits for them here."""
        if self._windows is not None:
            self._windows.catch_up()

    def mark_dead(self) -> None:
        """The kernel is gone for good: say so, now and to whoever asks for it later."""
        self._dead = True
        self._publish_dead()

    async def answer_in_band(self, content: dict[str, Any], buffers: Sequence[Part]) -> None:
        """Send an `input_reply` on stdin: the way back of the in-band road."""
        session = self.uplink.session_id
        self.uplink.send(message("stdin", "input_reply", content, session=session, buffers=buffers))
        await self.uplink.drained()

    async def answer_beside(self, content: dict[str, Any], buffers: Sequence[Part]) -> None:
        """Answer a thread of the SDK on the control channel: a cell may wait on stdin meanwhile."""
        session, kind = self.uplink.session_id, wire.REPLY_TYPE
        self.uplink.send(
            message("control", kind, content, session=session, buffers=buffers, prefix=OURS)
        )
        await self.uplink.drained()

    # --- from the local clients --------------------------------------------------------------

    def _from_client(self, identities: list[bytes], frame: Frame) -> None:
        header = frame.decoded(0)
        if (
            frame.channel == "control"
            and header["msg_type"] == "shutdown_request"
            and header["session"] == self._swallow_shutdown_of
        ):
            return  # our own kernel manager: the provisioner asks the runtime over REST
        if self._dead:
            self._answer_for_the_dead(identities, frame, header)
            return
        if self._tap is not None:
            self._tap.asked(frame, header)
        if self._stand_in is not None:
            self._stand_in.asked(frame)
        if frame.channel == "stdin":
            if self.colab is not None:
                self.colab.answered(frame)
        else:
            sent = self.uplink.state == "up"
            self._routes[header["msg_id"]] = Asked(frame.channel, identities, header, sent)
            if len(self._routes) > _ROUTES_KEPT:
                self._routes.popitem(last=False)
        self.uplink.send(frame)

    def _answer_for_the_dead(
        self, identities: list[bytes], frame: Frame, header: dict[str, Any]
    ) -> None:
        # A page connects only once the kernel tells its info; then it can hear that it is dead.
        if header["msg_type"] == "kernel_info_request":
            content, session = self._kernel_info, self.uplink.session_id
            reply = message(
                frame.channel, "kernel_info_reply", content, session=session, parent=header
            )
            self._ports.answer(frame.channel, identities, reply.parts)
        self._publish_dead()

    def _publish_dead(self) -> None:
        session = self.uplink.session_id
        status = message("iopub", "status", {"execution_state": "dead"}, session=session)
        self._show(partial(self._ports.publish, status.parts))

    # --- from the runtime ----------------------------------------------------------------------

    def frame_received(self, frame: Frame, number: int) -> None:
        """Route a message of the kernel (`uplink.Listener`)."""
        try:
            self._route(frame, number)
        finally:
            self._number = number
            if number and self._keeping is None:
                loop = asyncio.get_running_loop()
                self._keeping = loop.call_later(KEPT_SECONDS, self._keep)

    def _keep(self) -> None:
        """What came is on disk: the runtime may let go of it."""
        self._keeping = None
        if self._tap is not None:
            self._tap.received(self._number)
        self.uplink.acknowledge(self._number)

    def _keep_no_more(self) -> None:
        """What is not acknowledged comes again, over the next link."""
        if self._keeping is not None:
            self._keeping.cancel()
            self._keeping = None

    def _route(self, frame: Frame, number: int) -> None:
        if frame.channel == "iopub":
            self._from_iopub(frame, number)
            return
        parent = str(frame.decoded(1).get("msg_id", ""))
        if parent.startswith(OURS):
            future = self._asked.get(parent)
            if future is not None and not future.done():
                future.set_result(frame.decoded(3))
            return
        if self._tap is not None:
            self._tap.said(frame, number)
        if frame.channel == "stdin":
            route = self._routes.get(parent)
            channel = "stdin"
        else:
            route = self._routes.pop(parent, None)
            channel = route.channel if route else ""
        if route is not None and route.identities:
            if b"kernel_info_reply" in bytes(frame.parts[0]):
                self._kernel_info = frame.decoded(3)
                if self._tap is not None:
                    self._tap.informed(self._kernel_info)
            self._show(partial(self._ports.answer, channel, route.identities, frame.parts))

    def _from_iopub(self, frame: Frame, number: int) -> None:
        header, parent = bytes(frame.parts[0]), bytes(frame.parts[1])
        if _OURS in parent and _is_ours(frame) and _REQUEST not in header:
            return
        if _REQUEST in header and frame.decoded(0).get("msg_type") == wire.REQUEST_TYPE:
            if self.in_band is not None:
                self.in_band.handle(frame.decoded(3), frame.parts[4:])
            return
        if _COLAB in header and self.colab is not None:
            asked = frame.decoded(0).get("msg_type") == colab.REQUEST_TYPE
            if asked and self.colab.handle(frame.decoded(2), frame.decoded(3)):
                return
            if asked:
                addressed = self.colab.pass_on(frame, self._page_of(frame))
                if addressed is None:
                    return
                frame = addressed
        # An empty parent header is the remote *server* speaking of its kernel.
        if len(parent) <= 2 and (event := _server_event(frame)):
            self._on_event(event)
            return
        self._publish(frame, number)

    def _page_of(self, frame: Frame) -> str:
        """The session of the page that ran what speaks, or follows it. What a kernel says of its
        parent is believed as far as a page waits for that execution."""
        asked = self._routes.get(str(frame.decoded(1).get("msg_id", "")))
        if asked is None or not asked.identities or asked.header.get("msg_type") != gap.EXECUTE:
            return ""
        return asked.identities[0].decode("utf-8", "replace")

    def _publish(self, frame: Frame, number: int = 0) -> None:
        """Show a message to every client, once it is kept."""
        self._last_header = bytes(frame.parts[0])
        if self._windows is not None:
            self._windows.meet(frame)
        if self._tap is not None:
            self._tap.said(frame, number)
        for shown in self._windows.shown(frame) if self._windows is not None else (frame,):
            self._show_frame(shown)

    def _show_frame(self, frame: Frame) -> None:
        if self._stand_in is not None:
            self._stand_in.said(frame)  # no more of it than pages hear
        self._show(partial(self._ports.publish, frame.parts))

    def _show(self, show: Callable[[], None]) -> None:
        """Once what comes before it is kept, and after it."""
        if self._tap is not None:
            self._tap.then(show)
        else:
            show()

    def _kernel_session(self) -> str:
        """The kernel's own, as it stands in what it says."""
        found = json.loads(self._last_header).get("session")
        return str(found or self.uplink.session_id)

    def output_may_be_missing(self, since: float, until: float) -> None:
        """A plain server's link had died (`uplink.Listener`): say so where it matters."""
        self._stop_settling()
        if self._stand_in is not None:
            self._stand_in.end()
        waiting = [each for each in self._routes.values() if each.sent and each.in_line]
        if not waiting:
            return
        for asked in waiting:
            if asked.header.get("msg_type") == gap.EXECUTE:
                session = self.uplink.session_id
                self._publish(gap.missing(asked, self._name, since, until, session))
        self._settling = asyncio.create_task(self._settle(waiting))

    async def _settle(self, waiting: list[Asked]) -> None:
        """End what has no reply once the kernel answers a request that came behind it."""
        await self.ask("shell", "kernel_info_request", {}, None)
        for asked in waiting:
            self.end_lost(str(asked.header["msg_id"]))

    def end_lost(self, request: str) -> None:
        """The kernel has done with a request, and its reply was lost: who waits for it is told."""
        asked = self._routes.pop(request, None)
        if asked is None:
            return
        for frame in gap.ended(asked, self._name, self.uplink.session_id):
            if frame.channel == "iopub":
                self._publish(frame)
            elif asked.identities:
                answer = partial(self._ports.answer, frame.channel, asked.identities)
                self._show(partial(answer, frame.parts))
            elif self._tap is not None:
                self._tap.said(frame, 0)

    def _stop_settling(self) -> None:
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None

    @property
    def _name(self) -> str:
        return self.uplink.client.name

    def link_changed(self, state: State) -> None:
        """Pass the link's state on (`uplink.Listener`)."""
        self._on_event(state)


def _is_ours(frame: Frame) -> bool:
    return str(frame.decoded(1).get("msg_id", "")).startswith(OURS)


def _server_event(frame: Frame) -> Literal["restarting", "dead"] | None:
    if frame.decoded(0).get("msg_type") != "status":
        return None
    state = frame.decoded(3).get("execution_state")
    return state if state in ("restarting", "dead") else None
