"""A hundred joined runtimes with a thousand idle kernels on one workspace.

`python benchmarks/fleet.py [--runtimes 100] [--kernels 10]` starts a real workspace, lets runtimes
join it over real links and starts kernels on them through the workspace's own REST interface.
Behind the links stand light servers that answer as Jupyter does and whose kernels are idle: a
thousand real ones would need 50 GB. What is measured is the workspace: its memory, and how long its
page and its lists take, beside what they take with one runtime.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
from tornado import web
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.websocket import WebSocketHandler

from peers import Server, cores, workspace, write_results
from ropeway.frames import message as kernel_message
from ropeway.frames import pack_v1, unpack_v1
from ropeway.link.dialer import Dialer, Served

INFO = {
    "status": "ok",
    "protocol_version": "5.3",
    "implementation": "idle",
    "implementation_version": "1",
    "language_info": {"name": "idle", "version": "1", "mimetype": "text/plain"},
    "banner": "",
}
ASKED = ("/ropeway/api/runtimes", "/api/kernels", "/api/contents", "/lab")
ROUNDS = 40


class Light:
    """A server that answers as a Jupyter server with idle kernels does."""

    def __init__(self) -> None:
        self.kernels: dict[str, dict[str, Any]] = {}

    def application(self) -> web.Application:
        """The part of Jupyter's REST interface that a workspace asks."""
        light = self

        class Api(web.RequestHandler):
            def get(self) -> None:
                self.finish({"version": "2.21"})

        class Specs(web.RequestHandler):
            def get(self) -> None:
                spec = {"display_name": "Idle", "language": "idle", "argv": []}
                self.finish({"default": "idle", "kernelspecs": {"idle": {"spec": spec}}})

        class Kernels(web.RequestHandler):
            def get(self) -> None:
                self.finish(json.dumps(list(light.kernels.values())))

            def post(self) -> None:
                model = {"id": str(uuid4()), "name": "idle", "execution_state": "idle"}
                light.kernels[model["id"]] = model
                self.set_status(201)
                self.finish(model)

        class Kernel(web.RequestHandler):
            def get(self, number: str) -> None:
                self.finish(light.kernels[number])

            def delete(self, number: str) -> None:
                light.kernels.pop(number, None)
                self.set_status(204)

        class Channels(WebSocketHandler):
            def select_subprotocol(self, offered: list[str]) -> str | None:
                return offered[0] if offered else None

            def on_message(self, message: str | bytes) -> None:
                """An idle kernel says what it is, and no more."""
                assert isinstance(message, bytes)
                asked = unpack_v1(message)
                header = asked.decoded(0)
                if header["msg_type"] == "kernel_info_request":
                    for channel, kind, content in (
                        ("iopub", "status", {"execution_state": "busy"}),
                        (asked.channel, "kernel_info_reply", INFO),
                        ("iopub", "status", {"execution_state": "idle"}),
                    ):
                        answer = kernel_message(channel, kind, content, session="s", parent=header)
                        self.write_message(pack_v1(answer), binary=True)

        return web.Application(
            [
                ("/api", Api),
                ("/api/kernelspecs", Specs),
                ("/api/kernels", Kernels),
                ("/api/kernels/([^/]+)", Kernel),
                ("/api/kernels/([^/]+)/channels", Channels),
            ]
        )


async def runtimes(home: str, keys: list[str]) -> None:
    """Join with every key, and serve idle kernels, until killed."""
    await asyncio.gather(*(_runtime(home, key) for key in keys))


async def _runtime(home: str, key: str) -> None:
    server = HTTPServer(Light().application())
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    served = Served(sockets[0].getsockname()[1], "token")
    await Dialer(home, served, key=lambda: key, keep=_ignore, tell=_ignore).run()


def _ignore(_: str) -> None:
    """Nobody looks."""


def join(work: Server, count: int) -> list[str]:
    """Keys of as many runtimes."""
    status, made = work.api("/ropeway/api/invites", "POST", {"once": False, "seconds": 3600})
    assert status == 201
    keys = []
    for _ in range(count):
        request = urllib.request.Request(
            f"{work.url}/ropeway/link/join",
            method="POST",
            data=b'{"name": "node"}',
            headers={"Authorization": f"Bearer {made['token']}"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            keys.append(json.loads(answer.read())["key"])
    return keys


def connected(work: Server) -> int:
    """How many joined runtimes are connected."""
    rows = work.api("/ropeway/api/runtimes")[1]["runtimes"]
    return sum(row["state"] == "connected" for row in rows) - 1


def wait_for(work: Server, count: int) -> float:
    """Seconds until all are connected."""
    began = time.monotonic()
    while connected(work) < count:
        if time.monotonic() - began > 120:
            raise AssertionError(f"{connected(work)} of {count} joined")
        time.sleep(0.2)
    return time.monotonic() - began


def p95(work: Server) -> dict[str, float]:
    """Milliseconds within which 19 of 20 requests are answered, for each path."""
    found = {}
    for path in ASKED:
        times = []
        for _ in range(ROUNDS):
            request = urllib.request.Request(
                work.url + path, headers={"Authorization": f"token {work.token}"}
            )
            began = time.perf_counter()
            with urllib.request.urlopen(request, timeout=60) as answer:
                answer.read()
            times.append((time.perf_counter() - began) * 1000)
            time.sleep(0.02)
        found[path] = round(sorted(times)[int(ROUNDS * 0.95) - 1], 1)
    return found


def measure(count: int, kernels: int) -> list[dict[str, Any]]:
    """A row with one runtime and one with all."""
    rows = []
    with (
        tempfile.TemporaryDirectory() as name,
        workspace(Path(name) / "home", Path(name) / "files") as work,
    ):
        process = psutil.Process(work.process.pid)
        keys = join(work, count)
        parts: list[subprocess.Popen[bytes]] = []
        try:
            for some in (keys[:1], keys[1:]):
                command = [sys.executable, __file__, "--serve", work.url, *some]
                parts.append(subprocess.Popen(command))
                seconds = wait_for(work, len(some) + len(rows))
                names = [key.split(".")[0] for key in some]
                for runtime in names:
                    for _ in range(kernels):
                        status, answer = work.api(
                            "/api/kernels", "POST", {"name": f"{runtime}.idle"}
                        )
                        assert status == 201, (answer, work.log.read_text()[-2500:])
                time.sleep(10)
                rows.append(
                    {
                        "runtimes": 1 if not rows else count,
                        "kernels": kernels if not rows else count * kernels,
                        "memory_mb": round(process.memory_info().rss / 1e6, 1),
                        "joined_s": round(seconds, 1),
                        "cpu_percent": process.cpu_percent(5),
                        "p95_ms": p95(work),
                        "cores": cores(),
                    }
                )
                print(rows[-1], flush=True)
        finally:
            for each in parts:
                each.kill()
                each.wait()
    return rows


def main() -> None:
    """Measure, or be the runtimes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runtimes", type=int, default=100)
    parser.add_argument("--kernels", type=int, default=10, help="on each runtime")
    parser.add_argument("--serve", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(runtimes(given.serve[0], given.serve[1:]))
        return
    write_results("fleet", measure(given.runtimes, given.kernels))


if __name__ == "__main__":
    main()
