"""What the link costs beside other ways to bring a port of another machine home.

`python benchmarks/link.py` sends bytes through each, both ways and by turns:

- `direct`: a TCP connection, nothing between;
- `link`: our link, the runtime's end and home's each a process of its own;
- `ssh -R`: OpenSSH's remote forward to a real sshd, as a person would set it up;
- `asyncssh -R`: the same by asyncssh, client and server.

The server behind the port, the two ends and the client are processes of their own. All on
loopback: what counts is what each way costs, not the wire. SSH encrypts; the link leaves that to
TLS.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from peers import cores, write_results
from support.far_machine import FarMachine
from support.servers import free_port

MEGABYTES = 512
REPEATS = 5
TRIPS = 1000
_CHUNK = 1 << 20


async def serve(port: int) -> None:
    """What stands behind every way: `d` sends bytes, `u` counts them, `e` says them back."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kind = await reader.read(1)
        with contextlib.suppress(OSError):
            if kind == b"d":
                for _ in range(MEGABYTES):
                    writer.write(bytes(_CHUNK))
                    await writer.drain()
                writer.write_eof()
            elif kind == b"u":
                count = 0
                while data := await reader.read(_CHUNK):
                    count += len(data)
                writer.write(str(count).encode())
                writer.write_eof()
            else:
                while data := await reader.read(65536):
                    writer.write(data)
                    await writer.drain()
            await writer.drain()
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", port, limit=_CHUNK)
    await server.serve_forever()


async def link_home(port: int, told: int) -> None:
    """Home's end of the link, listening at `port`; the runtime's port leads to `told`."""
    from tornado import web

    from ropeway.link import pump
    from ropeway.link.dialer import PATH
    from ropeway.link.listener import Links

    links = Links(lambda key: "gpu")
    web.Application(links.handlers(PATH)).listen(port, "127.0.0.1")
    link = await links.link("gpu")

    async def pass_on(reader: pump.Reader, writer: pump.Writer) -> None:
        link._accept(reader, writer)

    # The link's own port is not known beforehand: the same handler at one that is.
    server = await asyncio.start_server(pass_on, "127.0.0.1", told, limit=2 * 256 * 1024)
    await server.serve_forever()


async def link_runtime(home: int, target: int) -> None:
    """The runtime's end of the link."""
    from ropeway.link.dialer import Dialer, Served

    await Dialer(
        f"http://127.0.0.1:{home}",
        Served(target, "token"),
        key=lambda: "gpu.key",
        keep=lambda key: None,
        tell=lambda sentence: None,
    ).run()


async def asyncssh_home(port: int) -> None:
    """An asyncssh server that lets everybody forward."""
    import asyncssh

    class Server(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            return False

        def server_requested(self, listen_host: str, listen_port: int) -> bool:
            return True

    key = asyncssh.generate_private_key("ssh-ed25519")
    await asyncssh.listen("127.0.0.1", port, server_host_keys=[key], server_factory=Server)
    await asyncio.Event().wait()


async def asyncssh_runtime(home: int, exposed: int, target: int) -> None:
    """An asyncssh client that forwards home's port `exposed` to `target`."""
    import asyncssh

    connection = await asyncssh.connect("127.0.0.1", home, known_hosts=None, username="any")
    await connection.forward_remote_port("127.0.0.1", exposed, "127.0.0.1", target)
    await connection.wait_closed()


@contextlib.contextmanager
def part(*arguments: object) -> Iterator[None]:
    """One of the functions above in a process of its own."""
    process = subprocess.Popen([sys.executable, __file__, *map(str, arguments)])
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def ways(folder: Path) -> Iterator[dict[str, int]]:
    """The port of each way to the same server."""
    target = free_port()
    with contextlib.ExitStack() as stack:
        stack.enter_context(part("serve", target))
        control, linked = free_port(), free_port()
        stack.enter_context(part("link_home", control, linked))
        stack.enter_context(part("link_runtime", control, target))
        exposed = free_port()
        machine = FarMachine(folder)
        machine.start()
        stack.callback(machine.end)
        forward = ["ssh", "-F", str(machine.config), "-N", "-R", f"{exposed}:127.0.0.1:{target}"]
        ssh = subprocess.Popen([*forward, "gpu-box"])
        stack.callback(ssh.wait)
        stack.callback(ssh.kill)
        server, other = free_port(), free_port()
        stack.enter_context(part("asyncssh_home", server))
        time.sleep(2)
        stack.enter_context(part("asyncssh_runtime", server, other, target))
        time.sleep(3)
        yield {"direct": target, "link": linked, "ssh -R": exposed, "asyncssh -R": other}


async def down(port: int) -> float:
    """MB/s from the server to the client."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=_CHUNK)
    began, count = time.perf_counter(), 0
    writer.write(b"d")
    while data := await reader.read(_CHUNK):
        count += len(data)
    writer.close()
    assert count == MEGABYTES * _CHUNK
    return count / 1e6 / (time.perf_counter() - began)


async def up(port: int) -> float:
    """MB/s from the client to the server."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=_CHUNK)
    began = time.perf_counter()
    writer.write(b"u")
    for _ in range(MEGABYTES):
        writer.write(bytes(_CHUNK))
        await writer.drain()
    writer.write_eof()
    assert int(await reader.read(-1)) == MEGABYTES * _CHUNK
    writer.close()
    return MEGABYTES * _CHUNK / 1e6 / (time.perf_counter() - began)


async def trip(port: int) -> float:
    """Milliseconds there and back, for 64 bytes on an open connection: the median."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"e")
    times = []
    for _ in range(TRIPS):
        began = time.perf_counter()
        writer.write(bytes(64))
        await reader.readexactly(64)
        times.append(time.perf_counter() - began)
    writer.close()
    return statistics.median(times) * 1000


async def opened(port: int) -> float:
    """Milliseconds until a new connection has answered: the median."""
    times = []
    for _ in range(30):
        began = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"ex")
        await reader.readexactly(1)
        times.append(time.perf_counter() - began)
        writer.close()
    return statistics.median(times) * 1000


async def measure() -> list[dict[str, Any]]:
    """A row for each way."""
    with tempfile.TemporaryDirectory() as name, ways(Path(name)) as ports:
        found: dict[str, dict[str, list[float]]] = {way: {} for way in ports}
        for _ in range(REPEATS):
            for way, port in ports.items():
                for what in (down, up, trip, opened):
                    found[way].setdefault(what.__name__, []).append(await what(port))
    rows = []
    for way, figures in found.items():
        middle = {name: statistics.median(values) for name, values in figures.items()}
        rows.append(
            {
                "peer": way,
                "down_mb_s": round(middle["down"]),
                "up_mb_s": round(middle["up"]),
                "trip_ms": round(middle["trip"], 3),
                "open_ms": round(middle["opened"], 2),
                "cores": cores(),
            }
        )
    return rows


def main() -> None:
    """Measure, or be one of the parts."""
    if len(sys.argv) > 1:
        part_of = globals()[sys.argv[1]]
        asyncio.run(part_of(*map(int, sys.argv[2:])))
        return
    rows = asyncio.run(measure())
    write_results("link", rows)
    for row in rows:
        print(row)


if __name__ == "__main__":
    main()
