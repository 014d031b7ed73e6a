"""A TCP forwarder as a process of its own, so that a test can trouble what runs through it.

`python forwarder.py LISTEN_PORT TARGET_PORT [--delay S] [--jitter S] [--cut N] [--certfile F
--keyfile F]`: it can hold all bytes back for a while, let connections wait for a random time, cut
every Nth in the middle of its handshake, and speak TLS to who comes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import random
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
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
def forwarder(port: int, target: int, *trouble: str) -> Iterator[Forwarder]:
    """Forward `port` to `target` on this machine."""
    command = [sys.executable, __file__, str(port), str(target), *trouble]
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


async def _late(reader: asyncio.StreamReader, delay: float) -> AsyncIterator[bytes]:
    """What is read, each piece as much later, and at last `b""`."""
    pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(1000)
    loop = asyncio.get_running_loop()

    async def read() -> None:
        data = b"x"
        while data:
            with contextlib.suppress(OSError):
                data = b""
                data = await reader.read(65536)
            await pieces.put((loop.time() + delay, data))

    reading = asyncio.ensure_future(read())
    while True:
        at, data = await pieces.get()
        await asyncio.sleep(max(0.0, at - loop.time()))
        yield data
        if not data:
            await reading
            return


async def _forward(given: argparse.Namespace) -> None:
    count = itertools.count(1)

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            async for data in _late(reader, given.delay):
                if data:
                    writer.write(data)
                    await writer.drain()
            if writer.can_write_eof():  # TLS has no half-close
                writer.write_eof()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if given.cut and next(count) % given.cut == 0:
            await reader.read(1)  # it has begun to speak: HTTP, or TLS
            writer.transport.abort()
            return
        await asyncio.sleep(random.uniform(0, given.jitter))
        try:
            there, back = await asyncio.open_connection("127.0.0.1", given.target)
        except OSError:
            writer.transport.abort()
            return
        await asyncio.gather(copy(reader, back), copy(there, writer))
        writer.close()
        back.close()

    context = None
    if given.certfile:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(given.certfile, given.keyfile)
    server = await asyncio.start_server(handle, "127.0.0.1", given.port, ssl=context)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("target", type=int)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--jitter", type=float, default=0.0)
    parser.add_argument("--cut", type=int, default=0)
    parser.add_argument("--certfile", default="")
    parser.add_argument("--keyfile", default="")
    asyncio.run(_forward(parser.parse_args()))
