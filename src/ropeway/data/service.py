"""The data service's own process: `python -m ropeway.data.service --root DIR --state FILE`.

It listens on a free port of 127.0.0.1, writes `{"url", "token", "pid"}` to FILE (readable by its
owner alone) and ends on SIGTERM or when the process that started it is gone. With `--grants DIR` it
also answers kernels that show a grant of that folder. Neither token nor key is ever on a command
line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import re
import resource
import secrets
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import uvicorn

from ropeway import config
from ropeway.data.grants import Grants
from ropeway.data.http import App
from ropeway.data.query import Home
from ropeway.errors import BadInput

SPARE = 3_000_000_000
"""Bytes beyond the engine's own limit that this process may take."""

ROOM = 2_000_000_000
"""Bytes that must be free after a query; with less the next one might fail for nothing."""

KEEP_SECONDS = 30
"""Seconds that a connection may wait for its next request."""

log = logging.getLogger(__name__)

_LOOK = 0.5
"""Seconds between two looks at the parent."""


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m ropeway.data.service")
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--grants", type=Path)
    parser.add_argument("--parent", type=int, default=os.getppid())
    given = parser.parse_args()
    asyncio.run(serve(given.root, given.state, given.parent, given.grants))
    # Not by sys.exit, which would wait for a query that hears no interrupt.
    os._exit(0)


async def serve(root: Path, state: Path, parent: int, grants: Path | None = None) -> None:
    """Serve the project in `root` while the process `parent` lives."""
    logging.getLogger("uvicorn.error").addFilter(_expected)
    token = secrets.token_urlsafe(32)
    settings = config.load(root)
    allowed = bound_memory(settings["data.memory"])
    app = App(
        Home(root),
        token,
        Grants(grants) if grants is not None else None,
        seconds=settings["data.seconds"],
        give_up=_give_up,
        ended=lambda: server.leave_when_full(allowed),
    )
    listener = _listen()
    port = listener.getsockname()[1]
    server = _Server(
        uvicorn.Config(
            app,
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            ws="none",
            http="h11",  # bounds a request's head; httptools, where installed, would not
            timeout_keep_alive=KEEP_SECONDS,
            timeout_graceful_shutdown=2,
        )
    )
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, server.leave)
    watching = asyncio.create_task(_watch(parent, server))
    config.write_private(
        state,
        json.dumps({"url": f"http://127.0.0.1:{port}", "token": token, "pid": os.getpid()}),
    )
    try:
        await server.serve([listener])
    finally:
        watching.cancel()
        app.close()
        _forget(state, token)


def _listen() -> socket.socket:
    """A free port of this machine alone.

    The protocol is named because asyncio sets TCP_NODELAY only where it is, and a stream that
    waits for acknowledgements costs every query 90 ms.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    return listener


class _Server(uvicorn.Server):
    """Leaves on a signal in good order; stock uvicorn raises the signal again at its end, before
    we could tidy up."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The signals are ours."""
        yield

    def leave(self) -> None:
        """Stop serving: take no new query from now on, and give those that run a moment."""
        self.should_exit = True
        for listening in getattr(self, "servers", ()):  # none before it listens
            listening.close()  # now, not at uvicorn's next look: a new query would be cut off

    def leave_when_full(self, allowed: int) -> None:
        """Leave when a query left the memory full; a fresh process answers the next one."""
        if psutil.Process().memory_info().vms > allowed - ROOM and not self.should_exit:
            log.warning("a query left the memory full: starting anew")
            self.leave()


def bound_memory(engine: str) -> int:
    """Let this process take what the engine may use and some more: the engine's own limit is no
    boundary, its parser and some functions pass it. Beyond, a query fails and the rest goes on.
    Returns the bound in bytes of address space.
    """
    used = psutil.Process().memory_info().vms
    allowed = used + parse_size(engine) + SPARE
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or allowed < hard:
        resource.setrlimit(resource.RLIMIT_AS, (allowed, hard))
    return allowed


def parse_size(text: str) -> int:
    """`2GB`, `512 MiB` in bytes, as the engine reads it. Raises `BadInput`."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B\s*", text, re.IGNORECASE)
    if match is None:
        raise BadInput(f"data.memory is {text!r}, but a size such as 2GB is wanted.")
    base = 1024 if match[3] else 1000
    return int(float(match[1]) * base ** " KMGT".index(match[2].upper() or " "))


def _give_up(why: str) -> None:
    """End at once; the workspace starts a fresh process with the next query."""
    log.critical("ended, because %s", why)
    os._exit(70)


def _expected(record: logging.LogRecord) -> bool:
    """A query that fails midway ends its answer short on purpose: no news for the log."""
    return "without completing response" not in record.getMessage()


async def _watch(parent: int, server: _Server) -> None:
    """An orphan gets another parent."""
    while os.getppid() == parent:  # noqa: ASYNC110  # nothing tells us, so we look
        await asyncio.sleep(_LOOK)
    server.leave()


def _forget(state: Path, token: str) -> None:
    """Remove the state file, unless a successor wrote it anew."""
    try:
        if json.loads(state.read_text("utf-8")).get("token") == token:
            state.unlink()
    except (OSError, ValueError):
        pass


if __name__ == "__main__":
    main()
