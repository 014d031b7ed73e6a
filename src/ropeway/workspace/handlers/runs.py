"""`/ropeway/api/runs`: what cells said while no page heard it."""

from __future__ import annotations

import base64
import time
from typing import Any

from tornado import web

from ropeway import wire
from ropeway.errors import BadInput, NotFound
from ropeway.frames import unpack_v1
from ropeway.workspace.handlers.base import RopewayHandler
from ropeway.workspace.journal import Journal, Run
from ropeway.workspace.provisioner import RuntimeProvisioner

PAGE_BYTES = 4_000_000
"""An answer ends with the message that reaches this size; the page asks for what comes after it."""

_PARTS = ("header", "parent_header", "metadata", "content")


class _RunHandler(RopewayHandler):
    @property
    def journal(self) -> Journal:
        """The workspace's journal."""
        assert self.home.recorder is not None
        return self.home.recorder.journal

    def found(self, request: str) -> Run:
        """A run by its request. Raises `NotFound`."""
        run = self.journal.run(request)
        if run is None:
            raise NotFound(f"The journal knows no run {request}.", hint="Run the cell again.")
        return run


class RunsHandler(_RunHandler):
    """The runs of a notebook that its file may not hold yet."""

    @web.authenticated
    async def get(self) -> None:
        """`{"runs": [wire.CellRun]}` of the notebook `?path=`: the last one of each cell.

        With `?since=SECONDS` also those that have ended so many seconds ago, at the earliest.
        """
        path = self.get_query_argument("path", "").strip("/")
        if not path:
            raise BadInput("The path of a notebook is missing.", hint="Add ?path=work.ipynb")
        runs = [
            wire.CellRun(
                run.request, run.cell, run.kernel, run.ended is None, run.count, run.followed
            )
            for run in self.journal.unsettled(path, time.time() - self._since())
        ]
        self.answer({"runs": [wire.to_json(run) for run in runs]})

    def _since(self) -> float:
        try:
            return float(self.get_query_argument("since", "0"))
        except ValueError:
            raise BadInput("?since= wants a number of seconds.") from None


class HeardHandler(_RunHandler):
    """What a page has shown to its end."""

    @web.authenticated
    async def post(self) -> None:
        """`{"requests": [REQUEST]}`: the page shows these whole, and its user may clear them."""
        requests = self.body().get("requests")
        if not isinstance(requests, list) or not all(isinstance(each, str) for each in requests):
            raise BadInput("The requests are missing.", hint='Send {"requests": ["…"]}.')
        self.journal.heard(requests)
        self.answer({})


class MessagesHandler(_RunHandler):
    """What a run said."""

    @web.authenticated
    async def get(self, request: str) -> None:
        """`{"messages": […], "running", "last", "more"}`, beginning after `?after=`.

        A message is Jupyter's, with its `channel` and `buffers` in base64; `last` is its number for
        the next question, which is worth asking at once where there is `more`.
        """
        run = self.found(request)
        try:
            last = int(self.get_query_argument("after", "0"))
        except ValueError:
            raise BadInput("?after= wants the number of a message.") from None
        found, size, more = [], 0, False
        answered = self.journal.answered(run.id)
        for number, kind, frame in self.journal.messages(run.id, last):
            if size >= PAGE_BYTES:
                more = True
                break
            last, size = number, size + len(frame)
            over = kind == "input_request" and (number < answered or run.ended is not None)
            if frame and not over:
                found.append(_message(frame))
        running = run.ended is None
        self.answer({"messages": found, "running": running, "last": last, "more": more})


class ClientHandler(_RunHandler):
    """Which page follows a run."""

    @web.authenticated
    async def post(self, request: str) -> None:
        """`{"client"}`: the page of that session hears the reply, and is asked what a cell asks."""
        run = self.found(request)
        client = self.text(self.body(), "client")
        if not client:
            raise BadInput("The page's session is missing.", hint='Send {"client": "…"}.')
        provisioner = RuntimeProvisioner.live.get(run.kernel)
        if provisioner is not None and provisioner.bridge is not None:
            provisioner.bridge.reroute(request, client)
        self.answer({})


def _message(frame: bytes) -> dict[str, Any]:
    unpacked = unpack_v1(frame)
    message: dict[str, Any] = {name: unpacked.decoded(i) for i, name in enumerate(_PARTS)}
    buffers = [base64.b64encode(buffer).decode() for buffer in unpacked.parts[4:]]
    return {**message, "channel": unpacked.channel, "buffers": buffers}


_REQUEST = r"([0-9A-Za-z_-]+)"

HANDLERS = [
    (r"/ropeway/api/runs", RunsHandler),
    (r"/ropeway/api/runs/heard", HeardHandler),
    (rf"/ropeway/api/runs/{_REQUEST}/messages", MessagesHandler),
    (rf"/ropeway/api/runs/{_REQUEST}/client", ClientHandler),
]
