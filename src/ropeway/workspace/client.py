"""A runtime's REST interface: what a Jupyter server offers, asked with its token.

The token travels in the `Authorization` header only, redirects are never followed with it, and
every fault becomes one of our errors.
"""

from __future__ import annotations

import ssl
import time
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from ropeway import tls, wire
from ropeway.errors import KernelGone, NotJupyter, RopewayError, TokenRefused, Unreachable
from ropeway.workspace.address import Address
from ropeway.workspace.http import (
    ANSWER_BYTES,
    FAULTS,
    Response,
    TooMuch,
    new_client,
    send,
    unreachable,
)
from ropeway.workspace.offered import checked_seconds, checked_usage, offered_kernels

START_TIMEOUT = 90.0
"""Seconds a kernel may take to start or restart on its runtime."""


_NO_REASONS = ("no reason given", "Forbidden")

PICTURE_BYTES = 200_000
"""The largest logo."""


class RuntimeClient:
    """The REST side of one runtime. Close it with `aclose`."""

    def __init__(
        self,
        name: str,
        address: Address | None,
        timeout: float = 10.0,
        ping_seconds: float = 10.0,
    ) -> None:
        self.name = name
        self.ping_seconds = ping_seconds
        """How often its WebSockets are to be pinged."""
        self._address = address
        self._timeout = timeout
        self._http: dict[str, httpx.AsyncClient] = {}

    @property
    def address(self) -> Address:
        """Where the runtime is. Raises `Unreachable` while nobody knows, or has a token for it."""
        if self._address is None:
            raise Unreachable(
                f"Runtime {self.name} has not been reached yet.",
                hint="`ropeway runtimes` shows how all runtimes are.",
            )
        if time.time() >= self._address.expires:  # refused with it, a kernel would count as lost
            raise Unreachable(
                f"The token for runtime {self.name} has ended, and there is no new one yet.",
                hint="`ropeway runtimes` shows how all runtimes are.",
            )
        return self._address

    @address.setter
    def address(self, address: Address) -> None:
        self._address = address

    @property
    def headers(self) -> dict[str, str]:
        """The headers that carry the token, for REST and WebSocket alike."""
        if self.address.headers:
            return dict(self.address.headers)
        token = self.address.token
        return {"Authorization": f"token {token}"} if token else {}

    @property
    def websocket_url(self) -> str:
        """The base URL for WebSockets."""
        return "ws" + self.address.url.removeprefix("http")

    @property
    def tls(self) -> ssl.SSLContext:
        """Whom the connections trust, for REST and WebSocket alike."""
        return tls.context_for(self.address.fingerprint)

    async def aclose(self) -> None:
        """Give up the connections."""
        for http in self._http.values():
            await http.aclose()

    async def check(self) -> str:
        """Ask whether this is a Jupyter server that accepts the token; returns its version.

        Raises `Unreachable`, `NotJupyter` or `TokenRefused`.
        """
        body = await self._json("GET", "/api")
        version = body.get("version") if isinstance(body, dict) else None
        if not isinstance(version, str):
            raise self._not_jupyter("its /api has no version")
        await self.kernelspecs()
        return version

    async def kernelspecs(self) -> dict[str, Any]:
        """The kernels that the runtime offers, checked: see `offered.offered_kernels`."""
        found = offered_kernels(await self._json("GET", "/api/kernelspecs"))
        if found is None:
            raise self._not_jupyter("its /api/kernelspecs holds no kernels")
        return found

    async def kernels(self) -> list[dict[str, Any]] | None:
        """The kernels that run there; None where the server keeps that to itself.

        A kernel gateway does, unless it is told otherwise.
        """
        try:
            body = await self._json("GET", "/api/kernels")
        except TokenRefused:
            return None
        if not isinstance(body, list):
            raise self._not_jupyter("its /api/kernels is no list")
        return [model for model in body if isinstance(model, dict) and "id" in model]

    async def kernel(self, kernel_id: str) -> dict[str, Any]:
        """One running kernel. Raises `KernelGone`."""
        found: dict[str, Any] = await self._json("GET", _kernel_path(kernel_id))
        return found

    async def start_kernel(self, name: str, path: str | None = None) -> str:
        """Start a kernel of the kind `name` in the runtime's folder `path`; returns its id."""
        body = {"name": name} | ({"path": path} if path else {})
        made = await self._json("POST", "/api/kernels", body, START_TIMEOUT)
        return str(made["id"])

    async def restart_kernel(self, kernel_id: str) -> None:
        """Restart a kernel. Raises `KernelGone`."""
        # Stock servers answer 500, not 404, when an unknown kernel is to be restarted: ask first.
        await self.kernel(kernel_id)
        await self._json("POST", f"{_kernel_path(kernel_id)}/restart", {}, START_TIMEOUT)

    async def interrupt_kernel(self, kernel_id: str) -> None:
        """Interrupt what the kernel runs. Raises `KernelGone`."""
        await self._json("POST", f"{_kernel_path(kernel_id)}/interrupt", {})

    async def delete_kernel(self, kernel_id: str) -> None:
        """Shut a kernel down; one that is gone already is fine."""
        try:
            await self._json("DELETE", _kernel_path(kernel_id))
        except KernelGone:
            return

    async def has_agent(self) -> bool:
        """Whether Ropeway's agent is there; anything but its answer means no."""
        try:
            return await self.usage() is not None
        except RopewayError:
            return False

    async def usage(self) -> wire.Usage | None:
        """What the agent measures there, or None where there is no agent."""
        try:
            found = await self._json("GET", "/ropeway/agent/usage")
        except (KernelGone, NotJupyter):
            return None
        return checked_usage(found)

    async def stop_idle(self) -> float:
        """Seconds without a running cell after which the runtime ends by itself, as it says.

        0: never, or it does not say.
        """
        try:
            body = await self._json("GET", "/ropeway/agent/idle")
        except (KernelGone, NotJupyter):
            return 0.0
        return checked_seconds(body)

    async def picture(self, path: str) -> bytes:
        """A kernelspec's resource (a logo) by its path on the server."""
        origin = urlsplit(self.address.url)
        url = f"{origin.scheme}://{origin.netloc}{path}"
        return (await self._send("GET", url, most=PICTURE_BYTES)).content

    async def _json(
        self, method: str, path: str, body: Any = None, timeout: float | None = None
    ) -> Any:
        response = await self._send(method, self.address.url + path, body, timeout)
        if response.status == 204 or not response.content:
            return None
        try:
            return response.json()
        except ValueError as error:
            raise self._not_jupyter("it answers something else than JSON") from error

    async def _send(
        self,
        method: str,
        url: str,
        body: Any = None,
        timeout: float | None = None,
        most: int = ANSWER_BYTES,
    ) -> Response:
        try:
            response = await send(
                self._connections(),
                method,
                url,
                headers=self.headers,
                body=body,
                seconds=timeout or self._timeout,
                most=most,
            )
        except TooMuch:
            raise self._not_jupyter("it answers without an end") from None
        except FAULTS as error:
            raise (await tls.refusal(url, error) or self.unreachable(error)) from error
        if 200 <= response.status < 300:
            return response
        raise self._refusal(response)

    def _connections(self) -> httpx.AsyncClient:
        """The open connections: those of another pin are never used again."""
        pin = self.address.fingerprint
        if pin not in self._http:
            self._http[pin] = new_client(pin)
        return self._http[pin]

    def _refusal(self, response: Response) -> RopewayError:
        status = response.status
        where = f"The server at {self.address.shown}"
        if status == 403 and (said := self._reason(response)) not in _NO_REASONS:
            return TokenRefused(
                f"{where} refuses that: {said}",
                hint="Ask who runs it what this token may do there.",
            )
        if status in (401, 403) or (status in (301, 302) and "login" in _location(response)):
            if self.address.token:
                return TokenRefused(
                    f"{where} does not accept this token.",
                    hint="Copy the URL that the server printed when it started; after a restart "
                    "of the server the token is a new one.",
                )
            return TokenRefused(
                f"{where} wants a token, and none was given.",
                hint="Paste the whole URL with ?token=…, or give the token by itself.",
            )
        if status == 404 and "/api/kernels/" in response.path:
            return KernelGone(f"{where} no longer has this kernel.", hint="Start it again.")
        if status >= 500:
            return Unreachable(
                f"{where} failed ({status}): {self._reason(response)}",
                hint="Look into that server's log.",
            )
        return self._not_jupyter(f"it answers {status} to {response.path}")

    def _reason(self, response: Response) -> str:
        """The server's own words, should it not repeat our token in them."""
        try:
            body = response.json()
            words = str(body.get("message") or body.get("reason") or "no reason given")[:300]
        except (ValueError, AttributeError):
            return "no reason given"
        token = self.address.token
        return words.replace(token, "…") if token else words

    def _not_jupyter(self, why: str) -> NotJupyter:
        return NotJupyter(
            f"{self.address.shown} is no Jupyter server: {why}.",
            hint="Check host, port and base path; open the URL in a browser to see what it is.",
        )

    def unreachable(self, error: BaseException) -> Unreachable:
        """The error for an address where nothing, or nothing in time, answers."""
        return unreachable(f"The server at {self.address.shown}", error)


def _kernel_path(kernel_id: str) -> str:
    return f"/api/kernels/{quote(kernel_id, safe='')}"


def _location(response: Response) -> str:
    return str(response.headers.get("location", ""))
