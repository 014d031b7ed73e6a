"""`ropeway invite` and `ropeway runtime --join`, as two people use them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.joining import joining
from support.servers import Server, clean_environment, free_port, workspace


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one user."""
    return tmp_path_factory.mktemp("team")


@pytest.fixture(scope="module")
def team(place: Path) -> Iterator[Server]:
    """A workspace that runtimes join."""
    with workspace(place / "home", place / "files") as server:
        yield server


def call(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as that user."""
    return subprocess.run(
        [sys.executable, "-m", "ropeway", *arguments],
        cwd=place / "files",
        env=clean_environment(place / "home"),
        capture_output=True,
        text=True,
        timeout=100,
    )


def invitation(place: Path, *options: str) -> tuple[str, str]:
    """A fresh invitation: the token and the URL that the printed command holds."""
    ran = call(place, "invite", *options)
    assert ran.returncode == 0, ran.stderr
    found = re.search(r"ROPEWAY_JOIN_TOKEN=(\S+) ropeway runtime --join (\S+)", ran.stdout)
    assert found is not None, ran.stdout
    return found[1], found[2]


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for it."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.1)


def state(team: Server, name: str) -> str:
    """How the workspace says that a runtime is."""
    rows = team.api("/ropeway/api/runtimes")[1]["runtimes"]
    found = [row["state"] for row in rows if row["name"] == name]
    return found[0] if found else "unknown"


def test_one_command_joins(team: Server, place: Path, tmp_path: Path) -> None:
    """The printed command makes a machine a runtime: from the page and from the shell; no token
    is in a process list, a log, or an answer of the workspace."""
    token, url = invitation(place, "--name", "far")
    assert url == team.url + "/"
    with joining(tmp_path / "there", url, token):
        until(lambda: state(team, "far") == "connected")
        ran = call(place, "exec", "--on", "far", "print(6 * 7)")
        assert (ran.returncode, ran.stdout) == (0, "42\n"), ran.stderr
        said = (tmp_path / "there/runtime.log").read_text()
        assert "Joined: this machine is the runtime far." in said
        shown = call(place, "runtimes").stdout
        assert re.search(r"far +connected +dials in from", shown), shown
        kept = next((tmp_path / "there/home/ropeway/joined").glob("*.json"))
        assert kept.stat().st_mode & 0o077 == 0
        key = json.loads(kept.read_text())["key"]
        listed = subprocess.run(["ps", "axwwo", "args"], capture_output=True, text=True).stdout
        remembered = (place / "home/ropeway/runtimes.json").read_text()
        for secret in (token, key, key.split(".")[1]):
            for text in (listed, said, team.log.read_text(), remembered, str(shown)):
                assert secret not in text
    until(lambda: state(team, "far") == "unreachable")
    detail = call(place, "runtimes").stdout
    assert "goodbye" in detail
    assert call(place, "disconnect", "far").returncode == 0


def test_kernels_of_a_joined_runtime_reach_home_through_the_link(
    team: Server, place: Path, tmp_path: Path
) -> None:
    """rw.sql takes the direct road through the link, and in-band for another folder's workspace."""
    (place / "files/sales.csv").write_text("region,amount\neast,40\nwest,2\n")
    assert call(place, "data", "add", "sales", "sales.csv").returncode == 0
    code = "import ropeway as rw; r = rw.sql('select sum(amount) n from sales')\n"
    code += "print(r.summary.preview, rw.road())"
    token, url = invitation(place, "--name", "data")
    with joining(tmp_path / "there", url, token):
        until(lambda: state(team, "data") == "connected")
        ran = call(place, "exec", "--on", "data", code)
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.startswith("(('42',),) direct"), ran.stdout
        other = subprocess.run(
            [
                sys.executable,
                "-m",
                "ropeway",
                "exec",
                "--on",
                "data",
                "import ropeway as rw; print(rw.sql('select 7 a').summary.preview, rw.road())",
            ],
            cwd=tmp_path,
            env=clean_environment(place / "home"),
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert other.stdout.startswith("(('7',),) in-band"), other.stdout + other.stderr
    call(place, "disconnect", "data")


def test_an_invitation_counts_once(team: Server, place: Path, tmp_path: Path) -> None:
    """Who comes second with the same invitation is refused; who joined comes back with its key."""
    token, url = invitation(place, "--name", "once")
    with joining(tmp_path / "first", url, token):
        until(lambda: state(team, "once") == "connected")
        with joining(tmp_path / "second", url, token) as process:
            assert process.wait(20) == 3
        said = (tmp_path / "second/runtime.log").read_text()
        assert "it was used, has expired or was taken back" in said
        assert "ropeway invite" in said
    until(lambda: state(team, "once") == "unreachable")
    with joining(tmp_path / "first", url, token):
        until(lambda: state(team, "once") == "connected")
    call(place, "disconnect", "once")


@pytest.mark.parametrize("why", ["wrong", "expired", "revoked"])
def test_what_does_not_count_is_refused(
    team: Server, place: Path, tmp_path: Path, why: str
) -> None:
    """A wrong, expired or revoked invitation ends the command with 3 and what to do."""
    token, url = invitation(place, "--expires", "1s" if why == "expired" else "1h")
    if why == "wrong":
        token = token[:-2] + "xx"
    elif why == "expired":
        time.sleep(1.1)
    else:
        listed = call(place, "invite", "--list").stdout
        (number,) = [line.split()[0] for line in listed.splitlines()[1:] if " once " in line]
        assert call(place, "invite", "--revoke", number).returncode == 0
    with joining(tmp_path / "there", url, token) as process:
        assert process.wait(20) == 3
    assert "Make a new one at home" in (tmp_path / "there/runtime.log").read_text()
    for row in call(place, "invite", "--list").stdout.splitlines()[1:]:
        call(place, "invite", "--revoke", row.split()[0])


def test_many_may_join_with_one_invitation(team: Server, place: Path, tmp_path: Path) -> None:
    """With --many each machine gets a name of its own."""
    token, url = invitation(place, "--many")
    one = joining(tmp_path / "a", url, token, "--name", "node")
    two = joining(tmp_path / "b", url, token, "--name", "node")
    with one, two:
        until(lambda: {state(team, "node"), state(team, "node-2")} == {"connected"})
    assert "many, 2 so far" in call(place, "invite", "--list").stdout
    for name in ("node", "node-2"):
        call(place, "disconnect", name)


def test_disconnected_means_sent_away(team: Server, place: Path, tmp_path: Path) -> None:
    """After `ropeway disconnect` the runtime is told, stays away, and its key counts no more."""
    token, url = invitation(place, "--name", "away")
    with joining(tmp_path / "there", url, token):
        until(lambda: state(team, "away") == "connected")
        assert call(place, "disconnect", "away").returncode == 0
        log = tmp_path / "there/runtime.log"
        until(lambda: "disconnected there" in log.read_text())
    with joining(tmp_path / "there", url, token) as process:
        assert process.wait(20) == 3
    assert state(team, "away") == "unknown"


def test_a_workspace_that_was_killed_is_joined_again(tmp_path: Path) -> None:
    """kill -9 of the workspace: the runtime dials the next one, and its kernels are the same."""
    port = str(free_port())
    options = ("--port", port)
    with workspace(tmp_path / "home", tmp_path / "files", *options) as work:
        token, url = invitation(tmp_path, "--name", "far")
        stack = joining(tmp_path / "there", url, token)
        with stack as runtime:
            until(lambda: state(work, "far") == "connected")
            kernel = work.api("/api/kernels", "POST", {"name": "far.python3"})[1]
            assert kernel["id"]
            before = work.api("/ropeway/api/runtimes/far/kernels")[1]["kernels"]
            work.kill()
            log = tmp_path / "there/runtime.log"
            until(lambda: "is down" in log.read_text())
            with workspace(tmp_path / "home", tmp_path / "files", *options) as again:
                until(lambda: state(again, "far") == "connected")
                after = again.api("/ropeway/api/runtimes/far/kernels")[1]["kernels"]
                assert [k["remote_id"] for k in after] == [k["remote_id"] for k in before]
            assert "The link is back after" in log.read_text()
            assert runtime.poll() is None


def test_a_runtime_that_was_killed_is_told(team: Server, place: Path, tmp_path: Path) -> None:
    """kill -9 of the runtime is told in the page within 15 s; started again it is back."""
    token, url = invitation(place, "--name", "mortal")
    with joining(tmp_path / "there", url, token) as process:
        until(lambda: state(team, "mortal") == "connected")
        os.kill(process.pid, signal.SIGKILL)
        until(lambda: state(team, "mortal") == "unreachable", 15)
    with joining(tmp_path / "there", url, token):
        until(lambda: state(team, "mortal") == "connected")
    call(place, "disconnect", "mortal")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--name", "here"), "named here"),
        (("--name", "Bad Name"), "cannot be a runtime's name"),
        (("--expires", "soon"), "is no time"),
        (("--expires", "90d"), "up to 30 days"),
        (("--revoke", "nosuch"), "no invitation nosuch"),
    ],
)
def test_bad_input_is_told(
    team: Server, place: Path, arguments: tuple[str, ...], said: str
) -> None:
    """A name that cannot be, a time that is none, an invitation that is not there."""
    ran = call(place, "invite", *arguments)
    assert ran.returncode == 2
    assert said in ran.stderr


@pytest.mark.parametrize(
    ("url", "said", "code"),
    [
        ("ftp://x", "no URL of a workspace", 2),
        ("http://127.0.0.1:1", "cannot be reached", 3),
    ],
)
def test_a_home_that_is_none_is_told(tmp_path: Path, url: str, said: str, code: int) -> None:
    """--join with something else than a workspace's URL ends with a clear error."""
    with joining(tmp_path, url, "token") as process:
        assert process.wait(20) == code
    assert said in (tmp_path / "runtime.log").read_text()


def test_a_server_that_is_no_workspace_is_told(gpu: Server, tmp_path: Path) -> None:
    """A Jupyter server without Ropeway cannot be joined."""
    with joining(tmp_path, gpu.url, "token") as process:
        assert process.wait(20) == 3
    assert "no workspace answers that runtimes can join" in (tmp_path / "runtime.log").read_text()


def test_the_page_makes_invitations(team: Server) -> None:
    """The REST interface makes, lists and revokes them; the secret is told once."""
    status, made = team.api("/ropeway/api/invites", "POST", {"name": "rest", "seconds": 60})
    assert status == 201
    listed = team.api("/ropeway/api/invites")[1]["invites"]
    assert made["id"] in [row["id"] for row in listed]
    assert made["token"] not in json.dumps(listed)
    assert team.api(f"/ropeway/api/invites/{made['id']}", "DELETE")[0] == 204
    assert team.api(f"/ropeway/api/invites/{made['id']}", "DELETE")[0] == 404
    for body in ({"name": 3}, {"seconds": "x"}, {"seconds": -1}, {"once": "no"}, {"name": "here"}):
        assert team.api("/ropeway/api/invites", "POST", body)[0] in (400, 409), body


def test_a_workspace_with_a_certificate_of_its_own_is_joined_by_its_fingerprint(
    tmp_path: Path,
) -> None:
    """The command of `ropeway invite` pins the certificate; another pin never sends the token."""
    with workspace(tmp_path / "home", tmp_path / "files", "--tls", "self-signed"):
        ran = call(tmp_path, "invite", "--name", "far")
        found = re.search(
            r"TOKEN=(\S+) ropeway runtime --join (https\S+) --name far --fingerprint (\S+)",
            ran.stdout,
        )
        assert found is not None, ran.stdout
        token, url, pin = found.groups()
        wrong = pin[:-2] + ("00" if pin[-2:] != "00" else "11")
        with joining(tmp_path / "wrong", url, token, "--fingerprint", wrong) as process:
            assert process.wait(20) == 3
        assert "another certificate" in (tmp_path / "wrong/runtime.log").read_text()
        with joining(tmp_path / "there", url, token, "--fingerprint", pin):
            until(
                lambda: "far   connected" in re.sub(" +", "   ", call(tmp_path, "runtimes").stdout)
            )
            ran = call(tmp_path, "exec", "--on", "far", "print(6 * 7)")
            assert (ran.returncode, ran.stdout) == (0, "42\n"), ran.stderr
