"""The workspace that a runtime joins, as a person names it."""

from __future__ import annotations

import pytest

from ropeway.runtime.join import Home


@pytest.mark.parametrize(
    ("url", "exposed"),
    [
        ("http://192.168.1.5:8888", True),
        ("http://home.example/base/lab?token=x", True),
        ("https://home.example", False),
        ("http://127.0.0.1:8888", False),
        ("http://[::1]:8888", False),
        ("localhost:8888", False),
    ],
)
def test_a_link_that_others_can_read_is_known(url: str, exposed: bool) -> None:
    """Plain HTTP beyond this machine can be read on the way."""
    assert Home.read(url).exposed is exposed
