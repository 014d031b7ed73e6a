"""From what a person pastes to a runtime's address: the URL of a Jupyter server and its token.

Pure: no network. `registry.py` asks the server whether the address is right.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from urllib.parse import SplitResult, parse_qs, urlsplit, urlunsplit

from ropeway.errors import BadInput

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
HERE = "here"
"""The name of the runtime on this machine."""

_PAGES = {
    *("api", "consoles", "doc", "edit", "files", "kernelspecs", "lab", "login", "nbclassic"),
    *("nbconvert", "notebooks", "static", "terminals", "tree", "view", "voila"),
}
"""First path segments of a Jupyter server's own pages: the base URL ends before them."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a Jupyter server is: `url` ends without a slash; `token` may be empty."""

    url: str
    token: str
    fingerprint: str = ""
    """The only TLS certificate that is accepted there; empty: whichever is trusted here."""
    headers: tuple[tuple[str, str], ...] = ()
    """What goes with every request; empty: `Authorization`, where there is a token."""
    expires: float = inf
    """When the token ends, as `time.time` counts."""

    @property
    def shown(self) -> str:
        """The address for people: never a token, a query or a password."""
        return self.url.split("://", 1)[1]


def parse_address(text: str, token: str = "") -> Address:
    """The address in `text`, in any form that a Jupyter server prints or a browser shows.

    `http://host:8888/`, `.../lab/tree/a.ipynb?token=abc`, `host:8888`, `https://hub/user/ann/lab`
    all work; the part after the server's base URL is dropped. An explicit `token` wins over the
    one in the URL. Raises `BadInput`.
    """
    return _parse(text, token, _base_path)


def parse_base(text: str, token: str = "") -> Address:
    """As `parse_address`, but the path is kept as it is. Raises `BadInput`."""
    return _parse(text, token, lambda path: path)


def _parse(text: str, token: str, base: Callable[[str], str]) -> Address:
    text = text.strip().strip("'\"<>")
    if not text:
        raise BadInput("No URL was given.", hint="Paste the URL that the Jupyter server printed.")
    parts = _split(text)
    query_token = parse_qs(parts.query).get("token", [""])[0]
    # The fragment can carry a token too, when a URL was copied from a login page.
    fragment_token = parse_qs(parts.fragment).get("token", [""])[0]
    given = token.strip() or query_token or fragment_token
    if not (given.isascii() and given.isprintable()):
        raise BadInput(
            "The token has a character that no token has.", hint="Copy the real one, whole."
        )
    url = urlunsplit((parts.scheme, _host(parts.netloc), base(parts.path), "", ""))
    return Address(url.rstrip("/"), given)


def check_name(name: str) -> str:
    """`name` if a runtime may be called so. Raises `BadInput`."""
    if not NAME.fullmatch(name):
        raise BadInput(
            f"{name!r} cannot be a runtime's name.",
            hint="Use 1 to 40 lower-case letters, digits and '-', such as gpu or lab-2.",
        )
    return name


def suggest_name(url: str, taken: set[str]) -> str:
    """A free name for a runtime at `url`: the host's first label, or `runtime`."""
    host = urlsplit(url).hostname or ""
    label = re.sub(r"[^a-z0-9-]+", "-", host.split(".")[0].lower()).strip("-")[:30]
    if not label or label.isdigit() or label in ("localhost", HERE) or ":" in host:
        label = "runtime"
    name, count = label, 1
    while name in taken or name == HERE:
        count += 1
        name = f"{label}-{count}"
    return name


def _split(text: str) -> SplitResult:
    with_scheme = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(with_scheme)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise BadInput(f"{_safe(text)!r} is not a URL: {error}.", hint=_FORMS) from error
    if parts.scheme not in ("http", "https"):
        raise BadInput(
            f"{_safe(text)!r} is a {parts.scheme!r} address; a runtime speaks http or https.",
            hint=_FORMS,
        )
    if not host or re.search(r"\s", text):
        raise BadInput(f"{_safe(text)!r} is not a URL.", hint=_FORMS)
    return parts


_FORMS = "Paste it whole, for example http://gpu-box:8888/lab?token=…"


def _safe(text: str) -> str:
    """`text` for an error message: what is surely no token or password of it."""
    return re.split(r"[?#;\s]", text.rpartition("@")[2], maxsplit=1)[0][:80]


def _host(netloc: str) -> str:
    return netloc.rpartition("@")[2]


def _base_path(path: str) -> str:
    segments = [s for s in path.split("/") if s]
    start = 0
    if "hub" in segments and "user" not in segments:
        raise BadInput(
            f"/{'/'.join(segments)} is a page of the JupyterHub itself, not of a server.",
            hint="Paste your server's own URL, which holds /user/NAME/, or let Ropeway start it: "
            "put hub+ before the Hub's URL, as in hub+https://hub.example.",
        )
    if "user" in segments:  # a JupyterHub user server: a person may well be called "lab"
        start = segments.index("user") + 2
    for index in range(start, len(segments)):
        if segments[index] in _PAGES:
            segments = segments[:index]
            break
    return "/" + "/".join(segments)
