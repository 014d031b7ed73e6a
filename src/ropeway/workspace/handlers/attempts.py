"""`/ropeway/api/attempts`: connecting a runtime step by step, for a page that shows the steps."""

from __future__ import annotations

from tornado import web

from ropeway import wire
from ropeway.workspace.handlers.base import RopewayHandler
from ropeway.workspace.handlers.runtimes import asked_runtime


class AttemptsHandler(RopewayHandler):
    """New attempts."""

    @web.authenticated
    async def post(self) -> None:
        """Begin to connect what `POST /ropeway/api/runtimes` takes; 202 and a `wire.Attempt`."""
        attempt = self.home.attempts.begin(*asked_runtime(self))
        self.answer(wire.to_json(attempt), 202)


class AttemptHandler(RopewayHandler):
    """One attempt."""

    @web.authenticated
    async def get(self, attempt_id: str) -> None:
        """A `wire.Attempt`: its steps so far, and what came of it."""
        self.answer(wire.to_json(self.home.attempts.get(attempt_id)))

    @web.authenticated
    async def delete(self, attempt_id: str) -> None:
        """Give it up; a runtime that is connected already stays so."""
        await self.home.attempts.cancel(attempt_id)
        self.set_status(204)
        self.finish()


_ID = r"([0-9A-Za-z-]+)"

HANDLERS = [
    (r"/ropeway/api/attempts", AttemptsHandler),
    (rf"/ropeway/api/attempts/{_ID}", AttemptHandler),
]
