"""`google.colab.drive`: the drive, a folder at home, where notebooks of Colab look for it.

Below the mountpoint it is found as `MyDrive` and as `My Drive`, since notebooks write both.
"""

from __future__ import annotations

import os
import shutil
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ropeway.errors import RopewayError
from ropeway.kernel.colab import _message

if TYPE_CHECKING:
    from ropeway.kernel.checkpoint import Checkpoint
    from ropeway.kernel.mirror import DriveHome

__all__ = ["flush_and_unmount", "mount"]

_NAMES = ("MyDrive", "My Drive")

_NOTE = ".ropeway-drive"
"""What a mirror keeps beside it."""

_USUAL = ("/content/drive", "/content/gdrive")
"""Where an earlier process of this kernel may have mounted it."""

_mounted: dict[Path, tuple[Checkpoint, DriveHome] | None] = {}
"""Where it is, and what mirrors it there on a machine that is not home."""


def mount(
    mountpoint: str, force_remount: bool = False, timeout_ms: int = 120000, readonly: bool = False
) -> None:
    """Show the drive below a folder, which is made.

    Raises `ValueError` where the mountpoint cannot be one, or home lets this runtime have no drive.
    """
    if " " in mountpoint:
        raise ValueError("Mountpoint must not contain a space.")
    place = Path(mountpoint).expanduser().absolute()
    folder = _folder_at_home(mountpoint, timeout_ms / 1000)
    if not force_remount and _shows(place, folder):
        _mounted.setdefault(place, None)
        print(
            f"Drive already mounted at {mountpoint}; to attempt to forcibly remount, call "
            f'drive.mount("{mountpoint}", force_remount=True).'
        )
        return
    _check(place)
    _make(place)
    _show(place, folder, readonly=readonly)
    print(f"Mounted at {mountpoint}")


def flush_and_unmount(timeout_ms: int = 24 * 60 * 60 * 1000) -> None:
    """Take the drive away from where it is mounted, once every file is at home.

    Raises `RopewayError` where that cannot be, and what is mirrored stays.
    """
    usual = [each for each in map(Path, _USUAL) if (each / _NAMES[0]).is_symlink()]
    found = {*_mounted, *usual}
    if not found:
        print("Drive not mounted, so nothing to flush and unmount.")
    for place in found:
        mirrored = _mounted.get(place)
        if mirrored is not None:
            mirrored[0].flush(timeout_ms / 1000)
            mirrored[0].stop()
            shutil.rmtree(place / _NAMES[0])
            (place / _NOTE).unlink()
        _mounted.pop(place, None)
        _take_away(place)
        with suppress(OSError):  # somebody keeps something else there
            place.rmdir()


def _show(place: Path, folder: Path | None, *, readonly: bool) -> None:
    """Have the drive below a folder: as a link where it is at home, else as a mirror."""
    if folder is not None:
        _take_away(place)
        (place / _NAMES[0]).symlink_to(folder, target_is_directory=True)
        _mounted[place] = None
    if not (place / _NAMES[1]).is_symlink():
        (place / _NAMES[1]).symlink_to(_NAMES[0], target_is_directory=True)
    if folder is None:
        _mirror(place)
    if readonly:
        warnings.warn("Cells can write to the drive all the same.", stacklevel=3)


def _mirror(place: Path) -> None:
    from ropeway.kernel.mirror import mirror

    before = _mounted.get(place)
    try:
        if before is not None:
            before[0].flush()
            before[0].stop()
        _mounted[place] = mirror(place, _NAMES[0], before[1] if before else None)
    except RopewayError as error:
        if not (place / _NAMES[0]).exists():  # nothing of it is here
            _take_away(place)
            place.rmdir()
        raise ValueError(f"mount failed: {error}") from None


def _folder_at_home(mountpoint: str, patience: float) -> Path | None:
    try:
        told = _message.blocking_request("ropeway_drive", {"mountpoint": mountpoint}, patience)
    except _message.MessageError as error:
        raise ValueError(f"mount failed: {error}") from None
    except TimeoutError:
        raise ValueError("mount failed: home did not answer in time.") from None
    return Path(told["folder"]) if told["folder"] else None


def _shows(place: Path, folder: Path | None) -> bool:
    if folder is None:
        return _mounted.get(place) is not None
    return all((place / each).is_dir() and (place / each).samefile(folder) for each in _NAMES)


def _check(place: Path) -> None:
    """Raises what Colab raises for a mountpoint that cannot be one."""
    if place.is_symlink():
        raise ValueError("Mountpoint must not be a symlink")
    if place.is_dir():
        mirrored = (place / _NAMES[1]).is_symlink() and not (place / _NAMES[0]).is_file()
        links = all(each.is_symlink() or mirrored for each in place.iterdir())
        if not links or not {each.name for each in place.iterdir()} <= {*_NAMES, _NOTE}:
            raise ValueError("Mountpoint must not already contain files")
    elif place.exists():
        raise ValueError("Mountpoint must either be a directory or not exist")


def _make(place: Path) -> None:
    try:
        place.mkdir(parents=True, exist_ok=True)
        writable = os.access(place, os.W_OK)
    except OSError:
        writable = False
    if writable:
        return
    missing = place
    while not missing.parent.exists():
        missing = missing.parent
    raise ValueError(
        f"Mountpoint must be in a directory that exists, and {missing} cannot be made by this "
        f"kernel. Either run once in a terminal of this machine: sudo install -d -o $USER {missing}"
        " or mount at a path from here: drive.mount('drive')"
    )


def _take_away(place: Path) -> None:
    for name in _NAMES:
        if (place / name).is_symlink():
            (place / name).unlink()
