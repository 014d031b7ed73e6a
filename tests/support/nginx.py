"""A real nginx in front of servers."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.servers import wait_for_port

_MAIN = """
daemon off;
pid {folder}/nginx.pid;
{user}
worker_processes 1;
events {{}}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    access_log off;
    {more}
    include {folder}/site.conf;
}}
"""


@contextmanager
def nginx(folder: Path, site: str, port: int, *, more: str = "") -> Iterator[None]:
    """Serve a site until the end of the block; `more` stands before it in the http block."""
    command = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert command, "nginx is not installed"
    folder.mkdir(parents=True)
    (folder / "site.conf").write_text(site)
    user = "user root;" if os.getuid() == 0 else ""
    (folder / "nginx.conf").write_text(_MAIN.format(folder=folder, more=more, user=user))
    said = folder / "said.log"
    with said.open("ab") as out:
        process = subprocess.Popen(
            [command, "-p", folder, "-e", folder / "error.log", "-c", folder / "nginx.conf"],
            stdout=out,
            stderr=out,
        )
    try:
        wait_for_port(process, port, said)
        yield
    finally:
        process.terminate()
        process.wait(20)
