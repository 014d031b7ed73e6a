"""What an SSH address may be."""

from __future__ import annotations

import pytest

from ropeway.errors import BadInput
from ropeway.workspace.providers.ssh_target import Target, parse_target


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("ssh://gpu-box", Target("gpu-box")),
        (" 'ssh://ann@gpu-box:2222/' ", Target("gpu-box", "ann", 2222)),
        ("ssh://Box_1/scratch/my%20data/", Target("Box_1", folder="/scratch/my data")),
        ("ssh://box/~/work", Target("box", folder="~/work")),
        ("ssh://ann@[fe80::1%eth0]:22/~", Target("fe80::1%eth0", "ann", 22)),
    ],
)
def test_an_address_has_user_host_port_and_folder(text: str, target: Target) -> None:
    """Each part but the host may be left out, and a host keeps its spelling."""
    assert parse_target(text) == target
    assert parse_target(target.url) == target


@pytest.mark.parametrize(
    "text",
    [
        "ssh://-oProxyCommand=id",
        "ssh://-oProxyCommand=id@box",
        "ssh://box;id",
        "ssh://$(id)",
        "ssh://a b",
        "ssh://ann;id@box",
        "ssh://[-oX]",
        "ssh://box:-p",
        "ssh://box:70000",
        "ssh://",
        "ssh://@box",
        "ssh://box/a\nb",
        "ssh://box\n",
        "ssh://box/%0aid",
    ],
)
def test_nothing_becomes_an_option_or_a_command(text: str) -> None:
    """What ssh could read as an option, or a shell as a command, is no address."""
    if text == "ssh://box\n":  # pasted with the end of its line
        assert parse_target(text) == Target("box")
        return
    with pytest.raises(BadInput):
        parse_target(text)


def test_a_password_is_refused_and_not_repeated() -> None:
    """An address with a password is no address, and the error does not show it."""
    with pytest.raises(BadInput) as caught:
        parse_target("ssh://ann:hunter2@box")
    assert "hunter2" not in str(caught.value)
