"""Which kernel of a runtime is meant, where no page shows what it offers."""

from __future__ import annotations

from ropeway import wire
from ropeway.errors import NotFound, Unreachable
from ropeway.notebooks.portable import DEFAULT_KERNEL
from ropeway.workspace.registry import Registry, Runtime
from ropeway.workspace.specs import local_name


async def choose_kernel(registry: Registry, runtime_name: str, wanted: str | None) -> wire.Kernel:
    """The kernel of a runtime that somebody wants, or the runtime's default one.

    Raises `UnknownRuntime`, `Unreachable` or `NotFound`.
    """
    runtime = registry.get(runtime_name)
    if runtime.state == "connecting":
        await registry.look(runtime)
    if runtime.state != "connected":
        raise Unreachable(
            f"Runtime {runtime.name} is {runtime.state}: {runtime.detail}",
            hint="`ropeway runtimes` shows how all runtimes are.",
        )
    by_name = {kernel.name: kernel for kernel in runtime.kernels}
    if wanted is None or wanted == DEFAULT_KERNEL:
        found = by_name.get(local_name(runtime.name, DEFAULT_KERNEL)) or _default(runtime)
    else:
        found = by_name.get(local_name(runtime.name, wanted))
    if found is None:
        offered = ", ".join(sorted(by_name)) or "none"
        raise NotFound(
            f"Runtime {runtime.name} offers no kernel {wanted or DEFAULT_KERNEL}.",
            hint=f"It offers: {offered}.",
        )
    return found


def _default(runtime: Runtime) -> wire.Kernel | None:
    return next((k for k in runtime.kernels if k.name == runtime.default_kernel), None)
