"""Memory of a process with those that it started."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from ropeway.kernel.processes import Family, Process, Processes

PAGE = os.sysconf("SC_PAGE_SIZE")


def test_a_family_is_all_that_a_process_started() -> None:
    """Children and their children count, others do not, and what is gone has no family."""
    told = [Process(1, 0, 1), Process(5, 1, 10), Process(6, 5, 100), Process(7, 6, 1000)]
    found = Processes(iter(told))
    assert found.family(5) == Family(frozenset({5, 6, 7}), 1110)
    assert found.family(7) == Family(frozenset({7}), 1000)
    assert found.family(8) is None
    assert 6 in found
    assert 8 not in found


def test_a_ring_has_an_end() -> None:
    """A table that was read while processes came and went may say anything: it ends."""
    found = Processes(iter([Process(0, 0, 1), Process(2, 3, 10), Process(3, 2, 100)]))
    assert found.family(0) == Family(frozenset({0}), 1)
    assert found.family(2) == Family(frozenset({2, 3}), 110)


def test_linux_is_read_whatever_a_command_is_called(tmp_path: Path) -> None:
    """A command with blanks and brackets in its name hides nothing; what ended meanwhile is out."""
    for pid, parent in (("self", 1), ("41", 1), ("42", 41)):
        (tmp_path / pid).mkdir()
        fields = f"{parent} 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 {parent} 25"
        (tmp_path / pid / "stat").write_text(f"{pid} (a ) (b) S {fields}")
    (tmp_path / "43").mkdir()
    assert Processes.now(tmp_path).family(41) == Family(frozenset({41, 42}), 42 * PAGE)


def test_elsewhere_ps_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a Mac `ps` is asked, which counts in kilobytes."""
    said = SimpleNamespace(stdout="    1     0   100\n   41     1  2000\n")
    monkeypatch.setattr(subprocess, "run", lambda *args, **options: said)
    assert Processes.now(tmp_path).family(1) == Family(frozenset({1, 41}), 2100 * 1024)


def test_this_process_is_found() -> None:
    """The machine's own table has this process with its memory."""
    found = Processes.now().family(os.getpid())
    assert found is not None
    assert found.memory > 1_000_000
