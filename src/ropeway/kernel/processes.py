"""Memory of a process together with those that it started, in one look at the machine."""

from __future__ import annotations

import os
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_PARENT, _PAGES = 1, 21
"""Places in `/proc/PID/stat` behind the command: see proc(5), fields 4 and 24."""


class Process(NamedTuple):
    """One of the machine: `memory` is what is resident, in bytes."""

    pid: int
    parent: int
    memory: int


@dataclass(frozen=True)
class Family:
    """A process and all that it started. Pages that several of them share count for each."""

    pids: frozenset[int]
    memory: int


class Processes:
    """Those of this machine that can be seen now."""

    def __init__(self, found: Iterator[Process]) -> None:
        self._memory: dict[int, int] = {}
        self._children: defaultdict[int, list[int]] = defaultdict(list)
        for pid, parent, memory in found:
            self._memory[pid] = memory
            self._children[parent].append(pid)

    @classmethod
    def now(cls, proc: Path = Path("/proc")) -> Processes:
        """Look. Raises `OSError`, `ValueError` or `subprocess.SubprocessError`."""
        return cls(_told_by_linux(proc) if (proc / "self/stat").exists() else _told_by_ps())

    def __contains__(self, pid: int) -> bool:
        return pid in self._memory

    def family(self, pid: int) -> Family | None:
        """None where that process is not there (any more)."""
        if pid not in self:
            return None
        found, grown = {pid}, [pid]
        while grown:
            children = {child for parent in grown for child in self._children.get(parent, ())}
            grown = list(children - found)
            found.update(grown)
        return Family(frozenset(found), sum(self._memory[each] for each in found))


def _told_by_linux(proc: Path) -> Iterator[Process]:
    page = os.sysconf("SC_PAGE_SIZE")
    for folder in proc.iterdir():
        if folder.name.isdigit():
            try:
                said = (folder / "stat").read_bytes()
            except OSError:  # it has ended meanwhile
                continue
            fields = said.rpartition(b")")[2].split()
            yield Process(int(folder.name), int(fields[_PARENT]), int(fields[_PAGES]) * page)


def _told_by_ps() -> Iterator[Process]:
    """On a Mac; memory is in units of 1,024 bytes."""
    asked = ["ps", "-axo", "pid=,ppid=,rss="]
    said = subprocess.run(asked, capture_output=True, text=True, timeout=2, check=True).stdout
    for line in said.splitlines():
        pid, parent, memory = map(int, line.split())
        yield Process(pid, parent, memory * 1024)
