"""Real stores of files for a test: S3 by rclone, and plain HTTP."""

from __future__ import annotations

import functools
import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.servers import free_port, wait_for_port

KEY, SECRET = "AKIAROPEWAY", "s3cr3t/+key"


@dataclass(frozen=True)
class Store:
    """`root` is what it serves: a folder on this machine."""

    url: str
    root: Path


@contextmanager
def s3(folder: Path) -> Iterator[Store]:
    """An S3 server with the bucket `lake`, whose files lie in `root`."""
    root = folder / "lake"
    root.mkdir()
    port, said = free_port(), folder / "rclone.log"
    program = Path(sys.executable).with_name("rclone")
    command = [str(program), "serve", "s3", "--auth-key", f"{KEY},{SECRET}",
               "--addr", f"127.0.0.1:{port}", "--vfs-cache-mode", "off", "--dir-cache-time", "0s",
               "--config", str(folder / "rclone.conf"), str(folder)]  # fmt: skip
    with said.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_for_port(process, port, said)
        yield Store(f"http://127.0.0.1:{port}", root)
    finally:
        process.terminate()
        process.wait(20)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing on the test's screen."""

    def do_GET(self) -> None:
        """Only for whoever knows the token or needs none."""
        if self.path.partition("?")[0].startswith("/private/") and "token=s3cr3t" not in self.path:
            self.send_error(403)
        else:
            super().do_GET()


@contextmanager
def web(folder: Path) -> Iterator[Store]:
    """An HTTP server over a folder; what is below /private/ wants `?token=s3cr3t`."""
    root = folder / "web"
    root.mkdir()
    handler = functools.partial(_Quiet, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Store(f"http://127.0.0.1:{server.server_port}", root)
        server.shutdown()
