"""This workspace's kernels on its runtimes: who runs where, for the page's session list."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

from ropeway import wire
from ropeway.workspace.provisioner import RuntimeProvisioner


def on_runtime(runtime: str) -> dict[str, RuntimeProvisioner]:
    """The workspace's kernels on a runtime, by the workspace's kernel id."""
    return {k: p for k, p in RuntimeProvisioner.live.items() if p.place == runtime}


def counts() -> Counter[str]:
    """How many kernels of this workspace run on each runtime."""
    return Counter(provisioner.place for provisioner in RuntimeProvisioner.live.values())


def local_id(runtime: str, remote_id: str) -> str | None:
    """The workspace's id of a runtime's kernel, or None when it is a stranger's."""
    found = (k for k, p in on_runtime(runtime).items() if p.remote_id == remote_id)
    return next(found, None)


def describe(runtime: str, model: Mapping[str, Any], paths: Mapping[str, str]) -> wire.Session:
    """A kernel of a runtime as the session list shows it."""
    remote_id = str(model["id"])
    local = local_id(runtime, remote_id)
    return wire.Session(
        remote_id,
        str(model.get("name", "")),
        str(model.get("execution_state", "unknown")),
        local,
        paths.get(local) if local else None,
        model.get("last_activity"),
    )


async def own_kernels(runtime: str) -> list[dict[str, Any]]:
    """The runtime's models of this workspace's kernels there, asked one by one."""
    found = await asyncio.gather(
        *(provisioner.remote_model() for provisioner in on_runtime(runtime).values())
    )
    return [model for model in found if model is not None]


async def shut_down_all(kernel_manager: Any, runtime: str) -> None:
    """End every kernel of this workspace on a runtime."""
    ids = [kernel_id for kernel_id in on_runtime(runtime) if kernel_id in kernel_manager]
    await asyncio.gather(*(kernel_manager.shutdown_kernel(kernel_id) for kernel_id in ids))
