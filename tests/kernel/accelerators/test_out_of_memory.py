"""A full device: the error says who holds the memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ropeway as rw
from ropeway.kernel.accelerators.out_of_memory import is_out_of_memory, who_holds
from support.gpus import Nvml, gpu

_TESTS = Path(__file__).resolve().parents[2]


def _error(name: str, module: str, text: str = "", base: type[Exception] = RuntimeError) -> Any:
    return type(name, (base,), {"__module__": module})(text)


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (_error("OutOfMemoryError", "torch", "CUDA out of memory."), True),
        (_error("OutOfMemoryError", "torch.cuda"), True),
        (_error("ResourceExhaustedError", "tensorflow.python.framework.errors_impl"), True),
        (_error("JaxRuntimeError", "jax.errors", "RESOURCE_EXHAUSTED: Out of memory"), True),
        (_error("XlaRuntimeError", "jaxlib.xla_extension", "RESOURCE_EXHAUSTED: Out"), True),
        (_error("XlaRuntimeError", "jaxlib.xla_extension", "INTERNAL: no"), False),
        (_error("OutOfMemoryError", "duckdb"), False),
        (RuntimeError("CUDA error"), False),
        (None, False),
    ],
)
def test_which_errors_are_meant(error: Any, is_one: bool) -> None:
    """The errors that PyTorch (`torch.OutOfMemoryError`), TensorFlow
    (`tf.errors.ResourceExhaustedError`) and JAX (`RESOURCE_EXHAUSTED`) document, and no others."""
    assert is_out_of_memory(error) is is_one


def test_an_error_made_of_one_is_meant() -> None:
    """A library that wraps the error hides nothing; what refers to itself ends."""
    outer = ValueError("training failed")
    outer.__context__ = _error("OutOfMemoryError", "torch")
    assert is_out_of_memory(outer)
    ring = ValueError()
    ring.__cause__ = ValueError()
    ring.__cause__.__cause__ = ring
    assert not is_out_of_memory(ring)


def test_it_says_what_to_do(nvml: Callable[..., Nvml]) -> None:
    """What is free, who holds the rest and whose it is to free; nothing where nobody is known."""
    nvml([gpu("GPU-1", processes={2**30: 30 << 30})])
    assert who_holds(rw.accelerator()) == (
        "NVIDIA H200 has 107.4 GB of 150.3 GB free; its memory is held by "
        "a process (pid 1073741824) 32.2 GB. "
        "End or restart the others to free their part (View > Resources)."
    )
    nvml([gpu("GPU-1")])
    assert who_holds(rw.accelerator()) == ""


@pytest.mark.asyncio(loop_scope="module")
async def test_a_cell_says_it_below_the_error(notebook: Any) -> None:
    """In a kernel the sentence stands below the traceback, of such errors only."""
    prepared = await notebook.run(
        f"import os, sys; sys.path.insert(0, {str(_TESTS)!r})\n"
        "os.environ.pop('CUDA_VISIBLE_DEVICES', None)\n"
        "from support.gpus import Nvml, gpu\n"
        "sys.modules['pynvml'] = Nvml([gpu('GPU-1', processes={os.getpid(): 30 << 30})])\n"
        "full = type('OutOfMemoryError', (RuntimeError,), {'__module__': 'torch'})"
    )
    prepared.ok()
    ran = await notebook.run("raise full('CUDA out of memory.')")
    assert ran.errors == ["OutOfMemoryError: CUDA out of memory."]
    assert "held by this kernel 32.2 GB. Drop what this kernel does not need" in ran.text
    other = await notebook.run("1/0")
    assert other.errors
    assert other.text == ""
