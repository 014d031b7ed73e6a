"""`ropeway` as a user starts and stops it."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from ropeway.cli import COMMANDS, cli
from support.servers import clean_environment, plain_jupyter, workspace


def test_it_starts_serves_and_stops(tmp_path: Path) -> None:
    """One command brings page, welcome notebook and runtime; Ctrl-C ends all of it with 0, also
    after a kernel could not be started."""
    with workspace(tmp_path / "home", tmp_path / "files") as work:
        names = [entry["name"] for entry in work.api("/api/contents")[1]["content"]]
        assert names == ["Welcome to Ropeway.ipynb"]
        said = work.log.read_text()
        assert "/doc/tree/Welcome%20to%20Ropeway.ipynb?token=" in said
        (runtime,) = work.api("/ropeway/api/runtimes")[1]["runtimes"]
        assert (runtime["name"], runtime["state"]) == ("here", "connected")
        assert work.api("/api/kernels", "POST", {"name": "nothing"})[0] >= 400
        work.api("/api/kernels", "POST", {"name": "python3"})
        assert work.stop() == 0
    listed = subprocess.run(["ps", "axwwo", "args"], capture_output=True, text=True).stdout
    assert str(tmp_path) not in listed
    assert not list((tmp_path / "home/ropeway").glob("workspaces/*/*.json"))


def test_what_it_keeps_is_private(tmp_path: Path) -> None:
    """The files with tokens are 0600, their folders 0700, and no log holds a token."""
    with workspace(tmp_path / "home", tmp_path / "files"):
        state = next((tmp_path / "home/ropeway/workspaces").iterdir())
        assert stat.S_IMODE(state.stat().st_mode) == 0o700
        tokens = []
        for path in state.glob("*.json"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
            tokens.append(json.loads(path.read_text())["token"])
        assert len(tokens) == 2
        for path in state.glob("*.log"):
            assert not any(token in path.read_text() for token in tokens)
        listed = subprocess.run(["ps", "axwwo", "args"], capture_output=True, text=True).stdout
        assert not any(token in listed for token in tokens)


def test_runtimes_are_remembered_over_a_restart(tmp_path: Path) -> None:
    """A runtime that was connected is there again after a restart, its file for the owner alone."""
    with plain_jupyter(tmp_path / "gpu") as gpu:
        with workspace(tmp_path / "home", tmp_path / "files") as work:
            body = {"url": gpu.url, "token": gpu.token, "name": "gpu"}
            assert work.api("/ropeway/api/runtimes", "POST", body)[0] == 201
        path = tmp_path / "home/ropeway/runtimes.json"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with workspace(tmp_path / "home", tmp_path / "files") as work:
            assert work.api("/api/kernels", "POST", {"name": "gpu.python3"})[0] == 201


def test_a_second_start_finds_the_first(tmp_path: Path) -> None:
    """Starting again in the same folder says where the workspace runs and ends with 0."""
    with workspace(tmp_path / "home", tmp_path / "files") as work:
        ran = start(tmp_path, str(work.root), "--no-browser")
        assert ran.returncode == 0
        assert "runs already" in ran.stdout
        assert work.url in ran.stdout


def test_a_workspace_that_was_killed_leaves_its_runtime_to_the_next(tmp_path: Path) -> None:
    """After kill -9 the next workspace takes the runtime here over, with its kernels."""
    with workspace(tmp_path / "home", tmp_path / "files") as work:
        work.api("/api/kernels", "POST", {"name": "python3"})
        work.kill()
    with workspace(tmp_path / "home", tmp_path / "files") as work:
        kernels = work.api("/ropeway/api/runtimes/here/kernels")[1]["kernels"]
        assert len(kernels) == 1


def test_existing_notebooks_are_left_alone(tmp_path: Path) -> None:
    """In a folder with notebooks the newest is opened, and none is made."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "mine.ipynb").write_text(
        '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
    )
    with workspace(tmp_path / "home", folder) as work:
        assert [path.name for path in folder.glob("*.ipynb")] == ["mine.ipynb"]
        assert "/doc/tree/mine.ipynb?token=" in work.log.read_text()


def start(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Call ropeway to its end."""
    return subprocess.run(
        [sys.executable, "-m", "ropeway", *arguments],
        env=clean_environment(folder / "home"),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    """A port that was asked for and is taken gives exit code 2 and what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ran = start(tmp_path, "--no-browser", "--port", str(taken.getsockname()[1]))
    assert ran.returncode == 2
    assert "cannot be used" in ran.stderr
    listed = subprocess.run(["ps", "axwwo", "args"], capture_output=True, text=True).stdout
    assert str(tmp_path) not in listed


def test_the_default_port_is_meant_when_it_is_given(tmp_path: Path) -> None:
    """Asking for the very port that is the default does not quietly take another one."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 8888))
        except OSError:
            pass  # somebody else has it: as good
        else:
            taken.listen()
        ran = start(tmp_path, "--no-browser", "--port", "8888")
    assert ran.returncode == 2
    assert "Port 8888" in ran.stderr


def test_a_broken_project_file_is_told(tmp_path: Path) -> None:
    """A ropeway.toml that is not TOML is named with the line, and nothing starts."""
    (tmp_path / "ropeway.toml").write_text("[workspace]\nport = \n")
    ran = start(tmp_path, "--no-browser")
    assert ran.returncode == 2
    assert "line 2" in ran.stderr


def test_a_wrong_setting_is_told(tmp_path: Path) -> None:
    """A setting of the wrong kind names the key, what it is and what is wanted."""
    (tmp_path / "ropeway.toml").write_text('[workspace]\nport = "x"\n')
    ran = start(tmp_path, "--no-browser")
    assert ran.returncode == 2
    assert "workspace.port is 'x'" in ran.stderr


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_examples(command: str) -> None:
    """The help of every command says what it does and shows how."""
    ran = CliRunner().invoke(cli, [command, "--help"])
    shown = ran.output
    assert ran.exception is None, ran.exc_info
    assert "Example" in shown
    assert "ropeway" in shown.split("Example", 1)[1]


def test_terminated_like_interrupted(tmp_path: Path) -> None:
    """Where no kernel runs, SIGTERM stops everything as Ctrl-C does."""
    with workspace(tmp_path / "home", tmp_path / "files") as work:
        work.process.send_signal(signal.SIGTERM)
        assert work.process.wait(20) == 0
    listed = subprocess.run(["ps", "axwwo", "args"], capture_output=True, text=True).stdout
    assert str(tmp_path) not in listed


def test_a_closed_terminal_ends_it(tmp_path: Path) -> None:
    """SIGHUP, which a closed terminal sends, stops everything where no kernel runs."""
    with workspace(tmp_path / "home", tmp_path / "files") as work:
        work.process.send_signal(signal.SIGHUP)
        assert work.process.wait(20) == 0
    listed = subprocess.run(["ps", "axwwo", "args"], capture_output=True, text=True).stdout
    assert str(tmp_path) not in listed


def test_two_starts_at_once_make_one_workspace(tmp_path: Path) -> None:
    """Of two starts in the same moment one serves, and the other says where."""
    folder = tmp_path / "files"
    folder.mkdir()
    command = [sys.executable, "-m", "ropeway", "up", str(folder), "--no-browser", "--port", "0"]
    environment = clean_environment(tmp_path / "home")
    both = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        deadline = time.monotonic() + 60
        while all(each.poll() is None for each in both):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        second, first = sorted(both, key=lambda each: each.poll() is None)
        assert second.returncode == 0
        assert "runs already" in second.communicate()[0]
        first.send_signal(signal.SIGINT)
        assert first.wait(30) == 0
    finally:
        for each in both:
            each.kill()
            each.wait()
            if each.stdout is not None:
                each.stdout.close()


def test_a_run_in_the_shell_leaves_the_workspace_its_runtime(tmp_path: Path) -> None:
    """`ropeway exec` beside a workspace borrows the runtime here and does not end it."""
    with workspace(tmp_path / "home", tmp_path / "files") as work:
        (state,) = (tmp_path / "home/ropeway").glob("workspaces/*/here.json")
        before = state.read_text()
        ran = subprocess.run(
            [sys.executable, "-m", "ropeway", "exec", "print(6 * 7)"],
            env=clean_environment(tmp_path / "home"),
            cwd=work.root,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (ran.returncode, ran.stdout) == (0, "42\n"), ran.stderr
        assert work.api("/api/kernels", "POST", {"name": "python3"})[0] == 201
        assert state.read_text() == before
