"""The sandbox of a worker: from `confine` on this process reads the given files and little else.

Three of Linux's means, each of which stops a class of harm by itself:

- Landlock: no file but those, no name of a folder, no TCP, no signal to others. See
  landlock(7); what the running kernel lacks is left out and told.
- seccomp: no socket, no other program, no look into other processes. See seccomp(2).
- limits and capabilities: address space, processor seconds, no file is written, and of root's
  powers only that of reading.

Elsewhere than on Linux the limits alone hold; `Confinement` says which of them do.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_READ_FILE = 1 << 2
_BENEATH = 1
"""The kind of a rule for a file."""

_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
"""How many rights over files a version of Landlock knows, from that version on."""

_NO_NEW_PRIVILEGES, _SECCOMP, _DEATH_SIGNAL = 38, 22, 1
_SECCOMP_FILTER = 2
_KILLED = 9

_ENGINE_READS = (
    "/proc/self/cgroup",
    "/proc/meminfo",
    "/proc/stat",
    "/sys/devices/system/cpu",
    "/sys/fs/cgroup",
)
"""What the engine looks at to learn the machine's size; it aborts where it may not."""

_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}

_DENIED = {
    # name: (x86_64, aarch64); the numbers of the kernel's own tables
    "socket": (41, 198),
    "connect": (42, 203),
    "accept": (43, 202),
    "accept4": (288, 242),
    "bind": (49, 200),
    "listen": (50, 201),
    "socketpair": (53, 199),
    "execve": (59, 221),
    "execveat": (322, 281),
    "kill": (62, 129),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "shmget": (29, 194),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "io_uring_setup": (425, 425),
    "open_by_handle_at": (304, 265),
    "mount": (165, 40),
    "umount2": (166, 39),
    "chroot": (161, 51),
    "pivot_root": (155, 41),
    "unshare": (272, 97),
    "setns": (308, 268),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "init_module": (175, 105),
    "finit_module": (313, 273),
}

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050001  # the last: EPERM
_X32 = 0x40000000
"""Calls of x86_64 from here on are others' numbers for the same."""

_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITIES_3 = 0x20080522
_READ_ANY = 1 << 2
"""CAP_DAC_READ_SEARCH: where home runs as root, its data may belong to others."""


@dataclass(frozen=True, slots=True)
class Confinement:
    """What holds: Landlock's version (0: none), and whether seccomp does."""

    landlock: int
    seccomp: bool

    @property
    def whole(self) -> bool:
        """Whether neither another file nor the network can be reached."""
        return self.landlock > 0 and self.seccomp


def confine(files: Iterable[Path], memory: int) -> Confinement:
    """Give up for good, in this process, all but reading `files` and `memory` more bytes.

    Call it while there is one thread: others would stay as they were. Raises `OSError` where the
    kernel has a means and refuses it.
    """
    _limit(memory)
    if not sys.platform.startswith("linux"):
        return Confinement(0, False)
    libc = ctypes.CDLL(None, use_errno=True)
    _checked(libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    version = _landlock(libc, files)
    _drop_capabilities(libc)
    return Confinement(version, _seccomp(libc))


def die_with_parent() -> None:
    """Have the kernel kill this process once the thread that made it is gone: see prctl(2)."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, _KILLED, 0, 0, 0)


def _limit(memory: int) -> None:
    used = 0
    with suppress(OSError):
        pages = Path("/proc/self/statm").read_text("ascii").split()[0]
        used = int(pages) * resource.getpagesize()
    for kind, most in (
        (resource.RLIMIT_AS, used + memory),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        if hard == resource.RLIM_INFINITY or most < hard:
            resource.setrlimit(kind, (most, most))


def _landlock(libc: ctypes.CDLL, files: Iterable[Path]) -> int:
    version = int(libc.syscall(_LANDLOCK_CREATE, None, 0, 1))
    if version <= 0:
        return 0
    rights = (1 << _RIGHTS[max(each for each in _RIGHTS if each <= version)]) - 1
    network = 3 if version >= 4 else 0
    scopes = 3 if version >= 6 else 0
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    wanted = struct.pack("<QQQ", rights, network, scopes)[:size]
    rules = _checked(libc.syscall(_LANDLOCK_CREATE, wanted, size, 0))
    try:
        for path in (*files, *map(Path, _ENGINE_READS)):
            with suppress(FileNotFoundError):  # the engine will say that it is missing
                _may_read(libc, rules, path)
        _checked(libc.syscall(_LANDLOCK_RESTRICT, rules, 0))
    finally:
        os.close(rules)
    return version


def _may_read(libc: ctypes.CDLL, rules: int, path: Path) -> None:
    file = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = struct.pack("<Qi", _READ_FILE, file)
        _checked(libc.syscall(_LANDLOCK_ADD, rules, _BENEATH, rule, 0))
    finally:
        os.close(file)


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    call = _CAPSET.get(platform.machine())
    if call is None or os.geteuid() != 0:
        return
    head = struct.pack("<Ii", _CAPABILITIES_3, 0)
    body = struct.pack("<IIIIII", _READ_ANY, _READ_ANY, 0, 0, 0, 0)
    _checked(libc.syscall(call, head, body))


def _seccomp(libc: ctypes.CDLL) -> bool:
    known = _ARCHITECTURES.get(platform.machine())
    if known is None:
        return False
    program = b"".join(_program(*known))
    code = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("@HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    _checked(libc.prctl(_SECCOMP, _SECCOMP_FILTER, head, 0, 0))
    return True


def _program(architecture: int, column: int) -> list[bytes]:
    """The filter, in BPF: a call of another architecture kills, one of those denied fails."""
    denied = [numbers[column] for numbers in _DENIED.values()]
    refuse = len(denied) + 1
    """Steps from the first comparison to the refusal."""
    return [
        _step(_LOAD, 0, 0, 4),
        _step(_EQUAL, 1, 0, architecture),
        _step(_RETURN, 0, 0, _KILL),
        _step(_LOAD, 0, 0, 0),
        _step(_AT_LEAST, refuse, 0, _X32),
        *(_step(_EQUAL, refuse - 1 - i, 0, number) for i, number in enumerate(denied)),
        _step(_RETURN, 0, 0, _ALLOW),
        _step(_RETURN, 0, 0, _REFUSE),
    ]


def _step(code: int, if_true: int, if_false: int, operand: int) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, operand)


def _checked(answer: int) -> int:
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(answer)
