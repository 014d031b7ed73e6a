"""A word on packages that were installed anew while the kernel has them in use."""

from __future__ import annotations

import os
import re
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path

_INSTALLS = re.compile(r"\b(pip[\d.]*|uv|conda|mamba)\b[^|;&]*\b(install|sync|add|update)\b")


@contextmanager
def watched(command: str) -> Iterator[None]:
    """Show a word after a command that replaced packages which were imported before it."""
    if _INSTALLS.search(command) is None:
        yield
        return
    before, since = {name.partition(".")[0] for name in sys.modules}, time.time()
    yield
    packages = sorted(before & set(_installed(since)))
    if packages:
        _warn(packages)


def _installed(since: float) -> Iterator[str]:
    """The names under which packages are imported that were installed since."""
    for folder in {Path(each) for each in sys.path if each}:
        with suppress(OSError):
            for found in os.scandir(folder):
                # Some file systems know whole seconds only.
                if found.name.endswith(".dist-info") and found.stat().st_mtime >= since - 1:
                    yield from _imports(PathDistribution(Path(found.path)))


def _imports(distribution: Distribution) -> Iterator[str]:
    for file in distribution.files or ():
        top, _, rest = str(file).partition("/")
        if rest and top.isidentifier():
            yield top
        elif not rest and top.endswith(".py"):
            yield top[:-3]


def _warn(packages: list[str]) -> None:
    from IPython.display import display

    names = ",".join(packages)
    text = (
        "WARNING: The following packages were previously imported in this runtime:\n"
        f"  [{names}]\n"
        "You must restart the runtime in order to use newly installed versions."
    )
    warning = {"pip_warning": {"packages": packages}, "id": uuid.uuid4().hex}
    page = f"<pre>{text}</pre>"
    data = {
        "text/plain": text,
        "text/html": page,
        "application/vnd.colab-display-data+json": warning,
    }
    display(data, raw=True)
