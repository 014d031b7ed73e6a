"""Arrays and tensors as raw memory: those of NumPy, PyTorch, TensorFlow and JAX.

A tensor travels as the NumPy array that it is, and becomes one of its framework again where that is
installed; else it stays an array.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from ropeway.errors import BadInput
from ropeway.kernel.arrow import package

_KINDS = "biufcmMSU"
"""Of NumPy's types those whose memory means the same in every process."""

_FRAMEWORKS = {
    ("torch", "Tensor"): "torch",
    ("tensorflow", "EagerTensor"): "tensorflow",
    ("jaxlib", "ArrayImpl"): "jax",
}


def raw(value: Any) -> tuple[dict[str, Any], Any] | None:
    """What describes the array, and its memory; None for what is none, or holds objects."""
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return None
    like, array = _as_array(numpy, value)
    if array is None or array.dtype.kind not in _KINDS or not array.dtype.itemsize:
        return None
    order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    flat = (array.T if order == "F" else numpy.ascontiguousarray(array)).reshape(-1)
    head = {"like": like, "dtype": array.dtype.str, "shape": array.shape, "order": order}
    return head, flat.view(numpy.uint8)


def restored(head: dict[str, Any], fill: Callable[[Any], None]) -> Any:
    """The array or tensor; `fill` writes its bytes into memory that is given. Raises `BadInput`."""
    numpy = package("numpy")
    dtype, shape = numpy.dtype(str(head["dtype"])), tuple(int(n) for n in head["shape"])
    if dtype.kind not in _KINDS or any(n < 0 for n in shape):
        raise BadInput("What came is no array.")
    size = dtype.itemsize
    for count in shape:
        size *= count
    memory = numpy.empty(size, numpy.uint8)
    if size:
        fill(memoryview(memory))
    array = memory.view(dtype).reshape(shape, order="F" if head["order"] == "F" else "C")
    return _LIKE.get(str(head["like"]), lambda found: found)(array)


def _as_array(numpy: Any, value: Any) -> tuple[str, Any]:
    if type(value) is numpy.ndarray:
        return "numpy", value
    if isinstance(value, numpy.generic):
        return "scalar", numpy.asarray(value)
    kind = type(value)
    framework = _FRAMEWORKS.get((kind.__module__.split(".")[0], kind.__name__), "")
    try:
        if framework == "torch":
            return framework, value.detach().cpu().numpy()
        if framework:
            return framework, numpy.asarray(value)
    except (TypeError, RuntimeError):  # types that NumPy lacks, tensors without memory
        pass
    return "", None


def _torch(array: Any) -> Any:
    return import_module("torch").from_numpy(array)


def _tensorflow(array: Any) -> Any:
    return import_module("tensorflow").constant(array)


def _jax(array: Any) -> Any:
    return import_module("jax.numpy").asarray(array)


def _or_array(made: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def restored(array: Any) -> Any:
        try:
            return made(array)
        except ImportError:
            return array

    return restored


_LIKE: dict[str, Callable[[Any], Any]] = {
    "scalar": lambda array: array[()],
    "torch": _or_array(_torch),
    "tensorflow": _or_array(_tensorflow),
    "jax": _or_array(_jax),
}
