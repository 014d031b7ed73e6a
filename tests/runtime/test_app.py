"""`ropeway runtime` as a user starts it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from support.colab_page import Page
from support.servers import Server, clean_environment


@pytest.fixture
def lent(tmp_path: Path) -> Iterator[Server]:
    """A runtime as the command starts it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ropeway", "runtime", str(tmp_path), "--port", "0"],
        env=clean_environment(tmp_path / "home"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    text = b""
    while b"Ctrl-C" not in text:
        line = process.stdout.readline()
        assert line, text.decode()
        text += line
    url, token = re.findall(r"(http://\S+)/\?token=(\w+)", text.decode())[0]
    server = Server(url, token, process, tmp_path / "log", tmp_path)
    server.state["text"] = text.decode()
    yield server
    server.stop()
    process.stdout.close()


def test_it_prints_a_url_and_the_command_that_connects_it(lent: Server) -> None:
    """The one URL works with its token, and the command to connect it is shown."""
    assert f"ropeway connect '{lent.url}/?token={lent.token}' --name " in lent.state["text"]
    assert lent.api("/api/kernelspecs")[0] == 200


def test_it_listens_on_this_machine_alone(lent: Server) -> None:
    """By default only loopback is listened on."""
    assert lent.url.startswith("http://127.0.0.1:")


def test_nothing_answers_without_the_token(lent: Server) -> None:
    """Kernels, files and usage want the token."""
    for path in ("/api/kernels", "/api/contents", "/ropeway/agent/usage"):
        assert lent.api(path, token="wrong")[0] in (401, 403), path


def test_the_agent_measures_the_machine(lent: Server) -> None:
    """The agent tells what the machine uses."""
    status, usage = lent.api("/ropeway/agent/usage")
    assert status == 200
    assert usage["ram"]["used"] > 0


def test_the_agent_tells_what_each_kernel_holds(lent: Server) -> None:
    """Each kernel's memory is told under its id, and no more once it has ended."""
    kernels = [lent.api("/api/kernels", "POST", {"name": "python3"})[1]["id"] for _ in range(2)]
    held = {each["id"]: each["ram"] for each in lent.api("/ropeway/agent/usage")[1]["kernels"]}
    assert set(kernels) <= set(held)
    assert all(held[kernel] > 1_000_000 for kernel in kernels)
    for kernel in kernels:
        lent.api(f"/api/kernels/{kernel}", "DELETE")
    left = lent.api("/ropeway/agent/usage")[1]["kernels"]
    assert not set(kernels) & {each["id"] for each in left}


@pytest.mark.parametrize("told", [{}, {"path": ""}, {"path": "no/such/folder"}])
def test_kernels_start_in_its_folder(lent: Server, told: dict[str, str]) -> None:
    """Wherever the command was typed, a kernel starts in the folder that was lent."""
    kernel = lent.api("/api/kernels", "POST", {"name": "python3", **told})[1]["id"]
    started = [
        each
        for each in psutil.Process(lent.process.pid).children(recursive=True)
        if kernel in " ".join(each.cmdline())
    ]
    assert [Path(each.cwd()) for each in started] == [lent.root]


def test_measuring_costs_next_to_nothing(lent: Server) -> None:
    """At a look every five seconds the agent measures with less than half a percent of a core."""
    lent.api("/api/kernels", "POST", {"name": "python3"})
    process = psutil.Process(lent.process.pid)
    looks = 30
    lent.api("/ropeway/agent/usage")
    before = process.cpu_times()
    for _ in range(looks):
        lent.api("/ropeway/agent/usage")
    after = process.cpu_times()
    seconds = (after.user + after.system - before.user - before.system) / looks
    print(f"{seconds * 1000:.1f} ms of CPU a measurement")
    assert seconds < 0.005 * 5


def test_ctrl_c_stops_it_with_its_kernels(lent: Server) -> None:
    """Ctrl-C ends server and kernels and exits with 0."""
    lent.api("/api/kernels", "POST", {"name": "python3"})
    lent.process.send_signal(signal.SIGINT)
    assert lent.process.wait(20) == 0


def test_a_port_in_use_is_told(lent: Server, tmp_path: Path) -> None:
    """A port that is taken gives exit code 2 and what to do."""
    port = lent.url.rsplit(":", 1)[1]
    ran = subprocess.run(
        [sys.executable, "-m", "ropeway", "runtime", str(tmp_path), "--port", port],
        env=clean_environment(tmp_path / "home"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 2
    assert f"Port {port}" in ran.stderr
    assert "--port" in ran.stderr


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    """A folder that does not exist gives exit code 2."""
    ran = subprocess.run(
        [sys.executable, "-m", "ropeway", "runtime", str(tmp_path / "no"), "--port", "0"],
        env=clean_environment(tmp_path / "home"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 2
    assert "is not a folder" in ran.stderr


def test_colabs_page_is_not_let_in_unasked(lent: Server) -> None:
    """Without `--colab` no page of another site may ask, and nothing of Colab's is there."""
    page = Page(lent.url, lent.token)
    assert not page.can_read(page.preflight("/api/kernels"))
    assert not page.can_read(page.ask("/api/kernels"))
    for path in ("/api/colab/build-info", "/http_over_websocket", "/colab/tty", "/api/terminals"):
        assert page.ask(path).status_code == 404, path
    page.close()
    assert not (lent.root / "content").exists()
