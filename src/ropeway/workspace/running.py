"""Workspaces that run: each says in a private file where it listens."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from ropeway import config


def state_file(root: Path) -> Path:
    """Where the workspace of a folder says that it runs."""
    return config.workspace_state_path(root) / "workspace.json"


def announce(root: Path, url: str, token: str, *, public: str = "", fingerprint: str = "") -> None:
    """Say that this process serves the folder.

    Others reach it at `public`, where that is another URL, and should pin `fingerprint` where no
    authority vouches for its certificate.
    """
    config.workspace_state_dir(root)
    body = {"url": url, "token": token, "pid": os.getpid()}
    body |= {"public": public or url, "fingerprint": fingerprint}
    config.write_private(state_file(root), json.dumps(body))


def withdraw(root: Path) -> None:
    """Take back what `announce` said."""
    state_file(root).unlink(missing_ok=True)


def claim(root: Path) -> config.Claim | None:
    """The right to serve a folder, for the life of this process; None when another has it."""
    mine = config.Claim(config.workspace_state_dir(root) / "workspace.lock")
    for _ in range(20):  # `running_workspace` of somebody else holds it for an instant
        if mine.take():
            return mine
        time.sleep(0.01)
    mine.release()
    return None


def running_workspace(root: Path) -> dict[str, Any] | None:
    """Where the workspace of a folder listens (`url`, `token`, `pid`), if it runs."""
    path = state_file(root)
    lock = path.with_name("workspace.lock")
    if not path.is_file() or not lock.is_file():
        return None
    probe = config.Claim(lock)
    free = probe.take()
    probe.release()
    try:
        state = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return state if not free and isinstance(state, dict) and "url" in state else None


def find_root(start: Path) -> Path:
    """The folder of the workspace that a file or folder belongs to.

    One that a running workspace serves, else the folder of the nearest `ropeway.toml`, else the
    current folder where that holds `start`, else the folder of `start` itself.
    """
    start = start.resolve()
    folder = start if start.is_dir() else start.parent
    for candidate in (folder, *folder.parents):
        if running_workspace(candidate) is not None:
            return candidate
    project = config.find_project(folder)
    if project is not None:
        return project.parent
    here = Path.cwd()
    return here if folder.is_relative_to(here) else folder
