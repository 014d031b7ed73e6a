"""The one place where our errors become HTTP answers."""

from __future__ import annotations

import json
from typing import Any

from jupyter_server.base.handlers import APIHandler

from ropeway.errors import BadInput, RopewayError
from ropeway.workspace.home import Home


class RopewayHandler(APIHandler):
    """A handler of `/ropeway/api`. Every method must be `@web.authenticated`; a test proves it."""

    auth_resource = "contents"

    def initialize(self, home: Home) -> None:
        """Keep the home that is served."""
        self.home = home

    def body(self) -> dict[str, Any]:
        """The request's JSON object. Raises `BadInput`."""
        try:
            found = json.loads(self.request.body or b"{}")
        except ValueError as error:
            raise BadInput("The request's body is not JSON.") from error
        if not isinstance(found, dict):
            raise BadInput("The request's body is not a JSON object.")
        return found

    def text(self, body: dict[str, Any], key: str) -> str:
        """A text of the body; empty where it is missing. Raises `BadInput`."""
        value = body.get(key) or ""
        if not isinstance(value, str):
            raise BadInput(f"{key} must be a text.")
        return value

    def answer(self, body: dict[str, Any], status: int = 200) -> None:
        """Finish with a JSON object."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(body))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Our errors carry their own status, message and hint."""
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        if isinstance(error, RopewayError):
            self.set_status(error.http_status)
            self.set_header("Content-Type", "application/json")
            self.finish(json.dumps({"message": error.message, "error": error.to_json()}))
        else:
            super().write_error(status_code, **kwargs)

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Errors raised on purpose are answers, not accidents: no traceback in the log."""
        if isinstance(value, RopewayError):
            self.log.warning("%s %s: %s", self.request.method, self.request.path, value.message)
        else:
            super().log_exception(typ, value, tb)
