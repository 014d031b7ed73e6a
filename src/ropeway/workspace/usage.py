"""What runtimes use: told by the agent, else by the kernels of ours that run there."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable
from dataclasses import replace

from ropeway import wire
from ropeway.errors import RopewayError, Unreachable
from ropeway.workspace.offered import checked_usage
from ropeway.workspace.past import APART
from ropeway.workspace.provisioner import RuntimeProvisioner
from ropeway.workspace.registry import Registry, Runtime
from ropeway.workspace.sessions import on_runtime

USAGE_REQUEST = "ropeway_usage_request"
"""A request on a Python kernel's control channel that the SDK answers, even while a cell runs."""

USAGE_SECONDS = 2.0

LATELY = 5.0
"""Seconds for which a measurement is as good as a new one."""

PATIENCE = 5.0
"""Seconds that a runtime may take to be measured while somebody waits for an answer."""


async def measure(runtime: Runtime, kernel: str = "") -> wire.Usage:
    """What it uses now, which its past remembers.

    Without the agent the kernels of this workspace there measure, or `kernel` (our id) alone.
    Raises `Unreachable` when none of them answers.
    """
    asked = runtime.agent and runtime.state == "connected"
    found = await runtime.client.usage() if asked else None
    if found is None:
        ours = on_runtime(runtime.name)
        found = _together(await _ask([ours[kernel]] if kernel in ours else ours.values()))
    if found is None:
        raise Unreachable(
            f"Runtime {runtime.name} cannot be measured right now.",
            hint="A plain Jupyter server is measured through a Python kernel that runs on it.",
        )
    runtime.past.add(found, time.monotonic())
    return found


async def known(runtime: Runtime, *, kernels: bool = False) -> wire.Usage | None:
    """What it used lately or uses now; None where nobody can tell.

    With `kernels` it is measured now, since its past knows nothing of what they hold. Never raises.
    """
    samples = runtime.past.samples(time.monotonic())
    newest = samples[-1] if samples else None
    if newest is not None and newest.ago < LATELY and not kernels:
        return newest.usage
    try:
        return await asyncio.wait_for(measure(runtime), PATIENCE)
    except (RopewayError, TimeoutError):
        return newest.usage if newest is not None else None


async def sample(registry: Registry, every: float) -> None:
    """Measure the runtimes with an agent on which kernels run, until cancelled.

    A runtime without the agent is measured while a page looks at it, and no more: its kernels have
    something else to do. Where no kernel runs, a GPU is left asleep.
    """
    every = max(every, APART)
    under_way: dict[Runtime, asyncio.Task[None]] = {}
    try:
        while True:
            under_way = {r: task for r, task in under_way.items() if not task.done()}
            for runtime in registry.runtimes.values():
                # A page may just have measured it; a clock that ticks early is no reason to wait.
                due = runtime.past.age(time.monotonic()) >= every * 0.8
                if due and runtime.agent and runtime.running and runtime not in under_way:
                    under_way[runtime] = asyncio.create_task(_sample(runtime))
            await asyncio.sleep(every)
    finally:
        for task in under_way.values():
            task.cancel()


async def _sample(runtime: Runtime) -> None:
    with contextlib.suppress(RopewayError):  # its state tells what is wrong
        if (found := await runtime.client.usage()) is not None:
            runtime.past.add(found, time.monotonic())


async def _ask(kernels: Iterable[RuntimeProvisioner]) -> list[wire.Usage]:
    found = await asyncio.gather(*(_told_by(kernel) for kernel in kernels))
    return [usage for usage in found if usage is not None]


async def _told_by(kernel: RuntimeProvisioner) -> wire.Usage | None:
    """What a kernel measures, of its own memory too."""
    if kernel.bridge is None or not kernel.linked:
        return None
    try:
        answer = await kernel.bridge.ask("control", USAGE_REQUEST, {}, USAGE_SECONDS)
    except TimeoutError:
        return None
    found = checked_usage(answer)
    if found is None:
        return None
    its_own = tuple(replace(each, id=str(kernel.remote_id)) for each in found.kernels[:1])
    return replace(found, kernels=its_own)


def _together(usages: list[wire.Usage]) -> wire.Usage | None:
    """One machine's figures, and what each kernel holds."""
    if not usages:
        return None
    return replace(usages[0], kernels=tuple(each for usage in usages for each in usage.kernels))
