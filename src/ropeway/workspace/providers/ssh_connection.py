"""One SSH connection: it carries commands, a port of the far side to here, and ours to there.

All share the connection (OpenSSH's control socket), so one login is enough and a forwarded port
can be refused without the others.

The connection has a session of its own, `_KEEPER`, for three reasons. When this process ends,
however it ends, the `cat` there reads the end of its input, and all is gone. What the keeper says
every 15 s makes the far side notice a connection that we gave up. And OpenSSH switches Nagle's
algorithm off for a connection with a session only: through `ssh -N` a cell takes 40 ms longer.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from ropeway.workspace.providers.ssh_command import CONNECT_SECONDS, SshCommand, end, start

_LINE_BYTES = 1_000_000
_KEEPER = b"""echo ropeway
(
  trap 'kill $nap; exit' TERM
  while :; do sleep 15 >&- 2>&- & nap=$!; wait $nap; echo; done
) & cat; kill $!
"""


class Connection:
    """`open` it once; `ended` is called when it ends by itself. `aclose` it in any case."""

    def __init__(self, command: SshCommand, ended: Callable[[], None]) -> None:
        self._command = command
        self._ended = ended
        # Not under the user's state: a socket's path may have about a hundred letters.
        self._folder = Path(tempfile.mkdtemp(prefix="ropeway-ssh-"))
        self._socket = self._folder / "s"
        self._master: Process | None = None
        self._watcher: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        """Whether it stands, as far as this side knows."""
        return self._master is not None and self._master.returncode is None

    async def open(self) -> None:
        """Log in. Raises `Unreachable`, `TokenRefused` or `BadInput`, then call `aclose`."""
        said = self._folder / "said"
        line = self._command.master(self._socket, "sh -s")
        self._master = await start(line, stderr=said)
        assert self._master.stdin is not None
        assert self._master.stdout is not None
        try:
            async with asyncio.timeout(CONNECT_SECONDS * 2):
                self._master.stdin.write(_KEEPER)
                # What a login shell says before is its own business.
                while await self._master.stdout.readline() != b"ropeway\n":
                    if self._master.stdout.at_eof():
                        words = await asyncio.to_thread(said.read_text, "utf-8", "replace")
                        raise self._command.failure(words)
        except TimeoutError:
            raise self._command.no_answer() from None
        self._watcher = asyncio.create_task(self._watch(self._master))

    async def _watch(self, master: Process) -> None:
        assert master.stdout is not None
        while await master.stdout.read(4096):
            pass
        await master.wait()
        self._ended()

    @asynccontextmanager
    async def shell(self, script: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """Run a POSIX shell script there, whatever the login shell is; yields its lines.

        The script goes through stdin, so nothing of it is on a command line.
        """
        line = self._command.over(self._socket, command="sh -s")
        process = await start(line, stderr=DEVNULL, limit=_LINE_BYTES)
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(script.encode())
            process.stdin.write_eof()
            yield aiter(process.stdout)
        finally:
            await end(process)

    async def stands(self) -> bool:
        """Whether the `ssh` that is the connection still answers on this side."""
        return self.alive and (await self._control("check"))[0] == 0

    async def bring(self, port: int, far_port: int) -> bool:
        """Let a loopback port of this machine lead to one of theirs; False if it is taken."""
        code, _ = await self._control("forward", "-L", f"127.0.0.1:{port}:127.0.0.1:{far_port}")
        return code == 0

    async def unbring(self, port: int, far_port: int) -> None:
        """Take back what `bring` did."""
        await self._control("cancel", "-L", f"127.0.0.1:{port}:127.0.0.1:{far_port}")

    async def lend(self, port: int, far_port: int = 0) -> int:
        """Let a loopback port of theirs lead to one of ours; which one, 0 if that is not allowed.

        `far_port` is taken if it is free there.
        """
        for wanted in (far_port, 0) if far_port else (0,):
            spec = f"127.0.0.1:{wanted}:127.0.0.1:{port}"
            code, said = await self._control("forward", "-R", spec)
            if code == 0:
                return wanted or int(said.strip() or 0)
        return 0

    async def _control(self, verb: str, *options: str) -> tuple[int, str]:
        line = self._command.over(self._socket, "-O", verb, *options)
        process = await start(line, stdin=DEVNULL, stderr=STDOUT)
        try:
            async with asyncio.timeout(CONNECT_SECONDS * 2):
                out, _ = await process.communicate()
        except TimeoutError:
            raise self._command.no_answer() from None
        finally:
            await end(process)
        return process.returncode or 0, out.decode("utf-8", "replace")

    async def aclose(self) -> None:
        """End it with every process that it took."""
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher
        if self._master is not None:
            await end(self._master)
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)


class HeldPort:
    """A loopback port that stays ours while no tunnel listens on it: callers are hung up on.

    Otherwise another user of this machine could listen there, and be sent a token.
    """

    def __init__(self) -> None:
        self.number = 0
        self._server: asyncio.Server | None = None

    async def hold(self) -> None:
        """Take the port, or another if it is lost."""
        if self._server is not None:
            return
        try:
            self._server = await asyncio.start_server(_hang_up, "127.0.0.1", self.number)
        except OSError:
            self._server = await asyncio.start_server(_hang_up, "127.0.0.1", 0)
        self.number = self._server.sockets[0].getsockname()[1]

    async def let_go(self) -> None:
        """Leave it to the tunnel, or to anybody."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None


async def _hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
