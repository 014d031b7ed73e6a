"""A runtime's REST interface: what a Jupyter server offers, asked with its token.

The token travels in the `Authorization` header only, redirects are never followed with it, and
every fault becomes one of our errors.
"""

from __future__ import annotations

import os
import ssl
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from ropeway.errors import KernelGone, NotJupyter, RopewayError, TokenRefused, Unreachable
from ropeway.workspace.address import Address

START_TIMEOUT = 90.0
"""Seconds a kernel may take to start or restart on its runtime."""


@lru_cache(maxsize=1)
def trusted_authorities() -> ssl.SSLContext:
    """Whom this machine trusts, `SSL_CERT_FILE` included: the same for REST and WebSocket."""
    return ssl.create_default_context()


class RuntimeClient:
    """The REST side of one runtime. Close it with `aclose`."""

    def __init__(self, name: str, address: Address, timeout: float = 10.0) -> None:
        self.name = name
        self.address = address
        self._http = httpx.AsyncClient(
            headers=self.headers,
            timeout=httpx.Timeout(timeout, connect=min(timeout, 5.0), pool=None),
            follow_redirects=False,
            verify=trusted_authorities(),
            trust_env=False,  # as for the WebSocket, which knows no proxies
        )

    @property
    def headers(self) -> dict[str, str]:
        """The header that carries the token, for REST and WebSocket alike."""
        token = self.address.token
        return {"Authorization": f"token {token}"} if token else {}

    @property
    def websocket_url(self) -> str:
        """The base URL for WebSockets."""
        return "ws" + self.address.url.removeprefix("http")

    async def aclose(self) -> None:
        """Give up the connections."""
        await self._http.aclose()

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
        """The kernels that the runtime offers: `{"default", "kernelspecs"}`."""
        body = await self._json("GET", "/api/kernelspecs")
        if not isinstance(body, dict) or not isinstance(body.get("kernelspecs"), dict):
            raise self._not_jupyter("its /api/kernelspecs holds no kernels")
        return body

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
        return body

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

    async def usage(self) -> dict[str, Any] | None:
        """What the agent measures there, or None where there is no agent."""
        try:
            found = await self._json("GET", "/ropeway/agent/usage")
        except (KernelGone, NotJupyter):
            return None
        return found if isinstance(found, dict) else None

    async def picture(self, path: str) -> bytes:
        """A kernelspec's resource (a logo) by its path on the server."""
        origin = urlsplit(self.address.url)
        response = await self._send("GET", f"{origin.scheme}://{origin.netloc}{path}")
        return response.content

    async def _json(
        self, method: str, path: str, body: Any = None, timeout: float | None = None
    ) -> Any:
        response = await self._send(method, self.address.url + path, body, timeout)
        if response.status_code == 204 or not response.content:
            return None
        try:
            return response.json()
        except ValueError as error:
            raise self._not_jupyter("it answers something else than JSON") from error

    async def _send(
        self, method: str, url: str, body: Any = None, timeout: float | None = None
    ) -> httpx.Response:
        extra: dict[str, Any] = {} if body is None else {"json": body}
        if timeout is not None:
            extra["timeout"] = httpx.Timeout(timeout, connect=5.0)
        try:
            response = await self._http.request(method, url, **extra)
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
            raise self.unreachable(error) from error
        if response.is_success:
            return response
        raise self._refusal(response)

    def _refusal(self, response: httpx.Response) -> RopewayError:
        status = response.status_code
        where = f"The server at {self.address.shown}"
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
        if status == 404 and "/api/kernels/" in str(response.url):
            return KernelGone(f"{where} no longer has this kernel.", hint="Start it again.")
        if status >= 500:
            return Unreachable(
                f"{where} failed ({status}): {_reason(response)}",
                hint="Look into that server's log.",
            )
        return self._not_jupyter(f"it answers {status} to {response.url.path}")

    def _not_jupyter(self, why: str) -> NotJupyter:
        return NotJupyter(
            f"{self.address.shown} is no Jupyter server: {why}.",
            hint="Check host, port and base path; open the URL in a browser to see what it is.",
        )

    def unreachable(self, error: BaseException) -> Unreachable:
        """The error for an address where nothing, or nothing in time, answers."""
        if isinstance(error, httpx.TimeoutException):
            why = "it does not answer in time"
        elif "CERTIFICATE_VERIFY_FAILED" in str(error):
            why = "its TLS certificate is not trusted here"
        else:
            why = _cause(error)
        return Unreachable(
            f"The server at {self.address.shown} cannot be reached: {why}.",
            hint="Is it running, and is that host and port reachable from this machine?",
        )


def _kernel_path(kernel_id: str) -> str:
    return f"/api/kernels/{quote(kernel_id, safe='')}"


def _location(response: httpx.Response) -> str:
    return str(response.headers.get("location", ""))


def _reason(response: httpx.Response) -> str:
    try:
        body = response.json()
        return str(body.get("message") or body.get("reason") or "no reason given")[:300]
    except (ValueError, AttributeError):
        return "no reason given"


def _cause(error: BaseException) -> str:
    """The system's own words (connection refused, name not known) beneath an httpx error."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            # asyncio writes the address into strerror; the number has the plain words.
            number = seen.errno or 0
            return (os.strerror(number) if number > 0 else seen.strerror).lower()
        seen = seen.__cause__ or seen.__context__
    return str(error).lower().rstrip(".") or type(error).__name__
