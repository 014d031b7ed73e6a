"""What stands between Colab's page and a server: asked as the page asks, step after step."""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

import httpx

from ropeway.runtime.colab.about import PREFIX
from ropeway.runtime.colab.origin import COLAB
from ropeway.runtime.port import is_loopback

BROWSER = (
    "If the page cannot connect all the same, it is the browser. Chrome asks whether the page may "
    "reach devices on your local network or apps on this device: allow it, also later, in the "
    "site's settings beside the address. Brave's shields and Safari do not let pages reach it."
)

_NO_KERNEL = UUID(int=0)
_TOO_OLD = "Start a runtime of Ropeway's with `ropeway runtime --colab` and paste its URL."


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What is in the way, and how to mend it."""

    message: str
    hint: str


def examine(url: str, token: str, origin: str = COLAB) -> Obstacle | None:
    """The first thing that keeps a page of `origin` from the server at `url`; None: nothing does.

    `url` ends without a slash.
    """
    if (found := _address(url)) is not None:
        return found
    with httpx.Client(base_url=url, timeout=10, trust_env=False) as client:
        try:
            return _server(client) or _token(client, token) or _page(client, token, origin)
        except httpx.HTTPError as error:
            return _unreachable(url, error)


def _address(url: str) -> Obstacle | None:
    parts = urlsplit(url)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        return Obstacle(
            f"{parts.hostname} is another machine, and browsers let Colab's page reach plain http "
            "on the machine alone on which they run.",
            f"Bring its port here and paste a URL with localhost: ssh -L {parts.port or 80}:"
            f"localhost:{parts.port or 80} {parts.hostname}",
        )
    return None


def _unreachable(url: str, error: httpx.HTTPError) -> Obstacle:
    parts = urlsplit(url)
    place = f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    text = str(error)
    if _is_tls(error) and "CERTIFICATE" in text.upper():
        return Obstacle(
            f"The certificate of {place} is not trusted here, nor by your browser: {text}.",
            "Browsers need no TLS on the machine on which they run: serve http and paste http://.",
        )
    if _is_tls(error):
        return Obstacle(
            f"{place} does not speak TLS.", "Paste the URL with http:// instead of https://."
        )
    if isinstance(error, httpx.TimeoutException):
        return Obstacle(f"{place} does not answer.", "Is the server busy, stopped or asleep?")
    if isinstance(error, httpx.ConnectError):
        return Obstacle(
            f"Nothing listens at {place}.",
            f"Start it: ropeway runtime --colab --port {parts.port or 80}. If it runs, compare "
            "the port with the one that it printed.",
        )
    return _something_else(place)


def _is_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError) or "[SSL" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _something_else(place: str) -> Obstacle:
    return Obstacle(
        f"What listens at {place} is no Jupyter server: another program has that port.",
        "End that program, or start the runtime with another --port and paste the new URL.",
    )


def _server(client: httpx.Client) -> Obstacle | None:
    answer = client.get("/api")
    if "version" not in _json(answer) and answer.status_code not in (401, 403):
        return _something_else(client.base_url.netloc.decode("ascii"))
    return None


def _token(client: httpx.Client, token: str) -> Obstacle | None:
    if not token:
        return Obstacle(
            "The URL has no token.",
            "Paste the whole URL that the server printed, with ?token= and what follows.",
        )
    answer = client.get("/api/kernels", params={"token": token})
    if answer.status_code in (302, 401, 403):
        return Obstacle(
            "The server does not accept this token.",
            "Each start makes a new one: copy the URL that the server printed last.",
        )
    return None


def _page(client: httpx.Client, token: str, origin: str) -> Obstacle | None:
    by_page, with_token = {"Origin": origin, "Referer": f"{origin}/"}, {"token": token}
    named = {"Access-Control-Request-Method": "GET"}
    preflight = client.options("/api/colab/build-info", headers=by_page | named)
    info = client.get("/api/colab/build-info", params=with_token, headers=by_page)
    if preflight.status_code // 100 != 2 or not (_reads(preflight, origin)):
        return _refused(client, token, origin, preflight)
    if info.status_code != 200 or "release_tag" not in _json(info):
        return Obstacle(
            "The server has no /api/colab/build-info, which is what the page asks for first.",
            _TOO_OLD,
        )
    if not _reads(info, origin):
        return _refused(client, token, origin, info)
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "cm9wZXdheS1kb2N0b3ItMQ==",
    }
    path = f"/api/kernels/{_NO_KERNEL}/channels"
    asked = client.get(path, params=with_token, headers=by_page | upgrade)
    if asked.status_code == 403:
        return Obstacle(
            "The server lets the page ask, but refuses its WebSockets, over which cells run.",
            "Is there a proxy or a security program before the server? Paste the server's own URL.",
        )
    return None


def _refused(client: httpx.Client, token: str, origin: str, answer: httpx.Response) -> Obstacle:
    """Why a page cannot read: a server that lets others in, an old extension, or none."""
    other = answer.headers.get("access-control-allow-origin")
    if other and other != origin:
        return Obstacle(
            f"The server lets pages of {other} in, and not those of {origin}.",
            f"Start it for this origin: ropeway runtime --colab --colab-origin {origin}",
        )
    said = _json(answer)
    if "hint" in said:
        return Obstacle(str(said.get("message")), str(said["hint"]))
    if client.get("/http_over_websocket", params={"token": token}).status_code != 404:
        return Obstacle(
            "The server has the old extension jupyter_http_over_ws; today's page wants another.",
            _TOO_OLD,
        )
    return Obstacle(
        f"The server does not let pages of {origin} in: it answers their first request with "
        f"{answer.status_code} and no word that they may read it.",
        _TOO_OLD,
    )


def _reads(answer: httpx.Response, origin: str) -> bool:
    wanted = {"access-control-allow-origin": origin, "access-control-allow-credentials": "true"}
    return all(answer.headers.get(name) == value for name, value in wanted.items())


def _json(answer: httpx.Response) -> dict[str, object]:
    try:
        found = json.loads(answer.text.removeprefix(PREFIX))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
