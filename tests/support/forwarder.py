"""A TCP forwarder as a process of its own, so that a test can freeze or cut what runs through it.

`python forwarder.py LISTEN_PORT TARGET_PORT`
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Forwarder:
    """A running forwarder: `port` leads to the target."""

    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        self.port = port
        self._process = process

    def freeze(self) -> None:
        """Nothing passes any more, and nobody is told: no FIN, no RST."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Everything passes again."""
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it; its connections are reset."""
        self._process.kill()
        self._process.wait()


@contextmanager
def forwarder(port: int, target: int) -> Iterator[Forwarder]:
    """Forward `port` to `target` on this machine."""
    command = [sys.executable, __file__, str(port), str(target)]
    made = Forwarder(port, subprocess.Popen(command))
    try:
        _wait_for(port)
        yield made
    finally:
        made.thaw()
        made.stop()


def _wait_for(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError("the forwarder did not start")


async def _forward(port: int, target: int) -> None:
    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.write_eof()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", target)
        except OSError:
            writer.transport.abort()
            return
        await asyncio.gather(copy(reader, back), copy(there, writer))
        writer.close()
        back.close()

    server = await asyncio.start_server(handle, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_forward(int(sys.argv[1]), int(sys.argv[2])))
