"""`ropeway runtime` as a user starts it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

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
