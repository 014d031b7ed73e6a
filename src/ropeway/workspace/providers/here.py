"""The runtime on this machine: a process like any other runtime, so there is one code path.

It outlives a workspace that is killed, and the next one takes it over.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ropeway import config
from ropeway.workspace.address import HERE, Address
from ropeway.workspace.process import ServerProcess
from ropeway.workspace.registry import Runtime


def here_process(root: Path) -> ServerProcess:
    """The process of the runtime `here` for the workspace at `root`."""
    state = config.workspace_state_dir(root) / "here.json"
    command = [sys.executable, "-m", "ropeway.runtime", str(root.resolve()), str(state)]
    return ServerProcess("runtime here", command, state, root)


def here_users(root: Path) -> config.Claim:
    """Shared by everybody who uses the runtime `here` of a folder; who is alone may end it."""
    return config.Claim(config.workspace_state_dir(root) / "here.lock")


async def here_runtime(process: ServerProcess, timeout: float) -> Runtime:
    """The runtime `here`, once its server answers; a leftover that does not is replaced."""
    process.launch()
    for last_try in (False, True):
        server = await process.ready()
        runtime = Runtime(HERE, Address(server.url.rstrip("/"), server.token), timeout)
        try:
            await runtime.client.check()
        except Exception:
            await runtime.client.aclose()
            if last_try:
                raise
            await process.stop()
            process.launch()
        else:
            return runtime
    raise AssertionError("unreachable")
