"""Settings, private folders and locks."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ropeway import config
from ropeway.errors import BadInput

HOLD = """
import sys
from pathlib import Path
from ropeway.config import Claim
claim = Claim(Path(sys.argv[1]))
claim.share() if sys.argv[2] == "share" else claim.take()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("key", "value"),
    [("workspace.port", 70000), ("runtimes.refresh", 0), ("data.seconds", -1), ("data.threads", 0)],
)
def test_a_number_out_of_range_is_told(tmp_path: Path, key: str, value: int) -> None:
    """A number that makes no sense names the key, what it is and the range."""
    section, name = key.split(".")
    (tmp_path / "ropeway.toml").write_text(f"[{section}]\n{name} = {value}\n")
    with pytest.raises(BadInput, match=rf"{key} is {value}\S*; it must lie between"):
        config.load(tmp_path)


def test_a_section_must_be_a_table(tmp_path: Path) -> None:
    """`workspace = 3` is named, not tripped over."""
    (tmp_path / "ropeway.toml").write_text("workspace = 3\n")
    with pytest.raises(BadInput, match="must be a table"):
        config.load(tmp_path)


def test_the_home_of_ropeway_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new or empty folder becomes its owner's alone; one that others share is refused."""
    monkeypatch.setenv("ROPEWAY_HOME", str(tmp_path / "new"))
    assert stat.S_IMODE(config.state_dir().stat().st_mode) == 0o700
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    (shared / "somebody's").write_text("")
    monkeypatch.setenv("ROPEWAY_HOME", str(shared))
    with pytest.raises(BadInput, match="Others can read"):
        config.state_dir()
    assert stat.S_IMODE(shared.stat().st_mode) == 0o755


def test_a_claim_is_let_go_of_by_a_killed_process(tmp_path: Path) -> None:
    """Who holds a claim keeps others out, until it ends, also by kill -9."""
    path = tmp_path / "lock"
    with _holder(path, "take") as holder:
        mine = config.Claim(path)
        assert not mine.take()
        holder.kill()
        holder.wait()
        assert mine.take()
        mine.release()


def test_a_shared_claim_is_taken_by_the_last(tmp_path: Path) -> None:
    """Of those who share a claim only the last can take it alone."""
    path = tmp_path / "lock"
    mine = config.Claim(path)
    with _holder(path, "share") as other:
        mine.share()
        assert not mine.take()
        other.kill()
        other.wait()
        assert mine.take()
    mine.release()


def _holder(path: Path, how: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process
