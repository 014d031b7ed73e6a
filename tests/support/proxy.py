"""A workspace and a runtime behind a real proxy, with the configuration of the guide."""

from __future__ import annotations

import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ropeway.certificates import Certificate
from support.caddy import caddy
from support.nginx import nginx
from support.servers import Server, free_port, lent, workspace
from support.tls import Authority

HOST = "notebooks.example"
GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "behind-a-proxy.md"


@dataclass
class Site:
    """A workspace and a runtime behind a proxy, as others see them."""

    work: Server
    gpu: Server
    authority: Authority
    folder: Path
    port: int
    text: str

    @property
    def url(self) -> str:
        """The workspace's URL."""
        return f"https://{HOST}:{self.port}/ropeway"

    @property
    def context(self) -> ssl.SSLContext:
        """Trusts the proxy's authority."""
        return ssl.create_default_context(cafile=str(self.authority.path))

    def get(self, path: str, token: str | None, **headers: str) -> tuple[int, bytes, Any]:
        """One request through the proxy: status, body, headers."""
        if token is not None:
            headers["Authorization"] = f"token {token}"
        request = urllib.request.Request(self.url + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30, context=self.context) as answer:
                return answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(), error.headers

    @property
    def printed(self) -> str:
        """The URL that the workspace printed."""
        (url,) = re.findall(rf"{re.escape(self.url)}/doc\S+", self.work.log.read_text())
        return str(url)

    def start_kernel(self, kind: str) -> str:
        """Start a kernel in the workspace, behind the proxy's back; returns its id."""
        status, made = self.work.api("/api/kernels", "POST", {"name": kind})
        assert status == 201, made
        return str(made["id"])


def guide_site(proxy: str) -> str:
    """The one configuration of the guide for that proxy."""
    text = GUIDE.read_text("utf-8")
    (found,) = re.findall(rf"^```{proxy}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return str(found)


def fitted(text: str, changes: dict[str, str]) -> str:
    """The guide's configuration with a test's ports and files; every place must be there."""
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


@contextmanager
def site_behind(proxy: str, folder: Path) -> Iterator[Site]:
    """The whole of it, with a certificate of the test's own authority."""
    authority = Authority(folder)
    files = authority.issue("site", HOST, "127.0.0.1")
    work_port, port = free_port(), free_port()
    (folder / "gpu").mkdir()
    public = f"https://{HOST}:{port}/ropeway/"
    options = ("--port", str(work_port), "--public-url", public)
    trust = {"SSL_CERT_FILE": str(authority.path)}
    with (
        lent(folder / "gpu") as gpu,
        workspace(folder / "home", folder / "files", *options, variables=trust) as work,
    ):
        changes = {
            "127.0.0.1:8888": f"127.0.0.1:{work_port}",
            "127.0.0.1:9999": gpu.url.removeprefix("http://"),
        }
        run, fit = _PROXIES[proxy]
        text = fitted(guide_site(proxy), changes | fit(files, port, folder / proxy))
        with run(folder / proxy, text, port):
            yield Site(work, gpu, authority, folder, port, text)


def _fit_nginx(files: Certificate, port: int, folder: Path) -> dict[str, str]:
    return {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "/etc/ssl/notebooks.example.pem": str(files.certfile),
        "/etc/ssl/private/notebooks.example.key": str(files.keyfile),
        "/var/log/nginx/": f"{folder}/",
    }


def _fit_caddy(files: Certificate, port: int, folder: Path) -> dict[str, str]:
    names = f"https://{HOST}:{port}, https://127.0.0.1:{port}"
    return {"notebooks.example {": f"{names} {{\n    tls {files.certfile} {files.keyfile}"}


_PROXIES = {"nginx": (nginx, _fit_nginx), "caddy": (caddy, _fit_caddy)}
