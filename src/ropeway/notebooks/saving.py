"""Replace a file in one step: a full disk or a crash leaves the old one or the new one, whole."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ropeway.errors import NotSaved, ReadOnly

LONGEST_NAME = 240

_HINTS = {
    errno.ENOSPC: "Make room on that disk, then save again.",
    errno.EDQUOT: "Your quota there is used up: make room, then save again.",
    errno.EFBIG: "The file would be larger than is allowed there.",
}
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


def replace_file(path: Path, body: bytes, before: Callable[[], None] = lambda: None) -> None:
    """Make `body` what `path` holds. Raises `NotSaved`, and then the old file is untouched.

    A link stays a link; mode, owner and attributes stay. `before` is called when the new file lies
    on disk and is about to take its place; what it raises stops that.
    """
    target = Path(os.path.realpath(path))
    try:
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if _must_stay(target):
            before()
            _overwrite(target, body)
        else:
            _replace(target, body, before)
    except OSError as error:
        kind = ReadOnly if error.errno in _FORBIDDEN else NotSaved
        raise kind(
            f"{path.name} could not be saved: {(error.strerror or str(error)).lower()}. "
            "The file on disk is as it was.",
            hint=_HINTS.get(error.errno or 0, "Save under another name."),
        ) from error


def _must_stay(target: Path) -> bool:
    """Whether another file would not be the same: it has more names, is another user's or a mount,
    or no other file can be made beside it."""
    try:
        found = target.stat()
    except FileNotFoundError:
        return False
    foreign = os.geteuid() not in (0, found.st_uid)
    alone = os.access(target.parent, os.W_OK)
    return found.st_nlink > 1 or foreign or not alone or target.is_mount()


def _replace(target: Path, body: bytes, before: Callable[[], None]) -> None:
    temporary = _beside(target)
    descriptor = _claim(temporary)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.truncate(descriptor, 0)
            _make_alike(target, temporary)
            file.write(body)
            file.flush()
            os.fsync(descriptor)
            before()
            temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _beside(target: Path) -> Path:
    """The same for every save of a file, so that a crash leaves at most one behind."""
    name = f".{target.name}.saving"
    if len(os.fsencode(name)) > LONGEST_NAME:
        name = f".{hashlib.sha256(os.fsencode(name)).hexdigest()[:32]}.saving"
    return target.with_name(name)


def _claim(temporary: Path) -> int:
    """The temporary file, open, ours alone until it is closed."""
    while True:
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        with suppress(OSError):  # some network disks have no locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            if os.path.samestat(os.fstat(descriptor), temporary.stat()):
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)  # who held it has made it the file meanwhile


def _make_alike(target: Path, temporary: Path) -> None:
    """Give the new file the mode, owner and attributes of the old one."""
    try:
        found = target.stat()
    except FileNotFoundError:
        return
    if os.geteuid() == 0 or found.st_gid != temporary.stat().st_gid:
        with suppress(PermissionError):
            os.chown(temporary, found.st_uid, found.st_gid)
    with suppress(OSError):
        shutil.copystat(target, temporary)


def _overwrite(target: Path, body: bytes) -> None:
    """Write into the file itself, its room taken first; a failure puts back what was there."""
    with target.open("r+b") as file:
        old = file.read()
        _take_room(file.fileno(), len(body), len(old))
        try:
            _write_all(file.fileno(), body)
        except OSError:
            _write_all(file.fileno(), old)
            raise


def _take_room(descriptor: int, wanted: int, had: int) -> None:
    if wanted <= had:
        return
    try:
        os.posix_fallocate(descriptor, 0, wanted)
    except OSError as error:
        os.ftruncate(descriptor, had)
        if error.errno not in (
            errno.EINVAL,
            errno.EOPNOTSUPP,
        ):  # those: the disk knows no such call
            raise


def _write_all(descriptor: int, body: bytes) -> None:
    at = 0
    while at < len(body):
        at += os.pwrite(descriptor, body[at:], at)
    os.ftruncate(descriptor, len(body))
    os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    """So that the new name outlives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
