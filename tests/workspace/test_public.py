"""The URL under which a proxy shows the workspace."""

from __future__ import annotations

from pathlib import Path

import pytest

from ropeway import config
from ropeway.errors import BadInput
from ropeway.workspace.public import parse_public_url
from ropeway.workspace.server import workspace_config


@pytest.mark.parametrize(
    ("text", "origin", "host", "base"),
    [
        ("https://n.example", "https://n.example", "n.example", "/"),
        ("https://n.example/", "https://n.example", "n.example", "/"),
        ("https://n.example:8443/a//b", "https://n.example:8443", "n.example", "/a/b/"),
        ("http://10.0.0.7/x/", "http://10.0.0.7", "10.0.0.7", "/x/"),
        ("https://[fd00::7]/", "https://[fd00::7]", "fd00::7", "/"),
    ],
)
def test_its_parts(text: str, origin: str, host: str, base: str) -> None:
    """The path becomes a base URL with a slash at both ends, whatever slashes were typed."""
    found = parse_public_url(text)
    assert found is not None
    assert (found.origin, found.host, found.base) == (origin, host, base)
    assert found.is_https is text.startswith("https")
    assert found.is_address is (host in ("10.0.0.7", "fd00::7"))


@pytest.mark.parametrize(
    "text",
    ["n.example/x", "ftp://n.example/", "https://", "https://me@n/", "https://n/?token=secret-7"],
)
def test_what_is_no_such_url_is_told(text: str) -> None:
    """Anything else is refused, and a token that was typed is not repeated."""
    with pytest.raises(BadInput, match="no URL to show pages at") as caught:
        parse_public_url(text)
    assert "secret-7" not in str(caught.value)


def test_without_a_proxy_nothing_changes(tmp_path: Path) -> None:
    """By default no other host is let through, and cookies are as stock has them."""
    assert parse_public_url("") is None
    made = workspace_config(tmp_path, config.load(tmp_path), "/lab")
    assert made.ServerApp.base_url == "/"
    assert "local_hostnames" not in made.ServerApp
    assert "allow_remote_access" not in made.ServerApp
    assert "xsrf_cookie_kwargs" not in made.ServerApp.tornado_settings


@pytest.mark.parametrize(
    ("url", "secure"), [("https://n.example/x/", True), ("http://n.example/x/", False)]
)
def test_cookies_are_as_secure_as_the_url(tmp_path: Path, url: str, secure: bool) -> None:
    """Behind https both cookies are secure; behind plain HTTP neither is, or none would stay."""
    settings = config.load(tmp_path, {"workspace.public_url": url})
    made = workspace_config(tmp_path, settings, "/lab")
    assert made.ServerApp.local_hostnames == ["localhost", "n.example"]
    assert made.ServerApp.open_browser is False
    kept = made.ServerApp.tornado_settings.get("xsrf_cookie_kwargs")
    assert kept == ({"path": "/x/", "secure": True} if secure else None)
    assert bool(made.IdentityProvider.get("secure_cookie")) is secure
