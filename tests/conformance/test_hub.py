"""What holds for a JupyterHub besides what holds for every provider."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from ropeway.errors import (
    BadInput,
    NotJupyter,
    RopewayError,
    StartFailed,
    Stopped,
    TokenRefused,
    Unreachable,
)
from ropeway.workspace.connect import check, check_and_remember
from ropeway.workspace.providers import Site, provider_type
from ropeway.workspace.providers import hub as hub_module
from ropeway.workspace.providers.hub_client import HubUser, UserServer
from ropeway.workspace.registry import Registry
from ropeway.workspace.remembered import runtime_list
from ropeway.workspace.specs import SpecCache
from support.hub import Hub, jupyterhub
from support.servers import clean_environment, free_port


async def connect(hub: Hub, token: str, **options: Any) -> None:
    """Connect a user's server as `gpu`."""
    url = f"hub+{hub.url}"
    await check_and_remember(runtime_list(), url, token, "gpu", options=options, timeout=5)


async def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        await asyncio.sleep(0.05)


async def test_the_hub_s_progress_is_told(hub: Hub) -> None:
    """While a server starts, its Hub's words are passed on, with how far it is. The URL may name
    server and profile, for a page can only paste a URL. A server that then hangs is told."""
    user, told = hub.users.pop(), []
    token = hub.token(user)
    url = f"hub+{hub.url}?server=gpu&profile=slow&token={token}"
    record = await check_and_remember(runtime_list(), url, timeout=5, tell=told.append)
    it = f"The server gpu at the Hub {hub.url.split('://')[1].rstrip('/')}"
    assert told[0] == f"{it} is starting."
    assert f"{it}: 60 % Pulling the image." in told
    assert token not in record.url + str(told)
    assert hub.api("user", token=token)[1]["servers"]["gpu"]["user_options"] == {"profile": "slow"}
    server = hub.server(user, "gpu")
    assert server is not None
    server.suspend()
    try:
        with pytest.raises(Unreachable, match="runs, as the Hub says, but does not answer"):
            await check(record, timeout=1)
    finally:
        server.resume()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"profile": "broken"}, "0/3 nodes are available: 3 Insufficient nvidia.com/gpu"),
        (
            {"profile": "none"},
            "No such profile: none. Options include: small, slow,",
        ),
        ({"server": "Not A Name"}, "Invalid server_name"),
    ],
)
async def test_a_server_that_does_not_start_says_why(
    hub: Hub, options: dict[str, Any], words: str
) -> None:
    """The Hub's own words are in the error, and nothing is remembered."""
    with pytest.raises(StartFailed) as caught:
        await connect(hub, hub.token(hub.users.pop()), **options)
    assert words in caught.value.message
    assert caught.value.hint
    assert runtime_list().read() == {}


@pytest.mark.parametrize(
    ("scopes", "missing"),
    [
        ([], "access:servers!user, read:servers!user, start:servers!user"),
        (["access:servers!user"], "read:servers!user, start:servers!user"),
        (["servers!user"], "access:servers!user"),
        (["read:servers!user", "access:servers!user"], "start:servers!user"),
    ],
)
async def test_a_token_without_the_scopes_is_told_which(
    hub: Hub, scopes: list[str], missing: str
) -> None:
    """A token that may not do all that is needed is refused at once, by the scopes' names."""
    with pytest.raises(TokenRefused) as caught:
        await connect(hub, hub.token(hub.users[0], scopes))
    assert caught.value.message.endswith(f"lacks the scopes {missing}.")
    assert "/hub/token" in caught.value.hint


async def test_what_is_no_hub_never_sees_the_token() -> None:
    """Only what has shown itself a Hub is told the token; redirects are not followed."""
    asked: list[tuple[str, str]] = []
    for status, words in ((302, "sends us on to http://elsewhere.example"), (200, "no JupyterHub")):
        with a_server(status, asked) as url, pytest.raises(NotJupyter, match=words):
            await check_and_remember(runtime_list(), f"hub+{url}", "secret", timeout=5)
    assert asked == [("/hub/api/", ""), ("/hub/api/", "")]


@contextmanager
def a_server(status: int, asked: list[tuple[str, str]]) -> Iterator[str]:
    """A server that answers everything with one status, and writes down what it was asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers.get("Authorization", "")))
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "http://elsewhere.example/x?y=1")
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


async def test_a_hub_that_is_away_is_unreachable() -> None:
    """Where nothing listens, the error says so."""
    with pytest.raises(Unreachable, match=r"The Hub at .* connection refused"):
        await check_and_remember(runtime_list(), f"hub+http://127.0.0.1:{free_port()}", "x")


async def test_what_the_hub_stopped_stays_stopped_until_asked(hub: Hub, tmp_path: Path) -> None:
    """A server that its Hub stops is told so within 15 s, and is not started again by itself."""
    user = hub.users.pop()
    token = hub.token(user)
    await connect(hub, token, server="gpu")
    registry = Registry(runtime_list(), SpecCache(tmp_path), refresh=0.2, site=Site(5))
    await registry.start()
    try:
        runtime = registry.get("gpu")
        await until(lambda: runtime.state == "connected")
        assert hub.api(f"users/{user}/servers/gpu", "DELETE", token=token)[0] in (202, 204)
        await until(lambda: runtime.state == "stopped")
        assert "`ropeway start gpu`" in runtime.detail
        await until(lambda: hub.server(user, "gpu") is None)
        await asyncio.sleep(1)
        assert (runtime.state, hub.server(user, "gpu")) == ("stopped", None)
    finally:
        await registry.aclose()


async def test_a_runtime_outlives_its_hub_but_not_its_proxy(
    tmp_path: Path, proxy_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Hub that is down takes nothing away from a server that runs; a proxy that is down does."""
    monkeypatch.setattr(hub_module, "ASK_SECONDS", 0.0)  # ask the Hub at every look
    with jupyterhub(tmp_path, proxy_folder) as hub:
        await connect(hub, hub.token(hub.users.pop()))
        registry = Registry(
            runtime_list(), SpecCache(tmp_path / "kernels"), refresh=0.2, site=Site(5)
        )
        await registry.start()
        try:
            runtime = registry.get("gpu")
            await until(lambda: runtime.state == "connected")
            hub.hub.kill()
            hub.hub.wait()
            looked_at = time.monotonic() + 1
            await until(lambda: runtime.looked_at > looked_at)
            assert runtime.state == "connected"
            with pytest.raises(Unreachable, match=r"The Hub at .* is away"):
                await check(runtime.provider.record, timeout=5)
            hub.proxy.kill()
            await until(lambda: runtime.state == "unreachable")
        finally:
            await registry.aclose()


def test_from_the_shell(hub: Hub, tmp_path: Path) -> None:
    """`connect`, `disconnect --stop` and `start` do from the shell what they say; the token is
    asked for and not shown."""
    user = hub.users.pop()
    token = hub.token(user)

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ropeway", *arguments],
            cwd=tmp_path,
            env=clean_environment(tmp_path / "home"),
            input=f"{token}\n",
            capture_output=True,
            text=True,
            timeout=60,
        )

    url = f"hub+{hub.url}hub/home"
    ran = call("connect", url, "--token", "-", "--name", "gpu", "--option", 'nodes={"n": 2}')
    assert ran.returncode == 0, ran.stderr
    assert "10 % Looking for a node." in ran.stderr
    servers = hub.api("user", token=token)[1]["servers"]
    assert servers[""]["user_options"] == {"nodes": {"n": 2}}
    assert hub.api(f"users/{user}/server", "DELETE", token=token)[0] in (202, 204)
    said = call("runtimes").stdout
    assert "stopped" in said
    assert "ropeway start gpu" in " ".join(said.split())
    assert call("start", "gpu").stdout == "gpu runs.\n"
    assert hub.server(user) is not None
    ran = call("disconnect", "gpu", "--stop")
    assert (ran.returncode, ran.stdout) == (0, "Disconnected gpu. Its server was stopped.\n")
    assert hub.server(user) is None
    assert call("start", "gpu").returncode == 2


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("hub+https://hub.example", "hub+https://hub.example"),
        ("hub+https://hub.example/lab/hub/", "hub+https://hub.example/lab/hub"),
        ("hub+https://hub.example:8443/hub/home", "hub+https://hub.example:8443"),
        ("hub+http://hub.example/jupyter/hub/spawn/ann", "hub+http://hub.example/jupyter"),
        ("hub+https://hub.example/hub/hub/token", "hub+https://hub.example/hub"),
        ("hub+https://hub.example/?profile=a100&x=1", "hub+https://hub.example?profile=a100"),
        ("'hub+https://hub.example/user/ann/lab?x=1'", "hub+https://hub.example"),
    ],
)
def test_any_page_of_the_hub_will_do(text: str, url: str) -> None:
    """What is pasted may be the Hub's base URL or any of its pages."""
    assert provider_type(text).read(text, "abc", {}) == (url, "abc")


@pytest.mark.parametrize(
    ("token", "options"),
    [("", {}), ("abc", {"sever": "x"}), ("abc", {"server": "a/b"}), ("abc", {"profile": 3})],
)
def test_what_cannot_be_meant_is_told_before_the_hub_is_asked(
    token: str, options: dict[str, Any]
) -> None:
    """No token, and options that a Hub does not have, are bad input."""
    text = "hub+https://hub.example"
    with pytest.raises(BadInput) as caught:
        provider_type(text).read(text, token, options)
    assert caught.value.hint


def test_options_of_a_hub_are_not_for_other_runtimes() -> None:
    """A profile for a plain server is bad input, not passed over."""
    with pytest.raises(BadInput, match="no profile"):
        provider_type("http://gpu:8888").read("http://gpu:8888", "", {"profile": "a100"})


@pytest.mark.parametrize(
    ("path", "full_url", "url"),
    [
        ("/lab/user/ann/gpu/", "", "https://hub.example/lab/user/ann/gpu"),
        ("/user/a%40b/", "https://hub.example/user/a%40b/", "https://hub.example/user/a%40b"),
        ("", "https://ann.hub.example/user/ann/", "https://ann.hub.example/user/ann"),
        ("/user/ann/", "https://evil.example/user/ann/", "https://hub.example/user/ann"),
        ("/user/ann/", "https://evilhub.example/user/ann/", "https://hub.example/user/ann"),
        ("/user/ann/", "http://ann.hub.example/user/ann/", "https://hub.example/user/ann"),
        ("//evil.example/user/ann/", "", "https://hub.example/user/ann"),
    ],
)
def test_a_server_is_on_its_hub_s_host_or_below(path: str, full_url: str, url: str) -> None:
    """Whatever a Hub answers, the token goes to its host, or to a user's host below it."""
    server = UserServer(ready=True, pending="", path=path, full_url=full_url)
    assert server.url_at("https://hub.example") == url


def test_scopes_count_for_the_server_that_is_meant() -> None:
    """A scope counts where it holds for all servers, for this user's, for this one or a group."""
    for held in ("servers", "servers!user=ann", "servers!server=ann/gpu", "servers!group=lab"):
        assert HubUser("ann", frozenset({held}), {}).lacks({"start:servers"}, "gpu") == []
    for held in ("servers!user=bob", "servers!server=ann/", "read:servers"):
        user = HubUser("ann", frozenset({held}), {})
        assert user.lacks({"start:servers"}, "gpu") == ["start:servers"]
    assert HubUser("ann", None, {}).lacks({"start:servers"}, "") == []


def test_a_stopped_runtime_is_out_of_reach() -> None:
    """Who catches `Unreachable` catches `Stopped`; it has a code of its own."""
    error = RopewayError.from_json(Stopped("x").to_json())
    assert isinstance(error, Unreachable)
    assert error.code == "stopped"
