"""The proxies of the guide, each real, before a real workspace and runtime."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect, sync_playwright

from support.kernel_client import KernelClient
from support.proxy import HOST, Site, site_behind
from support.servers import clean_environment

pytestmark = pytest.mark.usefixtures("example_name")

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Behind each of them."""
    with site_behind(request.param, tmp_path_factory.mktemp("proxy")) as made:
        yield made


def test_the_page_loads_below_its_path(site: Site) -> None:
    """The printed URL gives the page and its scripts below the path; its cookies are secure."""
    status, body, headers = site.get(site.printed.removeprefix(site.url), None)
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
        page.goto(site.printed)
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


async def test_a_kernel_works_through_it(site: Site) -> None:
    """1+1 is computed over a WebSocket through the proxy."""
    kernel = site.start_kernel("python3")
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
    kernel = site.start_kernel("gpu.python3")
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
