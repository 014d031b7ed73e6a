"""Whether a program waits for what somebody types at its terminal, as Linux tells it."""

from __future__ import annotations

import platform
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_CALLS = {
    "x86_64": {
        0: "read",
        19: "read",
        7: "poll",
        271: "ppoll",
        23: "select",
        270: "select",
        232: "epoll",
        281: "epoll",
    },
    "aarch64": {63: "read", 65: "read", 73: "ppoll", 72: "select", 22: "epoll"},
}
"""System calls that wait for input, by their numbers."""


def waits(process: int, terminal: str, *, prompted: bool) -> bool | None:
    """Whether `process`, or one that it started, waits for input without a limit in time.

    One that waits for several things at once, as ssh and Node do, counts where its output ends as
    a prompt does: `prompted`. None where this cannot be seen: no Linux, or another user's process.
    """
    calls = _CALLS.get(platform.machine())
    if calls is None or not Path("/proc/self/syscall").exists():
        return None
    unseen = False
    for task in _tasks(process):
        try:
            kind = _waits_how(task, calls, terminal)
        except PermissionError:
            unseen = True
        except (OSError, ValueError):  # it has ended meanwhile
            continue
        else:
            if kind == "read" or (kind and prompted):
                return True
    return None if unseen else False


def _tasks(process: int) -> Iterator[Path]:
    """The threads of a process and of all that it started."""
    with suppress(OSError):
        for task in Path(f"/proc/{process}/task").iterdir():
            yield task
            for child in (task / "children").read_text().split():
                yield from _tasks(int(child))


def _waits_how(task: Path, calls: dict[int, str], terminal: str) -> str:
    """The call in which a thread waits for the terminal; empty where it does not."""
    words = (task / "syscall").read_text().split()
    if len(words) < 7:  # it runs
        return ""
    kind = calls.get(int(words[0]), "")
    first, second, third, fourth, fifth = (int(word, 16) for word in words[1:6])
    typed = _terminals(task, terminal) if kind else set()
    if not typed:
        return ""
    if kind == "read":
        found = first in typed
    elif kind == "select":
        held = _memory(task, second, (first + 7) // 8) if second and not fifth else b""
        found = any(fd < len(held) * 8 and held[fd // 8] >> fd % 8 & 1 for fd in typed)
    elif kind == "epoll":
        watched = (task / "fdinfo" / str(first)).read_text().split("tfd:")[1:]
        found = _endless(fourth) and any(int(each.split()[0]) in typed for each in watched)
    else:
        endless = _endless(third) if kind == "poll" else not third
        held = _memory(task, first, 8 * second) if endless else b""
        found = any(fd in typed and events & 1 for fd, events, _ in struct.iter_unpack("ihh", held))
    return kind if found else ""


def _terminals(task: Path, terminal: str) -> set[int]:
    links = {fd.name: str(fd.readlink()) for fd in (task / "fd").iterdir()}
    return {int(fd) for fd, path in links.items() if path in (terminal, "/dev/tty")}


def _memory(task: Path, start: int, size: int) -> bytes:
    with (task / "mem").open("rb", buffering=0) as file:
        file.seek(start)
        return file.read(size)


def _endless(timeout: int) -> bool:
    return timeout & 0xFFFFFFFF == 0xFFFFFFFF
