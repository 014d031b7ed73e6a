"""A user's server at a JupyterHub: found or started through the Hub, reached behind it.

The Hub decides what a server is: a pod, a Slurm job, a container. Here it is a Jupyter server at
`HUB/user/NAME/[SERVER/]`. What the Hub stopped stays stopped until somebody asks for it.
"""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import aclosing
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from ropeway.errors import BadInput, StartFailed, Stopped, TokenRefused, Unreachable
from ropeway.workspace.address import Address, parse_base
from ropeway.workspace.providers.hub_client import HubClient, HubUser
from ropeway.workspace.providers.provider import Provider, Site
from ropeway.workspace.remembered import Record

SCHEME = "hub+"
ASK_SECONDS = 60.0
"""How long a server that answers is taken for granted."""
START_SECONDS = 1800.0
STOP_SECONDS = 120.0
PAUSE = 0.5

_PAGES = ("home", "token", "spawn", "spawn-pending", "login", "admin", "api", "user")
_IN_URL = ("server", "profile")
_LOOK = {"read:servers", "access:servers"}


class Hub(Provider):
    """The default server of the token's owner, or the one that the option `server` names.

    Further options: `profile`, a slug of the Hub's list of profiles, and `user_options`, what
    else its spawner understands.
    """

    kind = "hub"
    stoppable = True

    def __init__(self, record: Record, site: Site) -> None:
        super().__init__(record, site)
        url, _, query = record.url.removeprefix(SCHEME).partition("?")
        self._hub = HubClient(url, record.token, site.timeout)
        self._given: dict[str, Any] = {**dict(parse_qsl(query)), **record.options}
        self._server: str = self._given.get("server", "")
        self._address: Address | None = None
        self._asked = 0.0

    @classmethod
    def read(cls, text: str, token: str, options: dict[str, Any]) -> tuple[str, str]:
        """The Hub's URL, with `?server=…&profile=…` if it has that; any page of the Hub will do."""
        _check(options)
        text = text.strip().strip("'\"<>").removeprefix(SCHEME)
        address = parse_base(text, token)
        url = _base(address.url)
        if not address.token:
            raise BadInput(
                f"The Hub at {url.split('://')[1]} wants a token.",
                hint=f"Make one at {url}/hub/token with the scopes servers!user and "
                "access:servers!user, then give it with --token -.",
            )
        asked = [pair for pair in parse_qsl(urlsplit(text).query) if pair[0] in _IN_URL]
        _check(dict(asked))
        return SCHEME + url + ("?" + urlencode(asked) if asked else ""), address.token

    @property
    def usual_class(self) -> str:
        """Others administer it."""
        return "shared"

    @property
    def shown(self) -> str:
        """The Hub, and the name of the server there."""
        return f"{self._hub.shown} ▸ {self._server}" if self._server else self._hub.shown

    async def reach(self) -> Address:
        """Where the server is, if it runs; the Hub is asked when it does not answer.

        Raises `Stopped` when the Hub says that it does not run: it is not started by itself.
        """
        known = self._address
        answers = known is not None and await self._hub.answers(known.url)
        if known and answers and time.monotonic() - self._asked < ASK_SECONDS:
            return known
        try:
            user = await self._user(_LOOK)
        except Unreachable:
            if known and answers:  # the Hub is away, its servers need not care
                self._asked = time.monotonic()
                return known
            raise
        server = user.servers.get(self._server)
        if server is None or server.pending == "stop":
            raise self._stopped()
        if not server.ready:
            raise Unreachable(f"{self._it} is starting.", hint="Wait a little.")
        self._asked = time.monotonic()
        self._address = Address(server.url_at(self._hub.url), self.record.token)
        return self._address

    async def start(self) -> None:
        """Start the server and wait until it answers; one that runs is left as it is."""
        user = await self._user({*_LOOK, "start:servers"})
        server = user.servers.get(self._server)
        if server and server.ready and await self._hub.answers(server.url_at(self._hub.url)):
            return
        self.site.tell(f"{self._it} is starting.")
        try:
            async with asyncio.timeout(START_SECONDS):
                while server and server.pending == "stop":
                    await asyncio.sleep(PAUSE)
                    server = (await self._user(_LOOK)).servers.get(self._server)
                await self._spawn(user.name)
        except TimeoutError:
            raise self._failed(
                f"it was not ready within {START_SECONDS / 60:.0f} minutes"
            ) from None

    async def stop(self) -> None:
        """Stop the server through the Hub, and wait until it has ended."""
        user = await self._user({"read:servers", "delete:servers"})
        if self._server not in user.servers:
            return
        self.site.tell(f"{self._it} is stopping.")
        await self._hub.stop(user.name, self._server)
        end = time.monotonic() + STOP_SECONDS
        while self._server in (await self._user(set())).servers:
            if time.monotonic() > end:
                raise Unreachable(
                    f"{self._it} was told to stop, but still runs after {STOP_SECONDS:.0f} s.",
                    hint="Look at it on the Hub's page.",
                )
            await asyncio.sleep(PAUSE)

    async def aclose(self) -> None:
        """Let go of it: the server goes on."""
        await self._hub.aclose()

    # --- spawning ---------------------------------------------------------------------------------

    async def _spawn(self, user: str) -> None:
        """Ask for the server while listening how it goes on: the Hub may answer late."""
        asking = asyncio.ensure_future(self._hub.start(user, self._server, self._options()))
        try:
            while True:
                await asyncio.wait({asking}, timeout=PAUSE)
                if asking.done() and (error := asking.exception()):
                    raise await self._explained(user, error)
                if await self._follow(user, asked=asking.done()):
                    return
                await asyncio.sleep(PAUSE)
        finally:
            asking.cancel()

    async def _follow(self, user: str, *, asked: bool) -> bool:
        """Tell how the spawn goes on; True when the server is ready, False: look again."""
        async with aclosing(self._hub.progress(user, self._server)) as events:
            async for event in events:
                if event.ready:
                    return True
                if event.failed and asked:
                    raise self._failed(event.message or "the Hub gives no reason")
                if event.failed:
                    return False  # of an earlier spawn, or the Hub's answer will say so at once
                self.site.tell(f"{self._it}: {event.percent} % {event.message}".rstrip())
        if asked:
            server = (await self._user(_LOOK)).servers.get(self._server)
            if server is None:
                raise self._failed("the Hub gives no reason")
            return server.ready
        return False

    async def _explained(self, user: str, error: BaseException) -> BaseException:
        """What is behind a bare "Internal Server Error": the failed spawn's own words."""
        if not isinstance(error, StartFailed):
            return error
        if "already running" in error.message:
            return Unreachable(
                f"{self._it} runs, as the Hub says, but does not answer.",
                hint="Stop it on the Hub's page, then start it again.",
            )
        if error.facts.get("status", 0) >= 500:
            async with aclosing(self._hub.progress(user, self._server)) as events:
                async for event in events:
                    if event.failed and event.message:
                        return self._failed(event.message)
        return error

    def _options(self) -> dict[str, Any]:
        given = self._given
        profile = {"profile": given["profile"]} if given.get("profile") else {}
        return {**given.get("user_options", {}), **profile}

    # --- the Hub ----------------------------------------------------------------------------------

    async def _user(self, wanted: set[str]) -> HubUser:
        user = await self._hub.user()
        if lacking := user.lacks(wanted, self._server):
            scopes = ", ".join(f"{scope}!user" for scope in lacking)
            raise TokenRefused(
                f"The token of {user.name} at the Hub {self._hub.shown} lacks the scopes {scopes}.",
                hint=f"Make one at {self._hub.url}/hub/token with the scopes servers!user and "
                "access:servers!user.",
            )
        return user

    @property
    def _it(self) -> str:
        name = f"The server {self._server}" if self._server else "The server"
        return f"{name} at the Hub {self._hub.shown}"

    def _stopped(self) -> Stopped:
        command = f"ropeway start {self.record.name}"
        return Stopped(
            f"{self._it} does not run: the Hub stopped it, or somebody did. "
            f"Start it again: `{command}`.",
            hint=f"`{command}`, or Connect ▸ Manage runtimes and sessions… ▸ Start.",
        )

    def _failed(self, why: str) -> StartFailed:
        text = why.rstrip(".")
        return StartFailed(
            f"{self._it} did not start: {text}.",
            hint="Choose another --profile or ask who runs the Hub; its log knows more.",
        )


def _check(options: dict[str, Any]) -> None:
    if "stop_idle" in options:
        raise BadInput(
            "A JupyterHub ends idle servers by its own rules (its culler).",
            hint="Ask who runs it, or stop yours: `ropeway disconnect NAME --stop`.",
        )
    for key, value in options.items():
        kind = {"server": str, "profile": str, "user_options": dict}.get(key)
        if kind is None or not isinstance(value, kind):
            raise BadInput(
                f"A JupyterHub does not know the option {key}={value!r}.",
                hint="It knows server, profile and user_options (an object).",
            )
    if "/" in options.get("server", ""):
        raise BadInput(
            f"{options['server']!r} cannot be a server's name.",
            hint="Give the short name that the Hub's page shows, such as gpu.",
        )


def _base(url: str) -> str:
    """The Hub's own URL, from that of one of its pages."""
    return re.split(rf"/user/|/hub/(?:{'|'.join(_PAGES)})(?=/|$)", url, maxsplit=1)[0].rstrip("/")
