"""What Python code runs in: recorded with the artefacts, and made anew on another runtime.

Standard library only.
"""

from __future__ import annotations

import importlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from ropeway import artefacts
from ropeway.kernel import usage

Tell = Callable[[str], None]
Folders = tuple[tuple[str, int], ...]

_SITES = ("site-packages", "dist-packages")
_ERROR = re.compile("^error: ", re.IGNORECASE)
_one_at_a_time = Lock()


def recorded() -> dict[str, Any]:
    """This kernel's environment: Python, packages with versions, which of them it has `used`, and
    GPUs."""
    packages = installed()
    return {
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),  # noqa: UP017
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "machine": platform.machine(),
        "packages": packages,
        "used": used(packages),
        "gpus": [gpu.name for gpu in usage.usage(Path()).gpus],
    }


def stamp() -> tuple[int, Folders]:
    """Differs when packages were installed, removed or imported for the first time."""
    return len(sys.modules), _folders()


def installed() -> dict[str, str]:
    """The version of each package by its name."""
    return dict(_packages().versions)


def used(packages: Mapping[str, str]) -> list[str]:
    """Those of which something was imported."""
    loaded = {name.partition(".")[0] for name in list(sys.modules)}
    owners = _packages().owners
    return sorted({owner for name in loaded for owner in owners.get(name, ())} & set(packages))


class _Packages(NamedTuple):
    """The version of each package, and the packages of each module."""

    versions: Mapping[str, str]
    owners: Mapping[str, set[str]]


def _packages() -> _Packages:
    with _one_at_a_time:
        return _found(_folders())


def _folders() -> Folders:
    """Where packages are installed, and when that changed last."""
    found = []
    for each in sys.path:
        if os.path.basename(each) in _SITES:  # noqa: PTH119
            with suppress(OSError):
                found.append((each, os.stat(each).st_mtime_ns))  # noqa: PTH116
    return tuple(found)


# Half a second for 200 packages, so only once for as long as nothing is installed. The library's
# `packages_distributions` reads all of their metadata once more, and asks the disk for each of
# their files since Python 3.12.
@lru_cache(maxsize=1)
def _found(folders: Folders) -> _Packages:
    from importlib import metadata  # 20 ms, which a kernel's start need not spend

    versions: dict[str, str] = {}
    owners: defaultdict[str, set[str]] = defaultdict(set)
    for each in metadata.distributions():
        with suppress(KeyError, TypeError, AttributeError):
            name, version = plain(each.metadata["Name"]), each.version
            if artefacts.is_package(name, version):
                versions.setdefault(name, version)
                for module in _modules(each):
                    owners[module].add(name)
    return _Packages(dict(sorted(versions.items())), owners)


def _modules(package: Any) -> set[str]:
    """The modules of a package at the top: as it names them, else as its files are called."""
    named = package.read_text("top_level.txt")
    if named:
        return set(named.split())
    files = (line.partition(",")[0] for line in (package.read_text("RECORD") or "").splitlines())
    tops = {path.partition("/")[0] for path in files}
    return {top.partition(".")[0] for top in tops if not top.endswith((".dist-info", ".data"))}


def plain(name: str) -> str:
    """A package's name as all spellings of it are."""
    return re.sub(r"[-_.]+", "-", name).lower()


def wanted(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, str]:
    """The packages that code used there and that are missing or of another version here, with the
    version to install. What this kernel itself already runs on stays as it is."""
    there, here, busy = before["packages"], now["packages"], set(now["used"])
    return {
        name: _public(there[name])
        for name in before["used"]
        if name in there and name not in busy and name != "ropeway"
        if artefacts.is_package(name, there[name])
        if _public(here.get(name, "")) != _public(there[name])
    }


def told_differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What no installation can change, in sentences."""
    old, new = before["python"].rsplit(".", 1)[0], now["python"].rsplit(".", 1)[0]
    if old != new:
        yield f"Python is {now['python']} here and was {before['python']}."
    if before["machine"] != now["machine"]:
        yield f"The machine is {now['machine']} here and was {before['machine']}."
    if before["gpus"] != now["gpus"]:
        yield f"GPU: {_list(now['gpus'])} here, was {_list(before['gpus'])}."


def install(packages: Mapping[str, str], tell: Tell, *, replace: bool = True) -> list[str]:
    """Install these packages beside this Python, with uv where it is there, else with pip; returns
    sentences on what could not be had.

    Where not all can be had together, each is tried alone. Without `replace` no version that is
    installed is changed.
    """
    here = installed()
    failed: list[str] = []
    if not replace:
        failed = [_stays(name, here[name], packages[name]) for name in packages if name in here]
        packages = {name: version for name, version in packages.items() if name not in here}
    pins, fixed = [f"{name}=={packages[name]}" for name in packages], {} if replace else here
    if pins and (why := _run(pins, tell, fixed)):
        if len(pins) > 1:
            tell(f"Not all together: {why}. Trying them one by one.")
        for name, version in packages.items():
            lone = why if len(pins) == 1 else _run([f"{name}=={version}"], tell, fixed)
            if lone:
                failed.append(f"{name} {version} could not be installed: {lone}.")
    importlib.invalidate_caches()
    return failed


def _run(pins: list[str], tell: Tell, fixed: Mapping[str, str]) -> str:
    """Why it failed, in a line; empty when it went well."""
    command = [*_installer(), *pins]
    with tempfile.TemporaryDirectory() as folder:
        if fixed:
            kept = Path(folder) / "fixed.txt"
            kept.write_text("".join(f"{name}=={version}\n" for name, version in fixed.items()))
            command += ["-c", str(kept)]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        ) as process:
            assert process.stdout is not None
            said = []
            for line in process.stdout:
                if line.strip():
                    said.append(line.strip())
                    tell(f"  {line.rstrip()}")
    if process.returncode == 0:
        return ""
    errors = [line for line in said if "error" in line.lower()] or said or ["it said nothing"]
    return _ERROR.sub("", errors[-1]).rstrip(".")


def _installer() -> list[str]:
    uv = shutil.which("uv")
    if uv is not None:
        return [uv, "pip", "install", "--python", sys.executable]
    return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]


def _stays(name: str, here: str, there: str) -> str:
    return f"{name} stays at {here}, was {there}: what home runs on is not changed."


def _public(version: str) -> str:
    """Without what only its builder's own index knows, as in 2.4.0+cu121."""
    return version.partition("+")[0]


def _list(names: list[str]) -> str:
    return ", ".join(names) or "none"
