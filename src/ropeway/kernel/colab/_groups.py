"""The processes of commands, which end with the kernel however that ends.

A command ignores the end of its terminal, so that what it leaves in the background goes on behind
its cell; else a training would go on, and hold a GPU, when its kernel is no more.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from contextlib import suppress

_WATCH = (
    """while read -r line; do groups=$line; done; [ -z "$groups" ] || kill -s TERM -- $groups"""
)
"""Hears the groups that there are, each time anew, until the kernel is no more."""

_LOOK = 5.0
"""Seconds between two looks at what runs in the background: its number may be another's one day."""

_groups: set[int] = set()
_watcher: list[subprocess.Popen[bytes]] = []
_lock = threading.Lock()


def keep(group: int) -> None:
    """This process group ends with the kernel, until it is forgotten."""
    with _lock:
        _groups.add(group)
        _tell()


def forget(group: int) -> None:
    """Its command has ended; what that left in the background is kept until it has ended, too."""
    if lives(group):
        threading.Thread(target=_forget_later, args=(group,), daemon=True).start()
    else:
        _forget(group)


def lives(group: int) -> bool:
    """Whether the process group has a member."""
    try:
        os.killpg(group, 0)
    except OSError:
        return False
    return True


def end(group: int, number: int = signal.SIGTERM) -> None:
    """Send a signal to all of a group, if there is one."""
    with suppress(OSError):
        os.killpg(group, number)


def _forget_later(group: int) -> None:
    while lives(group):
        time.sleep(_LOOK)
    _forget(group)


def _forget(group: int) -> None:
    with _lock:
        _groups.discard(group)
        _tell()


def _tell() -> None:
    if not _watcher or _watcher[0].poll() is not None:
        quiet = subprocess.DEVNULL
        _watcher[:] = [
            subprocess.Popen(
                ["/bin/sh", "-c", _WATCH],
                stdin=subprocess.PIPE,
                stdout=quiet,
                stderr=quiet,
                start_new_session=True,
            )
        ]
    stdin = _watcher[0].stdin
    assert stdin is not None
    with suppress(OSError):
        stdin.write(" ".join(f"-{group}" for group in sorted(_groups)).encode() + b"\n")
        stdin.flush()
