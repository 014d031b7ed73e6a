"""Workspaces that run: each says in a private file where it listens."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import psutil

from ropeway import config


def state_file(root: Path) -> Path:
    """Where the workspace of a folder says that it runs."""
    return config.workspace_state_path(root) / "workspace.json"


def announce(root: Path, url: str, token: str) -> None:
    """Say that this process serves the folder."""
    config.workspace_state_dir(root)
    body = {"url": url, "token": token, "pid": os.getpid()}
    config.write_private(state_file(root), json.dumps(body))


def running_workspace(root: Path) -> dict[str, Any] | None:
    """Where the workspace of a folder listens (`url`, `token`, `pid`), if it runs."""
    try:
        state: dict[str, Any] = json.loads(state_file(root).read_text("utf-8"))
        line = " ".join(psutil.Process(state["pid"]).cmdline())
    except (OSError, ValueError, KeyError, psutil.Error):
        return None
    return state if "ropeway" in line else None


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
