"""`/ropeway/api/runs`: what cells said while no page heard it."""

from __future__ import annotations

import base64
import time
from asyncio import to_thread
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from tornado import web
from tornado.iostream import StreamClosedError

from ropeway import wire
from ropeway.errors import BadInput, NotFound
from ropeway.frames import Frame
from ropeway.workspace.handlers.base import RopewayHandler
from ropeway.workspace.journal import Journal, Run
from ropeway.workspace.provisioner import RuntimeProvisioner
from ropeway.workspace.transcript import Transcript

DRAWN_BYTES = 10_000_000
"""More text than that a browser draws with pain."""

_PARTS = ("header", "parent_header", "metadata", "content")


class _RunHandler(RopewayHandler):
    @property
    def journal(self) -> Journal:
        """The workspace's journal."""
        assert self.home.recorder is not None
        return self.home.recorder.journal

    def found(self, request: str) -> Run:
        """A run by its request. Raises `NotFound`."""
        run = self.journal.runs.find(request)
        if run is None:
            raise NotFound(f"The journal knows no run {request}.", hint="Run the cell again.")
        return run


class RunsHandler(_RunHandler):
    """The runs of a notebook that its file may not hold yet."""

    @web.authenticated
    async def get(self) -> None:
        """`{"runs": [wire.CellRun]}` of the notebook `?path=`: the last one of each cell.

        With `?since=SECONDS` also those that have ended so many seconds ago, at the earliest. With
        `?cell=ID` the last one of that cell alone, whether the file holds it or not.
        """
        path = self.get_query_argument("path", "").strip("/")
        if not path:
            raise BadInput("The path of a notebook is missing.", hint="Add ?path=work.ipynb")
        cell = self.get_query_argument("cell", "")
        if cell:
            found = [run for run in self.journal.runs.last(path) if run.cell == cell]
        else:
            found = self.journal.runs.unsettled(path, time.time() - self._since())
            # Of what was cleared the notebook that the page read shows all there is.
            found = [run for run in found if not run.cleared]
        runs = [
            wire.CellRun(
                run.request, run.cell, run.kernel, run.ended is None, run.count, run.followed
            )
            for run in found
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
        self.journal.runs.heard(requests)
        self.answer({})


class MessagesHandler(_RunHandler):
    """What a run said, as far as a page shows it."""

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
        assert self.home.replays is not None
        provisioner = RuntimeProvisioner.live.get(run.kernel)
        if provisioner is not None and provisioner.bridge is not None:
            # Of what is shown as one message the page then has all or nothing.
            provisioner.bridge.catch_up()
        portion = await self.home.replays.portion(run, last)
        running = run.ended is None
        found = [_message(frame) for frame in portion.messages]
        self.answer(
            {"messages": found, "running": running, "last": portion.last, "more": portion.more}
        )


class OutputHandler(_RunHandler):
    """Everything that a run printed."""

    @web.authenticated
    async def get(self, request: str) -> None:
        """Its text, as it is read; what a browser should not draw is for it to keep as a file."""
        run = self.found(request)
        transcript = Transcript(self.home.root)
        try:
            drawn = transcript.size(run) <= DRAWN_BYTES
            name = f"{PurePosixPath(run.path).stem}-{run.cell}.txt"
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.set_header("X-Content-Type-Options", "nosniff")
            self.set_header("Content-Security-Policy", "sandbox")
            self.set_header("Content-Encoding", "identity")  # to compress it would hold others up
            self.set_header(
                "Content-Disposition",
                f"{'inline' if drawn else 'attachment'}; filename*=UTF-8''{quote(name)}",
            )
            pieces = transcript.pieces(run)
            while (piece := await to_thread(next, pieces, None)) is not None:
                self.write(piece[1].encode("utf-8", "replace"))
                await self.flush()
            await self.finish(set_content_type="text/plain; charset=utf-8")
        except StreamClosedError:
            return  # who asked has gone
        finally:
            transcript.close()


class ClientHandler(_RunHandler):
    """Which page follows a run."""

    @web.authenticated
    async def post(self, request: str) -> None:
        """`{"client"}`: the page of that session hears the reply, and is asked what a cell asks.

        `{"live"}`: whether the kernel is there; then `bridge.FOLLOWED` is published on its iopub,
        and a page that did not hear that asks again.
        """
        run = self.found(request)
        client = self.text(self.body(), "client")
        if not client:
            raise BadInput("The page's session is missing.", hint='Send {"client": "…"}.')
        provisioner = RuntimeProvisioner.live.get(run.kernel)
        bridge = provisioner.bridge if provisioner is not None else None
        if bridge is not None:
            bridge.reroute(request, client)
        self.answer({"live": bridge is not None})


def _message(frame: Frame) -> dict[str, Any]:
    message: dict[str, Any] = {name: frame.decoded(i) for i, name in enumerate(_PARTS)}
    buffers = [base64.b64encode(buffer).decode() for buffer in frame.parts[4:]]
    return {**message, "channel": frame.channel, "buffers": buffers}


_REQUEST = r"([0-9A-Za-z_-]+)"

HANDLERS = [
    (r"/ropeway/api/runs", RunsHandler),
    (r"/ropeway/api/runs/heard", HeardHandler),
    (rf"/ropeway/api/runs/{_REQUEST}/messages", MessagesHandler),
    (rf"/ropeway/api/runs/{_REQUEST}/output", OutputHandler),
    (rf"/ropeway/api/runs/{_REQUEST}/client", ClientHandler),
]
