"""A machine that SSH reaches: `ssh://user@gpu-box`. Nothing needs to be there but a Python.

The runtime there belongs to the far user and the folder, whoever connects; it goes on when we
leave. Its port comes here through one SSH connection, which is made anew when it dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ropeway.duration import seconds
from ropeway.errors import BadInput, RopewayError, Stopped, Unreachable
from ropeway.workspace.address import Address
from ropeway.workspace.process import Server
from ropeway.workspace.providers.far_side import FarSide
from ropeway.workspace.providers.provider import Provider, Site
from ropeway.workspace.providers.ssh_command import SshCommand
from ropeway.workspace.providers.ssh_connection import Connection, HeldPort
from ropeway.workspace.providers.ssh_target import parse_target
from ropeway.workspace.remembered import Record

ANSWER_SECONDS = 8.0
"""A server that takes longer to say anything is out of reach; the 15 s promise hangs on it."""

LOOK_SECONDS = 15.0
"""A runtime that does not run is not looked for more often: each look starts a Python there."""

_SHORT_LIFE = 5.0


class Ssh(Provider):
    """The runtime of a far user and folder, started there when first needed."""

    kind = "ssh"
    stoppable = True

    def __init__(self, record: Record, site: Site) -> None:
        super().__init__(record, site)
        target = parse_target(record.url)
        self._name = target.shown
        self._command = SshCommand(target, str(record.options.get("config") or ""))
        asked = record.options.get("stop_idle")
        stop_idle = seconds("--stop-idle", asked) if asked else 0.0
        self._far = FarSide(self._name, target.folder, site.tell, stop_idle)
        self._port = HeldPort()
        self._connection: Connection | None = None
        self._opened = 0.0
        self._server: Server | None = None
        self._brought = 0
        """The far port that our own leads to; 0: none."""
        self._lent = 0
        """The far port that leads to home's services, to be asked for again."""
        self._met = False
        self._wanted = False
        """Whether somebody asked for its start, even if it was stopped."""
        self._gone: Stopped | None = None
        self._looked_at = 0.0
        self._closed = False
        self._turn = asyncio.Lock()

    @classmethod
    def read(cls, text: str, token: str, options: dict[str, Any]) -> tuple[str, str]:
        """`ssh://[user@]host[:port][/folder]`.

        The options are `config`, an ssh_config, and `stop_idle`, a time such as `2h`.
        """
        if token.strip():
            raise BadInput("SSH wants no token.", hint="Connect it without one.")
        for name, value in options.items():
            if name not in ("config", "stop_idle") or not isinstance(value, str):
                raise BadInput(
                    f"SSH knows no option {name}={value!r}.",
                    hint="It knows config (a file) and stop_idle (a time such as 2h), as texts.",
                )
        if (file := options.get("config")) and not Path(file).is_file():
            raise BadInput(f"There is no file {file}.", hint="Name an ssh_config file.")
        if "stop_idle" in options and not seconds("stop_idle", options["stop_idle"]):
            raise BadInput("stop_idle 0 would end it at once.", hint="Such as 30m, 8h or 7d.")
        return parse_target(text).url, ""

    async def reach(self) -> Address:
        """Log in, install, start and forward: whatever of it is still to be done.

        Raises `Stopped` where somebody stopped it, or it ended by itself after `stop_idle`.
        """
        if self._gone is not None and time.monotonic() - self._looked_at < LOOK_SECONDS:
            raise self._gone
        async with self._turn:
            try:
                return await self._reached()
            except RopewayError:
                if self._connection is None or await self._connection.stands():
                    raise
                return await self._reached()  # it died in that very moment: a fresh one may do
            finally:
                if self._closed:
                    await self._port.let_go()

    async def _reached(self) -> Address:
        if self._connection is None or not self._connection.alive:
            await self._log_in()
        if self._server is None or not await self._answers():
            await self._settle()
        assert self._server is not None
        return Address(f"http://127.0.0.1:{self._port.number}", self._server.token)

    async def start(self) -> None:
        """Start the runtime there, even if it was stopped."""
        self._wanted, self._gone = True, None
        await self.reach()

    async def stop(self) -> None:
        """End the far runtime with its kernels, for all who use it."""
        async with self._turn:
            if self._connection is None or not self._connection.alive:
                await self._log_in()
            assert self._connection is not None
            await self._far.stop(self._connection)
            self._server = None

    async def aclose(self) -> None:
        """End the connection; the far runtime goes on."""
        self._closed = True
        await self._hang_up()
        await self._port.let_go()

    async def _log_in(self) -> None:
        if self._closed:
            raise self._let_go()
        await self._hang_up()
        await self._port.hold()
        connection = Connection(self._command, self._dropped)
        try:
            if not self._met:
                self.site.tell(f"Connecting to {self._name} over SSH…")
            await connection.open()
            if self._closed:
                raise self._let_go()
        except BaseException:
            await connection.aclose()
            raise
        self._connection, self._opened = connection, time.monotonic()

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        self._server, self._brought, self.door = None, 0, ""
        if connection is not None:
            await connection.aclose()

    def _dropped(self) -> None:
        """The connection ended by itself: look now, unless that happens all the time."""
        if time.monotonic() - self._opened > _SHORT_LIFE:
            self.site.changed()

    async def _settle(self) -> None:
        """Find or start the runtime there, and let our port lead to it."""
        connection = self._connection
        assert connection is not None
        wish = "start" if self._wanted else "resume"
        self._gone, self._server = None, None
        server = await self._far.start(connection, action=wish if self.site.start else "look")
        if isinstance(server, str):
            self._gone, self._looked_at = self._stopped(server), time.monotonic()
            raise self._gone
        await self._bring(connection, urlsplit(server.url).port or 0)
        if self.site.door and not self.door:
            self._lent = await connection.lend(self.site.door, self._lent)
            self.door = f"http://127.0.0.1:{self._lent}" if self._lent else ""
        self._server, self._met, self._wanted = server, True, False

    async def _bring(self, connection: Connection, far_port: int) -> None:
        if self._brought == far_port:
            return
        if self._brought:
            await connection.unbring(self._port.number, self._brought)
            self._brought = 0
        for _ in range(2):  # the port may be lost in the moment between the two
            await self._port.hold()
            await self._port.let_go()
            if await connection.bring(self._port.number, far_port):
                self._brought = far_port
                break
        # The far side says no only when somebody comes through.
        if not self._brought or not await self._answers():
            await self._hang_up()
            await self._port.hold()
            raise Unreachable(
                f"{self._name} lets no port through SSH.",
                hint="Its SSH server must allow forwarding: AllowTcpForwarding and PermitOpen.",
            )

    async def _answers(self) -> bool:
        """Whether a web server answers behind our port; one that keeps silent raises."""
        try:
            async with asyncio.timeout(min(self.site.timeout, ANSWER_SECONDS)):
                return await _first_words(self._port.number) == b"HTTP"
        except TimeoutError:
            raise self._command.no_answer() from None
        except OSError:
            return False

    def _stopped(self, why: str) -> Stopped:
        command = f"ropeway start {self.record.name}"
        return Stopped(
            f"The runtime on {self._name} {why}. Start it again: `{command}`.",
            hint=f"`{command}`, or Connect ▸ Manage runtimes and sessions… ▸ Start.",
        )

    def _let_go(self) -> Unreachable:
        return Unreachable(f"The runtime {self.record.name} was let go of.")


async def _first_words(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET /api HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        await writer.drain()
        return await reader.read(4)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
