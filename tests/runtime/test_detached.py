"""`python -m ropeway.runtime.detached`: a runtime that nobody waits for."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.servers import clean_environment

Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Ask]:
    """Asks for the runtime of a folder."""
    folder = tmp_path / "folder"
    folder.mkdir()

    def asked(action: str, where: Path = folder, stop_idle: str = "0") -> dict[str, Any]:
        command = [sys.executable, "-m", "ropeway.runtime.detached", action, str(where)]
        ran = subprocess.run(
            [*command, "3600", stop_idle],
            env=clean_environment(tmp_path / "home"),
            capture_output=True,
            text=True,
            timeout=90,
            check=True,
        )
        answer: dict[str, Any] = json.loads(ran.stdout.removeprefix("ropeway: "))
        return answer

    yield asked
    asked("stop")


def test_there_is_one_for_a_folder(ask: Ask) -> None:
    """It is started once, found again, and ended with all that it was."""
    assert ask("look") == {"server": None, "why": "does not run"}
    first = ask("start")
    assert ask("start") == ask("resume") == ask("look") == first
    process = psutil.Process(first["server"]["pid"])
    assert first["server"]["token"] not in " ".join(process.cmdline())
    assert ask("stop") == {"server": None, "why": "was stopped"}
    assert not process.is_running()
    assert ask("look") == {"server": None, "why": "was stopped"}


def test_one_that_was_stopped_stays_so(ask: Ask) -> None:
    """Who only comes back does not revive what somebody stopped; who asks for it does."""
    ask("start")
    ask("stop")
    assert ask("resume")["server"] is None
    assert ask("start")["server"]["pid"]
    assert ask("resume")["server"]


def test_one_that_ended_by_itself_stays_so(ask: Ask) -> None:
    """What ended after its time is not revived by who comes back, and says why; a start revives
    it, with the time that was asked before; a stop ends that too."""
    first = ask("start", stop_idle="2")["server"]
    psutil.Process(first["pid"]).wait(30)
    gone = {"server": None, "why": "ended by itself: no cell ran there for 2 s"}
    assert ask("look") == ask("resume") == gone
    second = ask("start")["server"]
    assert second["token"] != first["token"]
    psutil.Process(second["pid"]).wait(30)
    ask("stop")
    third = ask("start")["server"]
    with pytest.raises(psutil.TimeoutExpired):
        psutil.Process(third["pid"]).wait(6)


def test_one_that_runs_is_told_the_time(ask: Ask) -> None:
    """Who comes later may ask that a runtime ends by itself that was to go on."""
    first = ask("start")["server"]
    assert idle_of(first) == 0
    assert ask("resume", stop_idle="7200")["server"] == first
    assert idle_of(first) == 7200
    assert ask("start")["server"] == first
    assert idle_of(first) == 7200


def idle_of(server: dict[str, Any]) -> float:
    """When a runtime says that it ends."""
    headers = {"Authorization": f"token {server['token']}"}
    request = urllib.request.Request(f"{server['url']}ropeway/agent/idle", headers=headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return float(json.load(answer)["seconds"])


def test_one_that_was_killed_is_started_again(ask: Ask) -> None:
    """What died by itself is replaced."""
    first = ask("start")["server"]
    psutil.Process(first["pid"]).kill()
    second = ask("resume")["server"]
    assert second["token"] != first["token"]


def test_a_folder_that_is_not_there_is_told(ask: Ask, tmp_path: Path) -> None:
    """The answer holds the error, for whoever is at the other end."""
    error = ask("start", tmp_path / "no")
    assert error["error"]["code"] == "bad_input"
    assert "There is no folder" in error["error"]["message"]
