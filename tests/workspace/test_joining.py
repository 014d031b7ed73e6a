"""Invitations, and the keys that they become."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ropeway import config
from ropeway.errors import BadInput, LinkRefused, NameTaken, NotFound
from ropeway.link.link import Link
from ropeway.workspace import joining as module
from ropeway.workspace.invites import invite_list
from ropeway.workspace.joining import Joining, link_file, tell_link, told_link
from ropeway.workspace.providers import Site
from ropeway.workspace.providers.joined import Joined
from ropeway.workspace.remembered import Record, runtime_list


@pytest.fixture
def joining() -> Joining:
    """The user's own."""
    return Joining()


def test_an_invitation_becomes_one_key(joining: Joining) -> None:
    """The secret counts once; the key belongs to the name that was invited."""
    _, secret = joining.invite("gpu", 60)
    key = joining.join(secret, "their-host")
    assert key.startswith("gpu.")
    assert joining.owner(key) == "gpu"
    with pytest.raises(LinkRefused):
        joining.join(secret, "their-host")


def test_no_secret_is_kept(joining: Joining) -> None:
    """Home's files hold neither an invitation's secret nor a key, and are the owner's alone."""
    _, open_one = joining.invite("later", 60)
    _, secret = joining.invite("gpu", 60)
    key = joining.join(secret, "host")
    for name in ("invites.json", "runtimes.json"):
        path = config.state_dir() / name
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        text = path.read_text()
        for each in (open_one, secret, key, key.partition(".")[2]):
            assert each not in text


@pytest.mark.parametrize(
    "key", ["", "gpu", "gpu.", "gpu.wrong", ".", "here.x", "plain.token", "../x.y"]
)
def test_a_key_that_is_none_belongs_to_nobody(joining: Joining, key: str) -> None:
    """Garbage, another name, or the name of a runtime that never joined."""
    runtime_list().add(Record("plain", "http://gpu", "token"))
    _, secret = joining.invite("gpu", 60)
    joining.join(secret, "host")
    assert joining.owner(key) is None


def test_a_disconnected_runtime_has_no_key(joining: Joining) -> None:
    """What was forgotten, also by another process, lets nobody in."""
    _, secret = joining.invite("gpu", 60)
    key = joining.join(secret, "host")
    assert joining.owner(key) == "gpu"
    runtime_list().remove("gpu")
    assert joining.owner(key) is None


def test_the_host_names_a_runtime_that_nobody_named(joining: Joining) -> None:
    """Names are made of what the machine calls itself, cleaned, and never twice."""
    names = []
    for suggested in ("Node_1.cluster", "node-1-cluster", "", "here", "../../etc", "x" * 300):
        _, secret = joining.invite("", 60)
        names.append(joining.join(secret, suggested).partition(".")[0])
    assert names == ["node-1-cluster", "node-1-cluster-2", "runtime", "runtime-2", "etc", "x" * 30]


def test_joining_anew_replaces_the_old_key(joining: Joining) -> None:
    """A machine that was set up anew joins under its old name; the old key counts no more."""
    _, first = joining.invite("gpu", 60)
    old = joining.join(first, "host")
    _, second = joining.invite("gpu", 60)
    new = joining.join(second, "host")
    assert (joining.owner(old), joining.owner(new)) == (None, "gpu")


def test_a_name_of_another_kind_cannot_be_joined(joining: Joining) -> None:
    """An invitation cannot take the place of `here` or of a runtime at a URL."""
    runtime_list().add(Record("box", "http://box", "token"))
    for name in ("here", "box"):
        with pytest.raises(NameTaken):
            joining.invite(name, 60)
    _, secret = joining.invite("gpu", 60)
    runtime_list().add(Record("gpu", "http://gpu", "token"))
    with pytest.raises(NameTaken):
        joining.join(secret, "host")
    assert runtime_list().read()["gpu"].url == "http://gpu"


def test_a_key_is_renewed_in_its_time(joining: Joining, monkeypatch: pytest.MonkeyPatch) -> None:
    """A young key stays; an old one gets a successor, and counts until that is kept."""
    _, secret = joining.invite("gpu", 60)
    old = joining.join(secret, "host")
    assert joining.next_key("gpu") is None
    monkeypatch.setattr(module, "RENEW_SECONDS", 0)
    new = joining.next_key("gpu")
    assert new is not None
    assert (joining.owner(old), joining.owner(old)) == ("gpu", "gpu")
    joining.renewed("gpu")
    assert (joining.owner(old), joining.owner(new)) == (None, "gpu")


def test_a_renewal_that_home_never_heard_of_counts(
    joining: Joining, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The link broke after the runtime kept its new key: dialling with it is the answer."""
    _, secret = joining.invite("gpu", 60)
    old = joining.join(secret, "host")
    monkeypatch.setattr(module, "RENEW_SECONDS", 0)
    new = joining.next_key("gpu")
    assert new is not None
    assert joining.owner(new) == "gpu"
    assert joining.owner(old) is None


def test_a_renewal_does_not_undo_a_disconnect(joining: Joining) -> None:
    """Whoever was disconnected while a renewal was on its way stays disconnected."""
    _, secret = joining.invite("gpu", 60)
    joining.join(secret, "host")
    seen = runtime_list().read()["gpu"]
    runtime_list().remove("gpu")
    assert not runtime_list().change(seen, replace(seen, options={"key": "x"}))
    assert "gpu" not in runtime_list().read()


def test_a_name_that_was_taken_meanwhile_uses_nothing_up(joining: Joining) -> None:
    """When joining fails for the name, the invitation still counts."""
    _, secret = joining.invite("gpu", 60)
    runtime_list().add(Record("gpu", "http://gpu", "token"))
    with pytest.raises(NameTaken):
        joining.join(secret, "host")
    runtime_list().remove("gpu")
    assert joining.owner(joining.join(secret, "host")) == "gpu"


def test_one_name_is_not_for_many(joining: Joining) -> None:
    """An invitation for many machines cannot give them all one name."""
    with pytest.raises(BadInput, match="one name"):
        joining.invite("gpu", 60, once=False)


def test_another_machine_behind_a_name_is_the_same_runtime() -> None:
    """A record with another host or key keeps the link; one of another kind does not."""
    record = Record("gpu", "join://one", "", {"key": "a"})
    provider = Joined(record, Site())
    assert provider.reaches(Record("gpu", "join://two", "", {"key": "b"}))
    assert provider.shown == "dials in from two"
    assert not provider.reaches(Record("gpu", "http://gpu", "t"))


def test_an_invitation_expires(joining: Joining, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time it is neither listed nor accepted."""
    _, secret = joining.invite("gpu", 60)
    now = module.time.time()
    monkeypatch.setattr("ropeway.workspace.invites.time.time", lambda: now + 61)
    assert invite_list().read() == {}
    with pytest.raises(LinkRefused, match="expired"):
        joining.join(secret, "host")


@pytest.mark.parametrize("seconds", [0, -1, 1e9, float("nan")])
def test_a_time_that_is_none_is_told(joining: Joining, seconds: float) -> None:
    """An invitation counts for some time, and for thirty days at most."""
    with pytest.raises(BadInput):
        joining.invite("gpu", seconds)


def test_a_revoked_invitation_is_gone(joining: Joining) -> None:
    """What was taken back lets nobody in, and cannot be taken back again."""
    number, secret = joining.invite("gpu", 60)
    invite_list().revoke(number)
    with pytest.raises(LinkRefused):
        joining.join(secret, "host")
    with pytest.raises(NotFound):
        invite_list().revoke(number)


RACE = """
import sys
from ropeway.workspace.joining import Joining
try:
    print(Joining().join(sys.argv[1], "host"))
except Exception as error:
    print(type(error).__name__)
"""


def test_two_at_once_cannot_use_one_invitation(joining: Joining) -> None:
    """Of several processes that redeem it in the same moment exactly one joins."""
    _, secret = joining.invite("gpu", 60)
    command = [sys.executable, "-c", RACE, secret]
    racing = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = sorted(process.communicate(timeout=60)[0].strip() for process in racing)
    assert said[:3] == ["LinkRefused"] * 3
    assert joining.owner(said[3]) == "gpu"


def test_a_link_of_a_process_that_died_is_down(tmp_path: Path) -> None:
    """What was told of a link counts as long as the process lives that told it."""
    link = Link("gpu")
    tell_link(link, tmp_path)
    assert "url" not in told_link("gpu")
    path = link_file("gpu")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    state = {"url": "http://127.0.0.1:1", "token": "t", "pid": os.getpid(), "root": str(tmp_path)}
    path.write_text(json.dumps(state))
    assert told_link("gpu")["url"]
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    path.write_text(json.dumps({**state, "pid": gone.pid}))
    assert "url" not in told_link("gpu")
    path.write_text("no json")
    assert told_link("gpu") == {}
