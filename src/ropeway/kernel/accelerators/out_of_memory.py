"""An error of a full device says below itself who holds the memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ropeway.kernel.accelerators.device import Accelerator
from ropeway.kernel.accelerators.here import accelerator
from ropeway.kernel.words import bytes_text

_DEPTH = 10
_FREE = (
    "Drop what this kernel does not need (in PyTorch then torch.cuda.empty_cache()), or restart it."
)
_OTHERS = "End or restart the others to free their part (View > Resources)."


def install(shell: Any) -> None:
    """Have this IPython shell say so below each such error."""
    shell.events.register("post_run_cell", _Tell())


@dataclass(frozen=True)
class _Tell:
    """Called after each cell, below the traceback. Equal ones are registered once."""

    def __call__(self, result: Any) -> None:
        if is_out_of_memory(result.error_in_exec) and (said := who_holds(accelerator())):
            print(said, file=sys.stderr)


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether a device was full: PyTorch's `torch.OutOfMemoryError`, TensorFlow's
    `tf.errors.ResourceExhaustedError`, JAX's `RESOURCE_EXHAUSTED`, or an error made of one."""
    return any(_is_one(each) for each in _chain(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(_DEPTH):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def _is_one(error: BaseException) -> bool:
    for kind in type(error).__mro__:
        framework = kind.__module__.partition(".")[0]
        if (framework, kind.__name__) in (
            ("torch", "OutOfMemoryError"),
            ("tensorflow", "ResourceExhaustedError"),
        ):
            return True
        if kind.__name__ in ("XlaRuntimeError", "JaxRuntimeError"):
            return str(error).startswith("RESOURCE_EXHAUSTED")
    return False


def who_holds(found: Accelerator) -> str:
    """A line on each process, and what to do; empty where the driver tells of none."""
    if not found.holders:
        return ""
    free = ", ".join(
        f"{device.name} has {bytes_text(device.memory_free)} of "
        f"{bytes_text(device.memory_total)} free"
        for device in found.devices
        if device.memory_total is not None and device.memory_free is not None
    )
    held = ", ".join(map(str, found.holders))
    ours, others = (any(each.here is here for each in found.holders) for here in (True, False))
    hints = [*([_FREE] if ours else []), *([_OTHERS] if others else [])]
    return f"{free or found.name}; its memory is held by {held}. {' '.join(hints)}"
