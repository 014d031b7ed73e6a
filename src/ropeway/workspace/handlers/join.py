"""`/ropeway/link/join`: a runtime with an invitation gets its key."""

from __future__ import annotations

import json
from typing import Any

from tornado.web import RequestHandler

from ropeway.errors import BadInput, LinkRefused, RopewayError
from ropeway.workspace.joining import Joining

MOST_BYTES = 4096
"""The largest body: it holds a name."""


class JoinHandler(RequestHandler):
    """Guarded by the invitation alone: the runtime knows nothing else of home."""

    def initialize(self, joining: Joining) -> None:
        """Keep what decides."""
        self.joining = joining

    def check_xsrf_cookie(self) -> None:
        """No cookie counts here, so there is nothing to forge."""

    def post(self) -> None:
        """`{"name"}` with `Authorization: Bearer INVITATION`; answers 201 and `{"key"}`."""
        kind, _, secret = self.request.headers.get("Authorization", "").partition(" ")
        try:
            if kind != "Bearer" or not secret:
                raise LinkRefused("Joining wants an invitation.", hint="`ropeway invite` at home.")
            self.joining.check(secret)  # before anything of the body is looked at
            key = self.joining.join(secret, self._suggested())
        except RopewayError as error:
            self.set_status(error.http_status)
            self.finish({"message": error.message, "error": error.to_json()})
        else:
            self.set_status(201)
            self.finish({"key": key})

    def _suggested(self) -> str:
        if len(self.request.body) > MOST_BYTES:
            raise BadInput("The request's body is too large.")
        try:
            body = json.loads(self.request.body or b"{}")
        except (ValueError, RecursionError) as error:
            raise BadInput("The request's body is not JSON.") from error
        name: Any = body.get("name") if isinstance(body, dict) else None
        return name if isinstance(name, str) else ""
