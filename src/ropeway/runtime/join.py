"""Joining a workspace: an invitation becomes a key, and the key keeps the link up.

The key lies in a private file of the user's, so that the same command joins again after a restart
although its invitation is used up.
"""

from __future__ import annotations

import hashlib
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest

from ropeway import __version__, config
from ropeway.errors import BadInput, LinkRefused, NameTaken, RopewayError, Unreachable
from ropeway.link.dialer import PATH, Dialer, Served
from ropeway.runtime.app import Listening
from ropeway.tls import context_for, parse_fingerprint, refusal

TOKEN_VARIABLE = "ROPEWAY_JOIN_TOKEN"  # noqa: S105 (the name of a variable)


@dataclass(frozen=True, slots=True)
class Home:
    """The workspace to join: its base URL, and the one certificate to accept, if any."""

    url: str
    fingerprint: str = ""

    @classmethod
    def read(cls, text: str, fingerprint: str = "") -> Home:
        """What a person pasted. Raises `BadInput`."""
        url = _base_url(text)
        if fingerprint and not url.startswith("https://"):
            raise BadInput(
                "A fingerprint was given, but the workspace's URL does not begin with https://.",
                hint="Only TLS shows a certificate: copy the command of `ropeway invite` whole.",
            )
        return cls(url, parse_fingerprint(fingerprint) if fingerprint else "")

    @property
    def exposed(self) -> bool:
        """Whether others on the way can read what is sent."""
        parts = urlsplit(self.url)
        return parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "::1", "localhost")

    @property
    def trust(self) -> ssl.SSLContext:
        """Whom to trust with the key."""
        return context_for(self.fingerprint)


def _base_url(text: str) -> str:
    parts = urlsplit(text.strip() if "://" in text else f"http://{text.strip()}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadInput(
            f"--join {text.split('?')[0]!r} is no URL of a workspace.",
            hint="Copy the whole command that `ropeway invite` shows.",
        )
    path = parts.path.split("/lab")[0].split("/doc")[0].split("/tree")[0].rstrip("/")
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], path, "", ""))


class Membership:
    """What this machine keeps of having joined `home`. One process at a time uses it."""

    def __init__(self, home: Home, name: str) -> None:
        folder = config.private_dir(config.state_dir() / "joined")
        digest = hashlib.sha256(f"{home.url}|{name}".encode()).hexdigest()[:16]
        self._path = folder / f"{digest}.json"
        self._claim = config.Claim(Path(f"{self._path}.lock"))
        self._home = home
        self.alone = self._claim.take()
        self._key = self._kept() if self.alone else ""

    @property
    def key(self) -> str:
        """The key; empty before joining."""
        return self._key

    def keep(self, key: str) -> None:
        """Use a key from now on, also after a restart."""
        if self.alone:
            config.write_private(self._path, json.dumps({"home": self._home.url, "key": key}))
        self._key = key

    def use(self, key: str) -> None:
        """Use a key until this process ends."""
        self._key = key

    def forget(self) -> None:
        """The key is worth nothing any more."""
        self._key = ""
        if self.alone:
            self._path.unlink(missing_ok=True)

    def _kept(self) -> str:
        try:
            return str(json.loads(self._path.read_text("utf-8"))["key"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""


class Join:
    """Keeps this runtime joined to the workspace at `home`; `run` it beside its server.

    `name` is what to call it there, where the invitation leaves that open.
    """

    def __init__(
        self,
        home: Home,
        token: str,
        name: str,
        tell: Callable[[str], None],
    ) -> None:
        self._home = home
        self._token = token
        self._name = name
        self._tell = tell
        self._member = Membership(home, name)
        self._dialer: Dialer | None = None

    async def run(self, listening: Listening) -> None:
        """Join, and stay joined. Raises `LinkRefused` or `Unreachable` when that cannot be."""
        while True:
            known = bool(self._member.key)
            if not known:
                self._tell(f"Joining {self._home.url} …")
                if self._home.exposed:
                    self._tell(
                        "This link is not encrypted: who can listen on the way reads the token and "
                        "all that crosses. Give --join an https:// URL."
                    )
                await self._redeem()
            try:
                await self._stay(listening)
                return
            except LinkRefused as error:
                if self._dialer is not None and self._dialer.was_up:
                    self._tell(f"{error.message} Kernels here go on until Ctrl-C.")
                    return
                if not (known and self._token):
                    raise
                self._member.forget()  # there is an invitation to try instead

    async def stop(self) -> None:
        """Say goodbye."""
        if self._dialer is not None:
            await self._dialer.stop()

    async def _stay(self, listening: Listening) -> None:
        served = Served(listening.port, listening.token, __version__)
        self._dialer = Dialer(
            self._home.url,
            served,
            key=lambda: self._member.key,
            keep=self._member.keep,
            tell=self._tell,
            trust=self._home.trust,
        )
        await self._dialer.run()

    async def _redeem(self) -> None:
        if not self._token:
            raise LinkRefused(
                f"This machine has not joined {self._home.url} yet, and has no invitation.",
                hint=f"Copy the whole command of `ropeway invite`, with {TOKEN_VARIABLE}=….",
            )
        request = HTTPRequest(
            f"{self._home.url}{PATH}/join",
            method="POST",
            body=json.dumps({"name": self._name}),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
            connect_timeout=10,
            request_timeout=20,
            follow_redirects=False,
            ssl_options=self._home.trust,
        )
        try:
            answer = await AsyncHTTPClient().fetch(request)
            key = str(json.loads(answer.body)["key"])
        except HTTPClientError as error:
            raise _told(error, self._home.url) from None
        except (OSError, TimeoutError) as error:
            if refused := await refusal(self._home.url, error):
                raise refused from error
            raise Unreachable(
                f"The workspace at {self._home.url} cannot be reached: {str(error).lower()}.",
                hint="Check the URL, that the workspace runs, and that this machine may reach it.",
            ) from error
        except (ValueError, KeyError, TypeError):
            raise _no_workspace(self._home.url) from None
        try:
            self._member.keep(key)
        except OSError as error:
            self._member.use(key)
            self._tell(f"The key cannot be kept ({error}): a restart will need a new invitation.")


def _told(error: HTTPClientError, home: str) -> RopewayError:
    try:
        body = json.loads(error.response.body) if error.response is not None else {}
        told = RopewayError.from_json(body["error"])
    except (ValueError, KeyError, TypeError):
        return _no_workspace(home)
    return told if isinstance(told, (LinkRefused, NameTaken)) else LinkRefused(told.message)


def _no_workspace(home: str) -> LinkRefused:
    return LinkRefused(
        f"At {home} no workspace answers that runtimes can join.",
        hint="Give --join the workspace's own URL, as `ropeway invite` shows it.",
    )
