"""A page of Colab's origin in Chromium, which keeps the rules between sites, and a runtime."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Page

from support.colab_page import COLAB
from support.servers import Server, lent

ASK = """async ([url, token, path, method, body]) => {
  const answer = await fetch(`${url}${path}?token=${token}`, {
    method, body, credentials: 'include', headers: {'X-Colab-Tunnel': 'x'}
  });
  return [answer.status, await answer.text()];
}"""

OPEN = """([url, token, path]) => new Promise(resolve => {
  const socket = new WebSocket(`${url.replace('http', 'ws')}${path}?token=${token}`);
  socket.onopen = () => { socket.close(); resolve('open'); };
  socket.onerror = () => resolve('refused');
})"""


@pytest.fixture(scope="module")
def lent_to_colab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A runtime as `ropeway runtime --colab` starts it."""
    with lent(tmp_path_factory.mktemp("lent"), "--colab") as server:
        server.url = server.url.replace("localhost", "127.0.0.1")
        yield server


@contextmanager
def page_of(browser: Browser, origin: str) -> Iterator[Page]:
    """An empty page of an origin, whose user has let it reach apps on this device."""
    context = browser.new_context()
    context.grant_permissions(["local-network-access"], origin=origin)
    context.route(f"{origin}/**", lambda route: route.fulfill(body="", content_type="text/html"))
    page = context.new_page()
    page.goto(f"{origin}/")
    yield page
    context.close()


def test_a_browser_lets_it_read(browser: Browser, lent_to_colab: Server) -> None:
    """With credentials and headers of its own the page asks anything, and reads every answer."""
    words = [lent_to_colab.url, lent_to_colab.token]
    with page_of(browser, COLAB) as page:

        def ask(path: str, method: str = "GET", body: str | None = None) -> Any:
            return page.evaluate(ASK, [*words, path, method, body])

        assert ask("/api/colab/build-info") == [200, ')]}\'\n{"release_tag": null}']
        assert ask("/no/such/path")[0] == 404
        text = '{"type": "file", "format": "text", "content": "a"}'
        assert ask("/api/contents/content/a.txt", "PUT", text)[0] == 201
        assert ask("/files/content/a.txt") == [200, "a"]
        assert ask("/api/contents/content/a.txt", "DELETE") == [204, ""]
        assert page.evaluate(OPEN, [*words, "/colab/tty"]) == "open"


def test_a_browser_keeps_others_out(browser: Browser, lent_to_colab: Server) -> None:
    """A page of another origin reads nothing and opens no WebSocket, not even with the token."""
    words = [lent_to_colab.url, lent_to_colab.token]
    with page_of(browser, "https://evil.example") as page:
        with pytest.raises(Error, match="Failed to fetch"):
            page.evaluate(ASK, [*words, "/api/kernels", "GET", None])
        assert page.evaluate(OPEN, [*words, "/colab/tty"]) == "refused"


def test_tabs(browser: Browser, lent_to_colab: Server) -> None:
    """What `google.colab.widgets.TabBar` loads makes tabs of which one shows its outputs."""
    files = f"{lent_to_colab.url}/nbextensions/google.colab/%s?token={lent_to_colab.token}"
    with page_of(browser, COLAB) as page:
        page.set_content("<div id='id_1'></div>")
        page.add_style_tag(url=files % "tabbar.css")
        page.add_script_tag(url=files % "tabbar_main.min.js")
        page.evaluate(
            """() => {
              colab_lib.createTabBar({location: 'top', elementId: 'id_1', tabNames: ['a', 'b']});
              for (const n of [0, 1]) document.getElementById(`id_1_content_${n}`).textContent = n;
              id_1.setSelectedTabIndex(0);
            }"""
        )
        assert page.locator("#id_1_content_0").is_visible()
        page.get_by_role("tab", name="b").click()
        assert page.locator("#id_1_content_1").is_visible()
        assert not page.locator("#id_1_content_0").is_visible()
