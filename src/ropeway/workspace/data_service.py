"""The workspace's side of the data service: starts its process when first needed, and asks it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx

from ropeway import config, wire
from ropeway.data.grants import Grants
from ropeway.errors import HomeUnreachable, ProtocolError, RopewayError
from ropeway.workspace.process import Server, ServerProcess

_QUIET = httpx.Timeout(10.0, read=None, write=None)
"""A query may think as long as it likes before its first byte, and a put wait for its turn."""


log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answered:
    """The beginning of an answer: its id, and its bytes as they come.

    `etag` is its name, empty for none. What is `unchanged` has no bytes: the asker has them.
    """

    id: str
    chunks: AsyncIterator[bytes]
    etag: str = ""
    unchanged: bool = False


class DataService:
    """The data service of the workspace in the folder `root`.

    Its process starts at the first call, is shared with whoever else serves the same folder, and
    is started anew when it died.
    """

    def __init__(self, root: Path) -> None:
        state = config.workspace_state_dir(root) / "data.json"
        command = [sys.executable, "-m", "ropeway.data.service", "--root", str(root)]
        command += ["--state", str(state), "--parent", str(os.getpid())]
        command += ["--grants", str(state.with_name("grants"))]
        self._process = ServerProcess("data service", command, state, root)
        self.grants = Grants(state.with_name("grants"))
        self._turn = asyncio.Lock()
        self._address: Server | None = None
        # A connection for each request: then "refused" alone says that the process is dead, and
        # a query that killed it is not put to its successor.
        self._client = httpx.AsyncClient(
            timeout=_QUIET, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
        )

    async def datasets(self, runtime_class: str = "here") -> tuple[wire.Dataset, ...]:
        """What was added at home, as that class of runtime may see it. Raises `RopewayError`."""
        body = await self._ask("GET", f"/v1/datasets?runtime_class={runtime_class}")
        return tuple(wire.from_json(wire.Dataset, each) for each in body["datasets"])

    async def seen(self, name: str) -> tuple[wire.Seen, ...]:
        """What each class of runtimes sees of a dataset. Raises `UnknownDataset`."""
        body = await self._ask("GET", f"/v1/datasets/{quote(name, safe='')}")
        return tuple(wire.from_json(wire.Seen, each) for each in body["seen"])

    async def transfers(self) -> tuple[wire.Transfer, ...]:
        """The queries that run and those that ended last, of all kernels, the newest first."""
        body = await self._ask("GET", "/v1/queries")
        return tuple(wire.from_json(wire.Transfer, each) for each in body["transfers"])

    @asynccontextmanager
    async def query(self, query: wire.Query) -> AsyncIterator[Answered]:
        """The answer, an Arrow IPC stream as it comes.

        Entering raises `RopewayError` when the query may not run or fails before its first row;
        the iterator raises it when it fails later. Leaving the block early stops the query.
        """
        response = await self._send(
            "POST", "/v1/query", json=wire.to_json(query), headers={"If-None-Match": query.etag}
        )
        try:
            if response.status_code not in (200, 304):
                raise _error(response.status_code, await response.aread())
            number = response.headers.get("x-ropeway-query", "")
            yield Answered(
                number,
                self._chunks(number, response),
                response.headers.get("x-ropeway-etag", ""),
                response.status_code == 304,
            )
        finally:
            await asyncio.shield(response.aclose())

    async def put(self, put: wire.Put, stream: AsyncIterator[bytes]) -> wire.Receipt:
        """Keep a table, an Arrow IPC stream, at home. Raises `RopewayError`.

        What `stream` raises is a cut: nothing is kept.
        """
        told = wire.to_json(put)
        path = f"/v1/put/{quote(told.pop('name'), safe='')}?{urlencode(told)}"
        await self._ask("GET", path)  # whether it may; and wakes it: a stream can be sent once
        response = await self._send("POST", path, content=stream, timeout=_QUIET)
        body = await response.aread()
        if response.status_code != 200:
            raise _error(response.status_code, body)
        return wire.from_json(wire.Receipt, json.loads(body))

    async def cross(self, crossing: wire.Crossing) -> None:
        """Let a value pass between two kernels. Raises `RopewayError`."""
        await self._ask("POST", "/v1/crossings", json=wire.to_json(crossing))

    async def crossed(self, number: str) -> None:
        """A crossing has ended, however it did."""
        await self._ask("DELETE", f"/v1/crossings/{number}")

    async def give(self, number: str, kernel: str, kind: str, stream: AsyncIterator[bytes]) -> None:
        """Send a value for that kernel, which has no road of its own. Raises `RopewayError`."""
        path = f"/v1/crossings/{number}?{urlencode({'kernel': kernel, 'type': kind})}"
        response = await self._send("POST", path, content=stream, timeout=_QUIET)
        body = await response.aread()
        if response.status_code != 200:
            raise _error(response.status_code, body)

    @asynccontextmanager
    async def take(self, number: str, kernel: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """A value for that kernel, as it comes. Raises `RopewayError`, the iterator as well."""
        path = f"/v1/crossings/{number}?{urlencode({'kernel': kernel})}"
        response = await self._send("GET", path)
        try:
            if response.status_code != 200:
                raise _error(response.status_code, await response.aread())
            yield _whole(response)
        finally:
            await asyncio.shield(response.aclose())

    async def artefacts(self, asker: wire.Asker, question: bytes) -> bytes:
        """The answer to a question about artefacts. Raises `RopewayError`."""
        path = f"/v1/artefacts?{urlencode(wire.to_json(asker))}"
        response = await self._send("POST", path, content=question)
        answer = await response.aread()
        if response.status_code != 200:
            raise _error(response.status_code, answer)
        return answer

    async def summary(self, number: str) -> wire.Summary:
        """What became of a query. Raises `NotFound`."""
        return wire.from_json(wire.Summary, await self._ask("GET", f"/v1/queries/{number}"))

    async def cancel(self, number: str) -> None:
        """Stop a query at the engine. Raises `NotFound`."""
        await self._ask("DELETE", f"/v1/queries/{number}")

    async def port(self, refused: int = 0) -> int:
        """The loopback port where the process listens right now. Raises `HomeUnreachable`.

        One that died, or `refused` a connection, is started anew; a stranger that took its port
        since is not meant.
        """
        known = self._address
        if known is not None and (
            _port(known) == refused or await asyncio.to_thread(self._process.running) != known
        ):
            await self._gone(known)
        return _port(await self._running())

    async def stop(self) -> None:
        """End the process, where it is ours, and with it every query."""
        async with self._turn:
            self._address = None
            await self._client.aclose()
            if self._process.ours:
                await self._process.stop()

    async def _chunks(self, number: str, response: httpx.Response) -> AsyncIterator[bytes]:
        try:
            async for chunk in response.aiter_raw():
                yield chunk
        except httpx.HTTPError as error:
            summary = await self._last_word(number)
            if summary is not None and summary.error:
                raise RopewayError.from_json(summary.error) from None
            raise HomeUnreachable("The data service broke off its answer.") from error

    async def _last_word(self, number: str) -> wire.Summary | None:
        """The summary of a query that broke off; None where its process died with it."""
        try:
            return await self.summary(number)
        except RopewayError:
            return None

    async def _ask(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        response = await self._send(method, path, **more)
        try:
            body = await response.aread()
        finally:
            await response.aclose()
        if response.status_code != 200:
            raise _error(response.status_code, body)
        found: dict[str, Any] = json.loads(body)
        return found

    async def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One request; when nobody listens any more, once again to a fresh process."""
        for attempt in (1, 2):
            address = await self._running()
            request = self._client.build_request(method, address.url + path, **more)
            request.headers["Authorization"] = f"Bearer {address.token}"
            try:
                response = await self._client.send(request, stream=True)
            except httpx.TransportError as error:
                await self._gone(address)
                if attempt == 1 and isinstance(error, httpx.ConnectError):
                    continue
                raise HomeUnreachable(
                    "The data service broke off before it answered.",
                    hint="It starts again with the next query; ask for less if this one was large.",
                ) from error
            if response.status_code != 401 or attempt == 2:
                return response
            # Another process took the port of the one that died.
            await response.aclose()
            await self._gone(address)
        raise AssertionError("unreachable")

    async def _gone(self, address: Server) -> None:
        async with self._turn:
            if self._address == address:
                self._address = None

    async def _running(self) -> Server:
        async with self._turn:
            if self._address is None:
                self._address = await self._started()
            return self._address

    async def _started(self) -> Server:
        """A process that answers: the one that runs, or a fresh one."""
        try:
            for _ in range(2):
                self._process.launch()
                server = await self._process.ready()
                if await self._healthy(server):
                    return server
                await self._process.stop()
        except RopewayError as error:
            # Home's own log may name the reason and places; a kernel gets neither.
            log.error("%s", error)
        raise HomeUnreachable(
            "The data service at home did not start.", hint="Home's own log says why."
        )

    async def _healthy(self, address: Server) -> bool:
        try:
            response = await self._client.get(
                address.url + "/v1/health",
                headers={"Authorization": f"Bearer {address.token}"},
                timeout=5,
            )
            return response.status_code == 200 and response.json().get("v") == wire.PROTOCOL
        except (httpx.HTTPError, ValueError):
            return False


async def _whole(response: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.aiter_raw():
            yield chunk
    except httpx.HTTPError as error:
        raise HomeUnreachable("The value did not come whole.") from error


def _port(address: Server) -> int:
    return int(urlsplit(address.url).port or 0)


def _error(status: int, body: bytes) -> RopewayError:
    try:
        return RopewayError.from_json(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return ProtocolError(f"The data service answered {status} without saying why.")
