"""The runtime's half of `ropeway resume`: the environment of before, and the files at home.

Standard library only.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ropeway.artefacts import File
from ropeway.kernel import environment, folder, road
from ropeway.kernel.environment import Tell
from ropeway.kernel.sender import Home
from ropeway.kernel.words import bytes_text, files_text


def prepare(*, install: bool, replace: bool, tell: Tell = print) -> None:
    """Make this kernel one in which the notebook can go on; `tell` hears of each step.

    Without `install` the packages that differ are only told, without `replace` no installed one is
    changed. Raises `Refused` where the artefacts may not come to this runtime.
    """
    home = Home(road.artefacts)
    told = home.open()
    if before := told["environment"]:
        _environment(before, tell, install=install, replace=replace)
    brought = bring(home, Path.cwd(), "", told["files"], tell)
    tell(f"{len(brought)} of {files_text(len(told['files']))} brought to {Path.cwd()}.")


def bring(
    home: Home,
    base: Path,
    name: str,
    files: Iterable[Mapping[str, Any]] | None = None,
    tell: Tell = lambda line: None,
) -> list[Path]:
    """Bring the files that home has of the folder `name`, of all where it is empty, below `base`.

    Each takes its place in one step once it is whole and its hashes fit. One that is here and newer
    stays.
    """
    found = home.open()["files"] if files is None else files
    brought = []
    for each in sorted(found, key=lambda told: str(told["path"])):
        path = str(each["path"])
        if name and not path.startswith(f"{name}/"):
            continue
        if _is_newer(base / path, int(each["mtime"])):
            tell(f"{path} stays: it is newer here.")
            continue
        file = home.describe(path)
        if folder.described(path, base) != file:
            write(home, file, base / path)
            tell(f"{path} · {bytes_text(file.size)}")
        brought.append(base / path)
    return brought


def _environment(before: Mapping[str, Any], tell: Tell, *, install: bool, replace: bool) -> None:
    now = environment.recorded()
    for line in environment.told_differences(before, now):
        tell(line)
    packages = environment.wanted(before, now)
    if not packages:
        tell(f"{len(before['used'])} packages are as they were.")
        return
    listed = ", ".join(f"{name} {version}" for name, version in packages.items())
    if not install:
        tell(f"Not installed: {listed}.")
        return
    tell(f"Installing {listed}.")
    for line in environment.install(packages, tell, replace=replace):
        tell(line)


def _is_newer(path: Path, mtime: int) -> bool:
    try:
        return path.stat().st_mtime_ns > mtime
    except OSError:
        return False


def write(home: Home, file: File, path: Path) -> None:
    """Bring a file, which takes its place in one step once it is whole and its hashes fit."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{uuid.uuid4().hex}{folder.COMING}")
    try:
        with fresh.open("xb") as out:
            for chunk in home.fetch(file):
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        os.utime(fresh, ns=(file.mtime, file.mtime))
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
