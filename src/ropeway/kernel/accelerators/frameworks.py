"""TensorFlow, PyTorch and JAX set up for an accelerator, each as its documentation says.

None of them is imported here. A function takes the framework's module and gives a sentence on what
could not be done, or nothing.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Any

from ropeway.kernel.accelerators.share import Share

GPUS = ("cuda", "rocm", "mps")

_LATE = (
    "{} computes already: its memory stays as it is until this kernel restarts. Call "
    "rw.use_accelerator before the first use of {}."
)
_BLIND = "{} does not see this accelerator ({}): it computes on the CPU."


@dataclass(frozen=True)
class Setup:
    """What frameworks are asked for: a kind of device, and how much of each one's memory."""

    kind: str
    share: Share
    totals: tuple[int | None, ...]

    def fraction(self, device: int) -> float:
        """The most, as a fraction of the device's memory."""
        return self.share.of(self._total(device))

    def megabytes(self, device: int) -> int:
        """The most in MiB, where there is a limit."""
        return self.share.most(self._total(device) or 0) >> 20

    def _total(self, device: int) -> int | None:
        return self.totals[min(device, len(self.totals) - 1)]


def environment(setup: Setup) -> bool:
    """Set what frameworks read of the environment when they begin; whether JAX's part changed.

    TensorFlow, "Use a GPU": `TF_FORCE_GPU_ALLOW_GROWTH`. JAX, "GPU memory allocation":
    `XLA_PYTHON_CLIENT_PREALLOCATE` and `XLA_PYTHON_CLIENT_MEM_FRACTION`, whose newer name
    `XLA_CLIENT_MEM_FRACTION` must not stand beside it; "Configuration options": `JAX_PLATFORMS`.
    """
    limited = setup.share.is_limit
    if setup.kind == "cpu":
        return _set({"JAX_PLATFORMS": "cpu"})
    if setup.kind not in GPUS:
        return False
    _set({"TF_FORCE_GPU_ALLOW_GROWTH": None if limited else "true"})
    return _set(
        {
            "XLA_PYTHON_CLIENT_PREALLOCATE": None if limited else "false",
            "XLA_PYTHON_CLIENT_MEM_FRACTION": f"{setup.fraction(0):.4f}" if limited else None,
            "XLA_CLIENT_MEM_FRACTION": None,
        }
    )


def _set(values: dict[str, str | None]) -> bool:
    before = {name: os.environ.get(name) for name in values}
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    return before != values


def torch(module: Any, setup: Setup) -> str:
    """`torch.cuda.set_per_process_memory_fraction` of each device, and TF32 for matrix products
    (`torch.set_float32_matmul_precision`), as TensorFlow and JAX have it.

    PyTorch takes memory as it needs it anyway.
    """
    if setup.kind not in GPUS:
        return ""
    if not torch_sees(module, setup.kind):
        return _BLIND.format("PyTorch", module.__version__)
    limited = setup.share.is_limit
    if setup.kind == "mps":
        if limited:
            module.mps.set_per_process_memory_fraction(setup.fraction(0))
        return ""
    if limited or module.cuda.is_initialized():  # an earlier limit is lifted
        for device in range(module.cuda.device_count()):
            module.cuda.set_per_process_memory_fraction(setup.fraction(device), device)
    module.set_float32_matmul_precision("high")
    return ""


def torch_sees(module: Any, kind: str) -> bool:
    """Whether this build of PyTorch can compute there."""
    return bool((module.backends.mps if kind == "mps" else module.cuda).is_available())


def tensorflow(module: Any, setup: Setup) -> str:
    """Memory growth, or one logical device of that size ("Use a GPU", "Limiting GPU memory
    growth"). Both must be set before TensorFlow begins, and they exclude each other."""
    if setup.kind not in GPUS:
        return ""
    gpus = module.config.list_physical_devices("GPU")
    if not gpus:
        return _BLIND.format("TensorFlow", module.__version__)
    try:
        for device, gpu in enumerate(gpus):
            if setup.share.is_limit:
                _limit(module.config, gpu, setup.megabytes(device))
            else:
                module.config.experimental.set_memory_growth(gpu, True)
    except (RuntimeError, ValueError):
        return _LATE.format("TensorFlow", "it")
    return ""


def _limit(config: Any, gpu: Any, megabytes: int) -> None:
    """Raises `RuntimeError` where it is too late for that, and not where it is so already."""
    if config.experimental.get_memory_growth(gpu):
        config.experimental.set_memory_growth(gpu, False)
    size = config.LogicalDeviceConfiguration(memory_limit=megabytes)
    config.set_logical_device_configuration(gpu, [size])


def jax(module: Any, setup: Setup, *, changed: bool) -> str:
    """JAX reads the environment when it first computes; which platforms there are, at its import.

    `changed`: whether the environment says something new.
    """
    if jax_has_begun():
        return _LATE.format("JAX", "it") if changed and setup.kind != "cpu" else ""
    if setup.kind == "cpu":
        module.config.update("jax_platforms", "cpu")
    return ""


def jax_has_begun() -> bool:
    """Whether it has made its backends. It has no public name for that; where the private one is
    gone, the answer is no."""
    bridge = sys.modules.get("jax._src.xla_bridge")
    began = getattr(bridge, "backends_are_initialized", None)
    return bool(began and began())
