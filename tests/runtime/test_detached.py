"""`python -m ropeway.runtime.detached`: a runtime that nobody waits for."""

from __future__ import annotations

import json
import subprocess
import sys
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

    def asked(action: str, where: Path = folder) -> dict[str, Any]:
        ran = subprocess.run(
            [sys.executable, "-m", "ropeway.runtime.detached", action, str(where), "3600"],
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
    assert ask("look") == {"server": None}
    first = ask("start")
    assert ask("start") == ask("resume") == ask("look") == first
    process = psutil.Process(first["server"]["pid"])
    assert first["server"]["token"] not in " ".join(process.cmdline())
    assert ask("stop") == {"server": None}
    assert not process.is_running()
    assert ask("look") == {"server": None}


def test_one_that_was_stopped_stays_so(ask: Ask) -> None:
    """Who only comes back does not revive what somebody stopped; who asks for it does."""
    ask("start")
    ask("stop")
    assert ask("resume") == {"server": None}
    assert ask("start")["server"]["pid"]
    assert ask("resume")["server"]


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
