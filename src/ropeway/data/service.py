"""The data service's own process: `python -m ropeway.data.service --root DIR --state FILE`.

It listens on a free port of 127.0.0.1, writes `{"url", "token", "pid"}` to FILE (readable by its
owner alone) and ends on SIGTERM or when the process that started it is gone. With `--grants DIR` it
also answers kernels that show a grant of that folder. Neither token nor key is ever on a command
line.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import json
import logging
import os
import secrets
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import uvicorn

from ropeway import config
from ropeway.data.grants import Grants
from ropeway.data.http import App
from ropeway.data.query import Home

KEEP_SECONDS = 30
"""Seconds that a connection may wait for its next request."""

log = logging.getLogger(__name__)

_LOOK = 0.5
"""Seconds between two looks at the parent."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Of glibc's `malloc.h`."""


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m ropeway.data.service")
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--grants", type=Path)
    parser.add_argument("--parent", type=int, default=os.getppid())
    given = parser.parse_args()
    _keep_what_is_freed()
    asyncio.run(serve(given.root, given.state, given.parent, given.grants))
    # Not by sys.exit, which would wait for threads that read from a database.
    os._exit(0)


def _keep_what_is_freed() -> None:
    """Have glibc hold freed memory for the next piece that passes, up to 64 MB.

    It would hand each piece's memory back to the system and fetch it anew, page by page, which took
    more than half of the time of bytes that only pass.
    """
    with suppress(OSError, AttributeError):  # another system's C library
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, 4 * 1024 * 1024)
        library.mallopt(_M_TRIM_THRESHOLD, 64 * 1024 * 1024)


async def serve(root: Path, state: Path, parent: int, grants: Path | None = None) -> None:
    """Serve the project in `root` while the process `parent` lives."""
    logging.getLogger("uvicorn.error").addFilter(_expected)
    token = secrets.token_urlsafe(32)
    settings = config.load(root)
    home = Home(root)
    starting = asyncio.create_task(asyncio.to_thread(home.start))
    app = App(
        home,
        token,
        Grants(grants) if grants is not None else None,
        seconds=settings["data.seconds"],
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
        await asyncio.gather(starting, return_exceptions=True)
        home.close()
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
