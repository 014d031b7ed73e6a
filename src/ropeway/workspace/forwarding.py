"""The heads of HTTP messages between a browser and a page that a kernel serves. Pure.

The page is a stranger under the workspace's own address. So nothing that proves who the user is
goes to it, it sets nothing that the workspace would read, and the browser treats it as a page of
another origin (`sandbox`), whatever it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http.client import responses
from urllib.parse import urlsplit

from ropeway.errors import ProtocolError

MOST_BYTES = 64 * 1024
"""The largest head of an answer."""

SANDBOX = (
    "sandbox allow-scripts allow-forms allow-popups allow-modals allow-downloads "
    "allow-pointer-lock allow-presentation"
)

_ASKED = {"accept", "accept-encoding", "accept-language", "cache-control", "content-type", "dnt"}
_ASKED |= {"if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since"}
_ASKED |= {"last-event-id", "pragma", "range", "user-agent", "x-requested-with"}
"""What a page may be told. Proxies before a workspace add whom the user is under many names, so
what is not known to be harmless stays here; `sec-…` is the browser's alone."""

_PIECES = {"accept-encoding", "if-modified-since", "if-none-match", "if-range", "range"}
"""What brings less than a whole and readable document."""

_ANSWERED = {"accept-ranges", "access-control-expose-headers", "age", "allow", "cache-control"}
_ANSWERED |= {"content-disposition", "content-encoding", "content-language", "content-length"}
_ANSWERED |= {"content-range", "content-type", "date", "etag", "expires", "last-modified", "pragma"}
_ANSWERED |= {"retry-after", "transfer-encoding", "upgrade", "vary", "x-content-type-options"}
"""What a page may say. Much else would be about the workspace's own address: cookies, policies,
workers, and what proxies before it obey, such as `X-Accel-Redirect`."""

_STATUS = re.compile(r"HTTP/1\.[01] ([1-5][0-9]{2})(?: .*)?")

_LINE_END = re.compile(r"\r\n|[\r\n\0]")

Headers = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Page:
    """A served page: its `port`, and `base`, the path in the browser that stands for its root."""

    port: int
    base: str

    @property
    def host(self) -> str:
        """What the page's server is called by."""
        return f"localhost:{self.port}"


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of an answer, as the browser gets it."""

    status: int
    head: bytes
    is_html: bool = False


def asked(
    page: Page,
    method: str,
    path: str,
    headers: Headers,
    *,
    longer_by: int = 0,
) -> bytes:
    """The head of a request; `path` begins behind `base`.

    With `longer_by` the answer is to come as plain text, which is not cut in chunks.
    """
    found = list(headers)
    named = {name.lower(): value for name, value in found}
    version = "1.0" if longer_by else "1.1"
    lines = [f"{method} {path} HTTP/{version}", f"Host: {page.host}"]
    known = _ASKED - _PIECES if longer_by else _ASKED
    lines += [f"{name}: {value}" for name, value in _kept(found, known)]
    if "origin" in named:
        own = named["origin"] == "null" or urlsplit(named["origin"]).netloc == named.get("host")
        lines.append(f"Origin: {f'http://{page.host}' if own else named['origin']}")
    if "transfer-encoding" in named:
        lines.append("Transfer-Encoding: chunked")
    elif "content-length" in named:
        lines.append(f"Content-Length: {named['content-length']}")
    lines.append(f"X-Forwarded-Prefix: {page.base}")
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket"
    lines.append(upgrade if wants_websocket(found) else "Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def wants_websocket(headers: Headers) -> bool:
    """Whether a request is to become a WebSocket."""
    return any(n.lower() == "upgrade" and v.lower() == "websocket" for n, v in headers)


def answered(page: Page, head: bytes, longer_by: int = 0, *, may_upgrade: bool = False) -> Answer:
    """The head of the page's answer, without the empty line behind it; an HTML document becomes
    `longer_by` bytes longer. Raises `ProtocolError`, also for a WebSocket that nobody asked for.
    """
    # Browsers end a line at a bare line feed too: nothing may pass as a part of another header.
    first, *lines = _LINE_END.split(head.decode("latin-1"))
    found = _STATUS.fullmatch(first)
    if found is None or (found[1] == "101" and not may_upgrade):
        raise ProtocolError(f"What listens at port {page.port} speaks no HTTP.")
    status = int(found[1])
    split = [line.partition(":") for line in lines if not line.startswith((" ", "\t"))]
    headers = [(name.strip(), value.strip()) for name, colon, value in split if colon]
    named = {name.lower(): value for name, value in headers}
    kind = named.get("content-type", "").lower()
    if kind.startswith("multipart/"):  # its parts may be documents, and have headers of their own
        raise ProtocolError(f"What listens at port {page.port} sends several documents as one.")
    is_html = bool(longer_by) and status not in (101, 204, 304) and _is_html(named)
    if is_html:
        headers = [_longer(name, value, longer_by) for name, value in headers]
    made = [f"HTTP/1.1 {status} {responses.get(status, 'Unknown')}"]
    made += [f"{name}: {value}" for name, value in _kept(headers, _ANSWERED)]
    made += [f"Location: {_moved(page, value)}" for name, value in headers if _is_location(name)]
    made += [f"{name}: {value}" for name, value in guards()]
    made.append("Connection: Upgrade" if status == 101 else "Connection: close")
    return Answer(status, ("\r\n".join(made) + "\r\n\r\n").encode("latin-1"), is_html)


def guards() -> list[tuple[str, str]]:
    """What makes any answer below the workspace's address one of another origin.

    To such an origin the page's own files are another's, so it needs to be let in to them; whoever
    knows the address may read them, and nobody else does.
    """
    return [
        ("Content-Security-Policy", SANDBOX),
        ("Referrer-Policy", "no-referrer"),
        ("Access-Control-Allow-Origin", "*"),
    ]


def allowed(headers: Headers) -> list[tuple[str, str]] | None:
    """The answer to a browser that asks whether it may ask; None where it does not."""
    named = {name.lower(): value for name, value in headers}
    method = named.get("access-control-request-method")
    if method is None:
        return None
    wanted = named.get("access-control-request-headers", "")
    return [
        *guards(),
        ("Access-Control-Allow-Methods", method),
        ("Access-Control-Allow-Headers", wanted or "*"),
        ("Access-Control-Max-Age", "600"),
    ]


def _kept(headers: Headers, known: set[str]) -> Iterator[tuple[str, str]]:
    for name, value in headers:
        if name.lower() in known or name.lower().startswith(("sec-websocket-", "sec-fetch-")):
            yield name, value


def _is_html(named: dict[str, str]) -> bool:
    """Whether it is a document that can be read as it comes."""
    plain = named.get("content-encoding", "identity") == "identity"
    whole = not named.keys() & {"transfer-encoding", "content-range"}
    return plain and whole and named.get("content-type", "").lower().startswith("text/html")


def _longer(name: str, value: str, by: int) -> tuple[str, str]:
    is_length = name.lower() == "content-length" and value.isdecimal()
    return (name, str(int(value) + by)) if is_length else (name, value)


def _is_location(name: str) -> bool:
    return name.lower() == "location"


def _moved(page: Page, location: str) -> str:
    """Where a redirect leads in the browser; elsewhere it leads as it says."""
    try:
        found = urlsplit(location)
    except ValueError:  # such as `http://[`
        return page.base + "/"
    own = (page.host, f"127.0.0.1:{page.port}", f"localhost:{page.port}")
    if found.netloc and found.netloc not in own:
        return location
    if not found.path.startswith("/"):
        return location
    return page.base + found._replace(scheme="", netloc="").geturl()
