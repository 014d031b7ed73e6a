"""What the guide's nginx configuration does beyond the others': time limits, names, logs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tornado.websocket import WebSocketClosedError

from support.kernel_client import KernelClient
from support.nginx import nginx
from support.proxy import HOST, Site, guide_site, site_behind
from support.servers import free_port

pytestmark = pytest.mark.usefixtures("example_name")

LONG = re.compile(r"proxy_(read|send)_timeout (\S+);\n")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Behind nginx."""
    with site_behind("nginx", tmp_path_factory.mktemp("proxy")) as made:
        yield made


def test_another_name_is_refused(site: Site) -> None:
    """A request for a host that is not the workspace's is refused, even with the token."""
    assert site.get("/api/contents", site.work.token, Host="evil.example")[0] == 403
    assert site.get("/api/contents", site.work.token)[0] == 200


def test_the_limits_are_beyond_nginx_s_own(site: Site) -> None:
    """Both time limits of the guide are hours where nginx has 60 s of its own."""
    limits = dict(LONG.findall(guide_site("nginx")))
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
    kernel = site.start_kernel("python3")
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
    """No log of nginx holds a token, neither the URL's nor the header's; the requests are there."""
    assert site.get(site.printed.removeprefix(site.url), None)[0] == 200
    assert site.get("/api/contents", site.work.token)[0] == 200
    logs = [path.read_text() for path in (site.folder / "nginx").glob("*.log")]
    assert any("/ropeway/" in text for text in logs)
    assert not any(site.work.token in text for text in logs)
