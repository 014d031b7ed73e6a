"""What is asked of the runtime, written down for a report: what could be secret is left out."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from urllib.parse import parse_qsl, quote

from tornado.httputil import HTTPHeaders, HTTPServerRequest

_QUERY = {"min_version", "content", "type", "format", "no_track_activity", "authuser"}
"""What a query says that is no secret; of all else the name is kept."""

_HEADERS = {
    *("Accept", "Accept-Encoding", "Accept-Language", "Connection", "Content-Length"),
    *("Content-Type", "Host", "Origin", "Upgrade", "User-Agent"),
    *("Access-Control-Request-Headers", "Access-Control-Request-Method"),
    *("Access-Control-Request-Private-Network", "Access-Control-Request-Local-Network"),
    *("Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site", "Sec-Websocket-Extensions"),
    *("Sec-Websocket-Protocol", "Sec-Websocket-Version", "X-Requested-With"),
}
"""The same of headers. Referer is none of them: it may name the notebook."""

HIDDEN = "…"


class Record:
    """A file of mode 0600 to which a line of JSON is added for each request."""

    def __init__(self, path: Path) -> None:
        self.path = path
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.fchmod(descriptor, 0o600)
        self._file = os.fdopen(descriptor, "a", encoding="utf-8", buffering=1)

    def add(self, request: HTTPServerRequest, status: int) -> None:
        """Write down a request and what was answered; never its body."""
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + "Z",
            "method": request.method,
            "path": request.path,
            "query": hidden_query(request.query),
            "headers": hidden_headers(request.headers),
            "status": status,
        }
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")


def hidden_query(query: str) -> str:
    """A query string without the values that may be secret."""
    pairs = parse_qsl(query, keep_blank_values=True)
    return "&".join(
        f"{quote(name)}={quote(value) if name in _QUERY else HIDDEN}" for name, value in pairs
    )


def hidden_headers(headers: HTTPHeaders) -> dict[str, str]:
    """Headers without the values that may be secret."""
    return {
        name: value if name in _HEADERS else HIDDEN for name, value in sorted(headers.get_all())
    }
