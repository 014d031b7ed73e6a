"""The nginx configuration of the guide, in a real nginx before a real workspace and runtime."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect, sync_playwright
from tornado.websocket import WebSocketClosedError

from support.kernel_client import KernelClient
from support.nginx import nginx
from support.servers import Server, clean_environment, free_port, lent, workspace
from support.tls import Authority

HOST = "notebooks.example"
GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "behind-a-proxy.md"
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
LONG = re.compile(r"proxy_(read|send)_timeout (\S+);\n")


@dataclass
class Site:
    """A workspace and a runtime behind nginx, as others see them."""

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


def guide_site() -> str:
    """The one nginx configuration of the guide."""
    (text,) = re.findall(r"^```nginx\n(.*?)^```", GUIDE.read_text("utf-8"), re.DOTALL | re.M)
    return str(text)


def fitted(text: str, folder: Path, changes: dict[str, str]) -> str:
    """The guide's configuration with this test's ports and files; every place must be there."""
    for old, new in {**changes, "/var/log/nginx/": f"{folder}/"}.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The whole of it, with a certificate of the test's own authority."""
    folder = tmp_path_factory.mktemp("proxy")
    authority = Authority(folder)
    files = authority.issue("site", HOST, "127.0.0.1")
    ports = {"work": free_port(), "site": free_port()}
    (folder / "gpu").mkdir()
    public = f"https://{HOST}:{ports['site']}/ropeway/"
    options = ("--port", str(ports["work"]), "--public-url", public)
    trust = {"SSL_CERT_FILE": str(authority.path)}
    with (
        lent(folder / "gpu") as gpu,
        workspace(folder / "home", folder / "files", *options, variables=trust) as work,
    ):
        changes = {
            "listen 443 ssl": f"listen 127.0.0.1:{ports['site']} ssl",
            "/etc/ssl/notebooks.example.pem": str(files.certfile),
            "/etc/ssl/private/notebooks.example.key": str(files.keyfile),
            "127.0.0.1:8888": f"127.0.0.1:{ports['work']}",
            "127.0.0.1:9999": gpu.url.removeprefix("http://"),
        }
        text = fitted(guide_site(), folder / "nginx", changes)
        with nginx(folder / "nginx", text, ports["site"]):
            yield Site(work, gpu, authority, folder, ports["site"], text)


@pytest.fixture(autouse=True)
def name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of the guide leads to this machine."""
    real = socket.getaddrinfo

    def resolve(host: Any, *rest: Any, **more: Any) -> Any:
        named = host in (HOST, HOST.encode())
        return real("127.0.0.1" if named else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


def printed(site: Site) -> str:
    """The URL that the workspace printed."""
    (url,) = re.findall(rf"{re.escape(site.url)}/doc\S+", site.work.log.read_text())
    return str(url)


def test_the_page_loads_below_its_path(site: Site) -> None:
    """The printed URL gives the page and its scripts below the path; its cookies are secure."""
    status, body, headers = site.get(printed(site).removeprefix(site.url), None)
    assert status == 200
    assert b'"baseUrl": "/ropeway/"' in body
    (script,) = set(re.findall(rb'src="/ropeway(/static/lab/bundle[^"]+)"', body)) or {b""}
    assert site.get(script.decode(), None)[0] == 200
    cookies = headers.get_all("Set-Cookie")
    assert cookies
    for cookie in cookies:
        assert re.search(r"; *secure", cookie, re.IGNORECASE)
        assert re.search(r"; *path=/ropeway/", cookie, re.IGNORECASE)


def test_a_browser_runs_a_cell_through_it(site: Site) -> None:
    """In Chromium the printed URL opens the notebook, finds its runtime and runs a cell."""
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    arguments.append(f"--host-resolver-rules=MAP {HOST} 127.0.0.1")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        page = browser.new_context(ignore_https_errors=True).new_page()
        page.set_default_timeout(30_000)
        page.goto(printed(site))
        expect(page.get_by_role("button", name="Runtime: here")).to_be_visible(timeout=30_000)
        expect(page.get_by_role("button", name="| Idle")).to_be_visible(timeout=30_000)
        cell = page.locator(".jp-Notebook .jp-CodeCell").first
        cell.locator(".cm-content").click()
        expect(cell.locator(".cm-editor.cm-focused")).to_be_visible()
        page.keyboard.press("Control+A")
        page.keyboard.type("print(6 * 7)")
        page.keyboard.press("Control+Enter")
        expect(cell.locator(".jp-OutputArea-output")).to_have_text("42", timeout=30_000)
        assert {cookie["secure"] for cookie in page.context.cookies()} == {True}
        browser.close()


def test_nothing_without_the_token(site: Site) -> None:
    """The proxy opens no door: pages lead to the login, the REST interfaces refuse."""
    for token in (None, "wrong"):
        for path in ("/api/contents", "/ropeway/api/runtimes", "/api/kernels"):
            assert site.get(path, token)[0] == 403, path
    assert b"Token authentication" in site.get("/lab", None)[1]


def test_another_name_is_refused(site: Site) -> None:
    """A request for a host that is not the workspace's is refused, even with the token."""
    assert site.get("/api/contents", site.work.token, Host="evil.example")[0] == 403
    assert site.get("/api/contents", site.work.token)[0] == 200


def test_a_big_body_passes(site: Site) -> None:
    """A file of 3 MB is uploaded, which nginx would refuse by itself."""
    body = json.dumps({"type": "file", "format": "text", "content": "x" * 3_000_000}).encode()
    request = urllib.request.Request(
        f"{site.url}/api/contents/big.txt",
        method="PUT",
        data=body,
        headers={"Authorization": f"token {site.work.token}"},
    )
    with urllib.request.urlopen(request, timeout=30, context=site.context) as answer:
        assert answer.status == 201


def start_kernel(site: Site, kind: str) -> str:
    """Start a kernel in the workspace, behind the proxy's back; returns its id."""
    status, made = site.work.api("/api/kernels", "POST", {"name": kind})
    assert status == 201, made
    return str(made["id"])


async def test_a_kernel_works_through_it(site: Site) -> None:
    """1+1 is computed over a WebSocket through the proxy."""
    kernel = start_kernel(site, "python3")
    async with KernelClient(site.url, site.work.token, kernel, site.context) as client:
        run = await client.execute("1+1")
    assert run.of("execute_result")[0]["data"]["text/plain"] == "2"


async def test_a_runtime_works_through_it(site: Site) -> None:
    """`ropeway connect` takes a runtime behind the proxy, and its kernels work there."""
    url = f"https://127.0.0.1:{site.port}/gpu?token={site.gpu.token}"
    environment = clean_environment(site.folder / "home")
    ran = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "ropeway", "connect", url, "--name", "gpu"],
        env=environment | {"SSL_CERT_FILE": str(site.authority.path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    for _ in range(100):
        runtimes = site.work.api("/ropeway/api/runtimes")[1]["runtimes"]
        if any(each["name"] == "gpu" and each["state"] == "connected" for each in runtimes):
            break
        await asyncio.sleep(0.1)
    kernel = start_kernel(site, "gpu.python3")
    async with KernelClient(site.url, site.work.token, kernel, site.context) as client:
        run = await client.execute("import os; print(os.getcwd())")
    assert run.text.strip() == str(site.gpu.root)


async def test_a_runtime_behind_it_wants_its_token(site: Site) -> None:
    """Connecting without the runtime's token is refused, and says so."""
    ran = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "ropeway", "connect", f"https://127.0.0.1:{site.port}/gpu"],
        env=clean_environment(site.folder / "elsewhere")
        | {"SSL_CERT_FILE": str(site.authority.path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 3
    assert "wants a token" in ran.stderr


def test_the_limits_are_beyond_nginx_s_own(site: Site) -> None:
    """Both time limits of the guide are hours where nginx has 60 s of its own."""
    limits = dict(LONG.findall(guide_site()))
    assert limits == {"read": "1h", "send": "1h"}


@pytest.mark.parametrize("kept", [True, False], ids=["the guide's limits", "nginx's own"])
async def test_an_idle_websocket_lives(site: Site, tmp_path: Path, kept: bool) -> None:
    """A silent WebSocket outlives nginx's own limit with the guide's lines, and not without them.

    That limit is made one second here instead of sixty.
    """
    port = free_port()
    text = site.text.replace(f"127.0.0.1:{site.port}", f"127.0.0.1:{port}")
    text = text.replace(f"{site.folder}/nginx/", f"{tmp_path}/nginx/")
    if not kept:
        text = LONG.sub("", text)
    short = "proxy_read_timeout 1s; proxy_send_timeout 1s;"
    kernel = start_kernel(site, "python3")
    base = f"https://{HOST}:{port}/ropeway"
    with nginx(tmp_path / "nginx", text, port, more=short):
        async with KernelClient(base, site.work.token, kernel, site.context) as client:
            await client.execute("1")
            await asyncio.sleep(3)
            if kept:
                assert (await client.execute("print(1+1)")).text == "2\n"
            else:
                with pytest.raises((ConnectionError, WebSocketClosedError)):
                    await client.execute("print(1+1)", timeout=10)


def test_a_failure_writes_no_token_into_a_log(site: Site, tmp_path: Path) -> None:
    """Where the workspace does not answer, nginx says 502 and keeps the query to itself."""
    port = free_port()
    text = site.text.replace(f"127.0.0.1:{site.port}", f"127.0.0.1:{port}")
    text = text.replace(f"{site.folder}/nginx/", f"{tmp_path}/nginx/")
    away = site.work.url.removeprefix("http://").removesuffix("/ropeway")
    text = text.replace(away, f"127.0.0.1:{free_port()}")
    with nginx(tmp_path / "nginx", text, port):
        other = replace(site, port=port)
        assert other.get("/lab?token=secret-of-the-first-page", None)[0] == 502
    logs = [path.read_text() for path in (tmp_path / "nginx").glob("*.log")]
    assert any("/ropeway/lab" in text for text in logs)
    assert not any("secret-of-the-first-page" in text for text in logs)


def test_no_token_is_in_a_log(site: Site) -> None:
    """After all that, no log of nginx holds a token, and the requests are there."""
    logs = [path.read_text() for path in (site.folder / "nginx").glob("*.log")]
    assert any("/ropeway/" in text for text in logs)
    for token in (site.work.token, site.gpu.token):
        assert not any(token in text for text in logs)
