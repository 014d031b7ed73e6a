"""What kernels serve at ports of their machines: its address in the browser, and the way there.

The way is that of everything else of a runtime: its Jupyter server with its token, however that is
reached. The agent there gives a plain stream. A plain server has none: jupyter-server-proxy would
hand the server's token to whatever listens at the port.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Protocol

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from ropeway.errors import BadInput, KernelGone, Unreachable
from ropeway.link import pump
from ropeway.link.protocol import CHUNK_BYTES, OPEN_SECONDS
from ropeway.workspace.client import RuntimeClient
from ropeway.workspace.provisioner import RuntimeProvisioner

PATH = "/ropeway/kernels"

_KEY = secrets.token_bytes(32)
"""Of this process: when it ends, no address that it gave counts any more."""


def key_of(kernel: str, port: int) -> str:
    """What proves that the workspace gave somebody the address of a kernel's port.

    The page behind it cannot have the user's cookies, and asks for its own files: its address is
    all it can show.
    """
    return hmac.new(_KEY, f"{kernel} {port}".encode(), hashlib.sha256).hexdigest()


def path_of(kernel: str, port: int) -> str:
    """The path of a kernel's port, below the workspace's base URL.

    Raises `BadInput` and `KernelGone`.
    """
    if not 0 < port < 65536:
        raise BadInput(f"{port} is no port.", hint="Ports are numbers from 1 to 65535.")
    client_of(kernel)
    return f"{PATH}/{kernel}/ports/{port}/{key_of(kernel, port)}/"


def client_of(kernel: str) -> RuntimeClient:
    """Who speaks to the runtime of a kernel. Raises `KernelGone`."""
    provisioner = RuntimeProvisioner.live.get(kernel)
    if provisioner is None or provisioner.bridge is None:
        raise KernelGone(f"There is no kernel {kernel}.", hint="Run the cell again.")
    return provisioner.bridge.uplink.client


class Stream(Protocol):
    """Bytes to a served page and back."""

    async def send(self, data: bytes) -> None:
        """Returns once it may take more. Raises `pump.BROKEN`."""

    async def receive(self) -> bytes:
        """What came; nothing at the end. Raises `pump.BROKEN`."""

    def close(self) -> None:
        """End it."""


async def connect(kernel: str, port: int) -> Stream:
    """A stream to what listens at a port. Raises `KernelGone` and `Unreachable`."""
    client = client_of(kernel)
    try:
        return await _through_agent(client, port)
    except HTTPClientError as error:
        if error.code == 502:
            raise Unreachable(
                f"Nothing listens at port {port} of runtime {client.name}.",
                hint="Start the server in the kernel, bound to localhost, then look again.",
            ) from None
        if error.code != 404:
            raise client.unreachable(error) from error
        raise Unreachable(
            f"Runtime {client.name} leads to no port of its machine.",
            hint="It is a plain Jupyter server: install ropeway[runtime] there.",
        ) from None
    except pump.BROKEN as error:
        raise client.unreachable(error) from error


async def _through_agent(client: RuntimeClient, port: int) -> Stream:
    secure = client.websocket_url.startswith("wss")
    request = HTTPRequest(
        f"{client.websocket_url}/ropeway/agent/ports/{port}",
        headers=client.headers,
        connect_timeout=OPEN_SECONDS,
        request_timeout=OPEN_SECONDS,
        follow_redirects=False,
        ssl_options=client.tls if secure else None,
    )
    websocket = await websocket_connect(request, max_message_size=CHUNK_BYTES)
    if websocket.protocol is not None:
        websocket.protocol.set_nodelay(True)  # tornado's client turns it off after the handshake
    return _AgentStream(websocket)


class _AgentStream:
    """A stream that the runtime's agent carries."""

    def __init__(self, websocket: WebSocketClientConnection) -> None:
        self._websocket = websocket

    async def send(self, data: bytes) -> None:
        for start in range(0, len(data), CHUNK_BYTES):
            await self._websocket.write_message(data[start : start + CHUNK_BYTES], binary=True)

    async def receive(self) -> bytes:
        data = await self._websocket.read_message()
        if data is None:
            raise ConnectionResetError("the runtime's agent hung up")
        return data if isinstance(data, bytes) else data.encode()

    def close(self) -> None:
        self._websocket.close()
