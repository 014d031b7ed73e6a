"""The memory of processes while something is measured."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import psutil

from peers import Server


class Peak:
    """The most memory that some processes and their children hold at once, in MB, while it runs.

    Pages that they share count once.
    """

    def __init__(self, roots: Callable[[], list[int]]) -> None:
        self.mb = 0.0
        self._roots = roots
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        # To look costs the more the more memory there is: a twentieth of a core, and no more.
        took = 0.0
        while not self._ended.wait(max(0.1, 20 * took)):
            began = time.thread_time()
            self.mb = max(self.mb, sum(map(_family_mb, self._roots())))
            took = time.thread_time() - began


def _family_mb(root: int) -> float:
    try:
        top = psutil.Process(root)
        return sum(_own_mb(each) for each in (top, *top.children(recursive=True)))
    except psutil.NoSuchProcess:
        return 0.0


def _own_mb(process: psutil.Process) -> float:
    try:
        return float(process.memory_full_info().pss) / 1e6
    except psutil.Error:
        return 0.0


def answering(work: Server, *words: str) -> list[int]:
    """The workspace's data service, and processes of this one that have a word of `words`."""
    theirs = {each.pid: _words(each) for each in psutil.Process(work.process.pid).children()}
    services = [pid for pid, words in theirs.items() if "ropeway.data.service" in words]
    own = [each.pid for each in psutil.Process().children() if set(words) & set(_words(each))]
    return services + own


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it ended just now
        return []
