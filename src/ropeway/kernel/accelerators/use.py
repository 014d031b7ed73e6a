"""`rw.use_accelerator`: every framework on the accelerator, one call."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from ropeway.errors import BadInput, NoAccelerator
from ropeway.kernel.accelerators import frameworks
from ropeway.kernel.accelerators.device import Accelerator
from ropeway.kernel.accelerators.frameworks import GPUS, Setup
from ropeway.kernel.accelerators.here import accelerator
from ropeway.kernel.accelerators.imported import when_imported
from ropeway.kernel.accelerators.share import GROWTH, Share

_FALLBACKS = ("cpu", "ask", "error")
_LOOKED = "NVIDIA GPUs (CUDA), AMD GPUs (ROCm), TPUs and Apple's GPU"


@dataclass(frozen=True)
class InUse:
    """The device to compute on in each framework's words; as text it is PyTorch's.

    A framework that is loaded and cannot use the accelerator gets the CPU.
    """

    accelerator: Accelerator

    @property
    def kind(self) -> str:
        """`cuda`, `rocm`, `tpu`, `mps` or `cpu`."""
        return self.accelerator.kind

    @property
    def torch(self) -> str:
        """For `model.to(...)` and `device=`: `cuda:0`, `mps`, `xla` (with torch_xla) or `cpu`."""
        if self.kind == "tpu":
            return "xla" if find_spec("torch_xla") else "cpu"
        module: Any = sys.modules.get("torch")
        sees = self.kind in GPUS and (not module or frameworks.torch_sees(module, self.kind))
        return ("mps" if self.kind == "mps" else "cuda:0") if sees else "cpu"

    @property
    def tensorflow(self) -> str:
        """For `with tf.device(...)`: `/GPU:0`, `/TPU:0` or `/CPU:0`."""
        if self.kind == "tpu":
            return "/TPU:0"
        module: Any = sys.modules.get("tensorflow")
        sees = self.kind in GPUS and (not module or module.config.list_physical_devices("GPU"))
        return "/GPU:0" if sees else "/CPU:0"

    @property
    def jax(self) -> str:
        """For `jax.devices(...)[0]`: `gpu`, `tpu` or `cpu`. On Apple's GPU JAX has the CPU."""
        word = {"cuda": "gpu", "rocm": "gpu", "tpu": "tpu"}.get(self.kind, "cpu")
        if frameworks.jax_has_begun():
            blind = sys.modules["jax"].default_backend() == "cpu"
        else:
            blind = os.environ.get("JAX_PLATFORMS") == "cpu"
        return "cpu" if blind else word

    def __str__(self) -> str:
        return self.torch

    def __repr__(self) -> str:
        words = f"PyTorch {self.torch!r}, TensorFlow {self.tensorflow!r}, JAX {self.jax!r}"
        return f"{self.accelerator!r}\n{words}"


def use_accelerator(memory: str | float = GROWTH, fallback: str = "cpu") -> InUse:
    """Set TensorFlow, PyTorch and JAX up for what this machine has, those that are imported later
    too, and give the device to use in each one's words.

    `memory`: `"growth"` takes it as it is needed, `"8GB"` or `0.5` (a fraction) is the most of each
    device. `fallback`, where there is no accelerator: `"cpu"` goes on on the CPU with a sentence,
    `"ask"` asks first, `"error"` raises `NoAccelerator`. Where it is too late for a setting it says
    so. PyTorch multiplies matrices in TF32, as the other two do.

        device = rw.use_accelerator(memory="growth")
        model.to(device.torch)
    """
    share = Share.parse(memory)
    if fallback not in _FALLBACKS:
        raise BadInput(
            f"fallback={fallback!r} is none.", hint='Say fallback="cpu", "ask" or "error".'
        )
    found = accelerator()
    if found.kind == "cpu":
        _without(found, fallback)
    elif found.kind in GPUS:
        for device in found.devices:
            share.check(device.name, device.memory_total)
    setup = Setup(found.kind, share, tuple(device.memory_total for device in found.devices))
    changed = frameworks.environment(setup)
    when_imported("torch", partial(_set_up, frameworks.torch, setup))
    when_imported("tensorflow", partial(_set_up, frameworks.tensorflow, setup))
    when_imported("jax", partial(_set_up, partial(frameworks.jax, changed=changed), setup))
    return InUse(found)


def _without(found: Accelerator, fallback: str) -> None:
    """Say, ask or raise: there is only the CPU."""
    missing = " ".join(filter(None, ("No accelerator can be used here.", found.problem)))
    if fallback == "cpu":
        print(f"{missing} Frameworks compute on the CPU.")
    elif fallback == "error" or not _agreed(missing):
        raise NoAccelerator(
            f"{missing} Looked for {_LOOKED}.",
            hint="Move the notebook to a runtime that has one, or say "
            'rw.use_accelerator(fallback="cpu").',
            problem=found.problem,
        )


def _agreed(missing: str) -> bool:
    """Whether somebody is there and says yes."""
    try:
        return input(f"{missing} Go on on the CPU? [y/n] ").strip().lower() in ("y", "yes")
    except (EOFError, OSError, RuntimeError):  # nobody can be asked: headless
        return False


def _set_up(how: Any, setup: Setup, module: ModuleType) -> None:
    try:
        said = how(module, setup)
    except Exception as error:  # noqa: BLE001  # an import must not fail for our sake
        said = f"{module.__name__} could not be set up: {type(error).__name__}: {error}"
    if said:
        print(said)
