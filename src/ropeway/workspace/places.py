"""The runtimes as they are now, for what needs a GPU: measured where that is not known."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType

from ropeway import wire
from ropeway.notebooks.needs import Need
from ropeway.workspace import needs
from ropeway.workspace.provisioner import RuntimeProvisioner
from ropeway.workspace.registry import Registry, Runtime
from ropeway.workspace.usage import known

CONNECT_SECONDS = 5.0
"""Seconds that a runtime which is being connected may take, so that it can be picked."""

_LOOK = 0.05


async def choices(
    registry: Registry,
    need: Need,
    own: str,
    *,
    kernels: Mapping[str, str] = MappingProxyType({}),
    admits: Callable[[Runtime], bool] = lambda runtime: True,
) -> tuple[wire.Choice, ...]:
    """`needs.choices` for a notebook on the runtime `own`; never raises.

    `kernels` are the notebook's own (this workspace's ids) by their runtime. Others than these are
    left out unless `admits` says yes.
    """
    found = [
        runtime
        for runtime in registry.runtimes.values()
        if runtime.name == own or runtime.name in kernels or admits(runtime)
    ]
    near = registry.runtimes.get(own)
    # Nobody's code or values go to anybody's machine unless somebody names it.
    strange = near is None or near.provider.runtime_class != "public"
    places = await asyncio.gather(
        *(_place(runtime, own, kernels.get(runtime.name, ""), strange) for runtime in found)
    )
    return needs.choices(need, [place for place in places if place is not None])


async def _place(runtime: Runtime, own: str, kernel: str, strange: bool) -> needs.Place | None:
    """None for a runtime that is out of reach, unless the notebook runs there.

    `strange`: a public one would be a stranger.
    """
    await _connected(runtime)
    is_own = runtime.name == own
    if runtime.state != "connected":
        return needs.Place(runtime.name, own=True) if is_own else None
    usage = await known(runtime, kernels=bool(kernel))
    return needs.Place(
        runtime.name,
        usage.gpus if usage is not None else None,
        own=is_own,
        companion=bool(kernel) and not is_own,
        held=_held(usage, kernel) if kernel else 0,
        unasked=is_own or bool(kernel) or not strange or runtime.provider.runtime_class != "public",
    )


async def _connected(runtime: Runtime) -> None:
    """Wait a moment for a runtime that is being looked at for the first time."""
    for _ in range(round(CONNECT_SECONDS / _LOOK)):
        if runtime.state != "connecting":
            return
        await asyncio.sleep(_LOOK)


def _held(usage: wire.Usage | None, kernel: str) -> int | None:
    """What a kernel of this workspace holds of the GPUs there; None where nobody tells."""
    provisioner = RuntimeProvisioner.live.get(kernel)
    if usage is None or provisioner is None:
        return None
    return next((each.gpu for each in usage.kernels if each.id == provisioner.remote_id), None)
