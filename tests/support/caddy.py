"""A real Caddy in front of servers."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.servers import wait_for_port

_MAIN = """{
    admin off
    auto_https disable_redirects
    default_sni notebooks.example
}
"""


@contextmanager
def caddy(folder: Path, site: str, port: int) -> Iterator[None]:
    """Serve a site until the end of the block."""
    command = shutil.which("caddy")
    assert command, "caddy is not installed"
    folder.mkdir(parents=True)
    (folder / "Caddyfile").write_text(_MAIN + site)
    said = folder / "said.log"
    home = {name: str(folder) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    with said.open("ab") as out:
        process = subprocess.Popen(
            [command, "run", "--adapter", "caddyfile", "--config", folder / "Caddyfile"],
            env=os.environ | home,
            stdout=out,
            stderr=out,
        )
    try:
        wait_for_port(process, port, said)
        yield
    finally:
        process.terminate()
        process.wait(20)
