"""A JupyterHub's REST interface, as far as a user's own servers need it.

The token travels in the `Authorization` header only, and only to what has shown itself a Hub.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from ropeway import tls
from ropeway.errors import NotJupyter, RopewayError, StartFailed, TokenRefused, Unreachable
from ropeway.workspace.http import FAULTS, Response, TooMuch, limits, new_client, send, unreachable

PATIENCE = 60.0
"""Seconds the Hub may take to begin with a spawn, or be silent while it spawns."""

_EVENT_BYTES = 100_000
_FULL = {"read:servers", "start:servers", "delete:servers"}


@dataclass(frozen=True, slots=True)
class UserServer:
    """A user's server that is not stopped. `pending`: "spawn", "stop" or empty."""

    ready: bool
    pending: str
    path: str
    full_url: str

    def url_at(self, hub_url: str) -> str:
        """Its URL: on the Hub's host, or on one below it where each user has a host.

        What the Hub says leads the token nowhere else.
        """
        hub, full = urlsplit(hub_url), urlsplit(self.full_url)
        below = (full.hostname or "").endswith(f".{hub.hostname}")
        if below and (full.scheme, full.port) == (hub.scheme, hub.port):
            return f"{full.scheme}://{full.netloc}{full.path}".rstrip("/")
        return f"{hub.scheme}://{hub.netloc}/{urlsplit(self.path).path.strip('/')}"


@dataclass(frozen=True, slots=True)
class HubUser:
    """Whom a token belongs to, what it may do, and the servers that are not stopped, by name."""

    name: str
    scopes: frozenset[str] | None
    """None where an old Hub does not tell."""
    servers: Mapping[str, UserServer]

    def lacks(self, wanted: set[str], server: str) -> list[str]:
        """Those of the scopes that the token does not have for one of the user's servers."""
        if self.scopes is None:
            return []
        ours = ("", f"user={self.name}", f"server={self.name}/{server}")
        held: set[str] = set()
        for scope in self.scopes:
            kind, _, where = scope.partition("!")
            if where in ours or where.startswith("group="):
                held |= {kind} | (_FULL if kind in ("servers", "admin:servers") else set())
        return sorted(wanted - held)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a spawn is: `percent` and a sentence; the last one is `ready` or `failed`."""

    percent: int
    message: str
    ready: bool = False
    failed: bool = False


class HubClient:
    """The Hub whose base URL is `url`, without a slash at its end. Close it with `aclose`."""

    def __init__(self, url: str, token: str, timeout: float) -> None:
        self.url = url
        self._token = token
        self._timeout = timeout
        self._http = new_client()
        self._is_hub = False

    @property
    def shown(self) -> str:
        """The address for people."""
        return self.url.split("://", 1)[1]

    async def aclose(self) -> None:
        """Give up the connections."""
        await self._http.aclose()

    async def user(self) -> HubUser:
        """Whom the token belongs to. Raises `NotJupyter`, `TokenRefused` or `Unreachable`."""
        if not self._is_hub:
            await self._check()
        body = self._checked(await self._send("GET", "user"))
        if body.get("kind", "user") != "user":
            raise TokenRefused(
                f"The token for the Hub at {self.shown} is not a user's.", hint=self._new_token
            )
        listed = body.get("servers")
        servers = listed.items() if isinstance(listed, dict) else ()
        scopes = body.get("scopes")
        return HubUser(
            str(body.get("name", "")),
            frozenset(map(str, scopes)) if isinstance(scopes, list) else None,
            {name: _server(model) for name, model in servers if isinstance(model, dict)},
        )

    async def answers(self, url: str) -> bool:
        """Whether a Jupyter server answers at `url`, by its own word; asked without the token."""
        try:
            answer = await send(
                self._http, "GET", f"{url}/api", headers={}, seconds=min(self._timeout, 3.0)
            )
            return answer.status == 200 and "version" in answer.json()
        except (*FAULTS, TooMuch, ValueError, TypeError):
            return False

    async def start(self, user: str, server: str, options: dict[str, Any]) -> None:
        """Ask for a server; returns when it is under way. Raises `StartFailed` and others."""
        answer = await self._send("POST", _path(user, server), options or None, PATIENCE)
        if answer.status >= 300:
            raise self._refusal(answer)

    async def stop(self, user: str, server: str) -> None:
        """Ask for a server's end; returns when it is under way."""
        answer = await self._send("DELETE", _path(user, server), seconds=PATIENCE)
        if answer.status >= 300 and answer.status != 404:
            raise self._refusal(answer)

    async def progress(self, user: str, server: str) -> AsyncGenerator[Progress, None]:
        """How a spawn goes on; nothing where none is under way or the Hub breaks off."""
        url = f"{self.url}/hub/api/{_path(user, server)}/progress"
        try:
            async with self._http.stream(
                "GET", url, headers=self._headers, timeout=limits(PATIENCE)
            ) as answer:
                if answer.status_code != 200:
                    return
                rest = b""
                async for piece in answer.aiter_bytes():
                    *lines, rest = (rest + piece)[-_EVENT_BYTES:].split(b"\n")
                    for line in lines:
                        if (event := self._event(line)) is not None:
                            yield event
        except FAULTS:
            return

    # --- one request ------------------------------------------------------------------------------

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"token {self._token}"}

    @property
    def _new_token(self) -> str:
        return (
            f"Make a token at {self.url}/hub/token with the scopes servers!user and "
            "access:servers!user."
        )

    async def _check(self) -> None:
        answer = await self._send("GET", "", headers={})
        try:
            version = answer.json()["version"] if answer.status == 200 else None
        except (ValueError, KeyError, TypeError):
            version = None
        if not isinstance(version, str) or "x-jupyterhub-version" not in answer.headers:
            raise self._no_hub(answer)
        self._is_hub = True

    async def _send(
        self,
        method: str,
        path: str,
        body: Any = None,
        seconds: float = 0.0,
        headers: dict[str, str] | None = None,
    ) -> Response:
        try:
            answer = await send(
                self._http,
                method,
                f"{self.url}/hub/api/{path}",
                headers=self._headers if headers is None else headers,
                body=body,
                seconds=seconds or min(self._timeout, 5.0),
            )
        except TooMuch:
            raise self._not_jupyter("it answers without an end") from None
        except FAULTS as error:
            away = unreachable(f"The Hub at {self.shown}", error)
            raise (await tls.refusal(self.url, error) or away) from error
        if answer.status in (502, 503, 504):
            raise Unreachable(
                f"The Hub at {self.shown} is away: what stands before it answers {answer.status}.",
                hint="It may be starting again; try once more in a minute.",
            )
        return answer

    def _checked(self, answer: Response) -> dict[str, Any]:
        if answer.status != 200:
            raise self._refusal(answer)
        try:
            body = answer.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise self._not_jupyter("it answers something else than JSON")
        return body

    def _refusal(self, answer: Response) -> RopewayError:
        said = self._said(answer)
        if answer.status in (401, 403):
            told = f": {said}" if said else "."
            return TokenRefused(
                f"The Hub at {self.shown} does not accept this token{told}", hint=self._new_token
            )
        if answer.status == 404:
            return self._not_jupyter(f"it answers 404 to {answer.path}")
        hints = {
            400: "The Hub's own page shows which servers you have and may have.",
            429: "The Hub has no room now. Try again when it says so.",
        }
        return StartFailed(
            f"The Hub at {self.shown} refused ({answer.status}): {said or 'no reason given'}",
            hint=hints.get(answer.status, "Ask who runs the Hub; its log knows more."),
            status=answer.status,
        )

    def _no_hub(self, answer: Response) -> RopewayError:
        if answer.status in (301, 302, 307, 308):
            where = urlsplit(str(answer.headers.get("location", "")))
            leads = f"{where.scheme}://{where.netloc}" if where.netloc else "another page"
            return self._not_jupyter(f"it sends us on to {leads}")
        return self._not_jupyter("its /hub/api does not say so")

    def _not_jupyter(self, why: str) -> NotJupyter:
        return NotJupyter(
            f"{self.shown} is no JupyterHub: {why}.",
            hint="Give the Hub's own URL, up to and without /hub/ or /user/.",
        )

    def _said(self, answer: Response) -> str:
        """The Hub's own words, should it not repeat our token in them."""
        try:
            words = answer.json()["message"]
        except (ValueError, KeyError, TypeError):
            return ""
        return self._plain(words)

    def _plain(self, words: Any) -> str:
        text = " ".join(words.split())[:500] if isinstance(words, str) else ""
        return text.replace(self._token, "…") if self._token else text

    def _event(self, line: bytes) -> Progress | None:
        kind, _, data = line.partition(b":")
        try:
            body = json.loads(data) if kind == b"data" else None
            if not isinstance(body, dict):
                return None
            return Progress(
                int(body.get("progress") or 0),
                self._plain(body.get("message")),
                body.get("ready") is True,
                body.get("failed") is True,
            )
        except (ValueError, TypeError, RecursionError):
            return None


def _server(model: dict[str, Any]) -> UserServer:
    return UserServer(
        model.get("ready") is True,
        str(model.get("pending") or ""),
        str(model.get("url") or ""),
        str(model.get("full_url") or ""),
    )


def _path(user: str, server: str) -> str:
    name = quote(user, safe="")
    return f"users/{name}/servers/{quote(server, safe='')}" if server else f"users/{name}/server"
