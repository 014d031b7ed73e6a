"""What a network can do to a link, with real workspaces, runtimes and kernels."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.far_network import FarNetwork
from support.forwarder import forwarder
from support.joining import joining
from support.kernel_client import KernelClient
from support.servers import Server, free_port, workspace
from support.tls import Authority


def until(condition: Callable[[], bool], seconds: float = 15) -> float:
    """Wait for it; returns how long it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"not within {seconds} s"
        time.sleep(0.1)
    return time.monotonic() - began


def state(team: Server) -> str:
    """How the workspace says that `far` is."""
    rows = team.api("/ropeway/api/runtimes")[1]["runtimes"]
    return next((row["state"] for row in rows if row["name"] == "far"), "unknown")


def invited(team: Server) -> str:
    """An invitation for `far`."""
    return str(team.api("/ropeway/api/invites", "POST", {"name": "far"})[1]["token"])


def kernel_on(team: Server) -> str:
    """A kernel on `far`, started through the workspace."""
    status, model = team.api("/api/kernels", "POST", {"name": "far.python3"})
    assert status == 201, model
    return str(model["id"])


def run(team: Server, kernel: str, code: str, seconds: float = 60) -> str:
    """What a cell prints."""

    async def talk() -> str:
        async with KernelClient(team.url, team.token, kernel) as page:
            return (await page.execute(code)).text

    return asyncio.run(asyncio.wait_for(talk(), seconds))


def test_a_pulled_cable_is_told_on_both_sides_and_mended(
    network: FarNetwork, tmp_path: Path
) -> None:
    """No packet passes and nobody is told: both sides say so within 15 s, and within 15 s after the
    cable is back the same kernel runs the next cell."""
    with ExitStack() as stack:
        options = ("--host", network.home, "--insecure-http")
        team = stack.enter_context(workspace(tmp_path / "home", tmp_path / "files", *options))
        there = tmp_path / "there"
        url = f"http://{network.home}:{team.url.rsplit(':', 1)[1]}"
        stack.enter_context(joining(there, url, invited(team), prefix=network.prefix))
        until(lambda: state(team) == "connected", 30)
        kernel = kernel_on(team)
        run(team, kernel, "x = 7")
        log = there / "runtime.log"
        network.cut()
        try:
            until(lambda: state(team) != "connected")
            until(lambda: "is down" in log.read_text())
        finally:
            network.mend()
        until(lambda: state(team) == "connected")
        assert run(team, kernel, "print(x)") == "7\n"
        assert "The link is back after" in log.read_text()


@pytest.mark.parametrize(
    "trouble",
    [("--delay", "0.15"), ("--jitter", "0.4"), ("--cut", "7")],
    ids=["300 ms there and back", "connects out of order", "handshakes that fail"],
)
def test_a_bad_line_still_carries_cells(tmp_path: Path, trouble: tuple[str, ...]) -> None:
    """Far away, out of order, or with every seventh connection cut at once: cells run, in order."""
    with ExitStack() as stack:
        team = stack.enter_context(workspace(tmp_path / "home", tmp_path / "files"))
        target = int(team.url.rsplit(":", 1)[1])
        line = stack.enter_context(forwarder(free_port(), target, *trouble))
        token = invited(team)
        stack.enter_context(joining(tmp_path / "there", f"http://127.0.0.1:{line.port}", token))
        until(lambda: state(team) == "connected", 40)
        carries_cells(team)


def test_tls_handshakes_that_fail_are_tried_again(tmp_path: Path) -> None:
    """With every seventh TLS handshake cut in its middle: cells run, in order."""
    certificate = Authority(tmp_path).issue("line")
    files = ("--certfile", str(certificate.certfile), "--keyfile", str(certificate.keyfile))
    with ExitStack() as stack:
        team = stack.enter_context(workspace(tmp_path / "home", tmp_path / "files"))
        target = int(team.url.rsplit(":", 1)[1])
        speaker = stack.enter_context(forwarder(free_port(), target, *files))
        line = stack.enter_context(forwarder(free_port(), speaker.port, "--cut", "7"))
        url, pin = f"https://127.0.0.1:{line.port}", ("--fingerprint", certificate.fingerprint)
        stack.enter_context(joining(tmp_path / "there", url, invited(team), *pin))
        until(lambda: state(team) == "connected", 40)
        carries_cells(team)


def carries_cells(team: Server) -> None:
    """A kernel on `far` runs what it is given, whole and in order, and stays in reach."""
    kernel = kernel_on(team)
    said = run(team, kernel, "for i in range(2000): print(i)")
    assert said.split() == [str(number) for number in range(2000)]
    blob = "b = 'x' * 3_000_000\nprint(b)"
    assert len(run(team, kernel, blob)) == 3_000_001
    time.sleep(12)  # longer than any ping may wait
    assert state(team) == "connected"
    assert run(team, kernel, "print(len(b))") == "3000000\n"
