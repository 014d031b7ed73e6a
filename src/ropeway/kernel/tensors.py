"""Arrays and tensors as raw memory: those of NumPy, PyTorch, TensorFlow and JAX.

A tensor travels as the NumPy array that it is, and becomes one of its framework again where that is
installed; else it stays an array.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from importlib import import_module
from math import prod
from typing import Any

from ropeway.errors import BadInput
from ropeway.kernel.arrow import package

_KINDS = "biufcmMSU"
"""Of NumPy's types those whose memory means the same in every process."""

_NARROW = {
    "bfloat16": 2,
    "float8_e4m3fn": 1,
    "float8_e4m3fnuz": 1,
    "float8_e5m2": 1,
    "float8_e5m2fnuz": 1,
    "int4": 1,
    "uint4": 1,
}
"""Bytes of the types that frameworks have and NumPy lacks, by the name that they all give them.
Their memory travels as whole numbers."""

_MOST_DIMENSIONS = 64
"""As many as NumPy has."""

_TENSOR, _PARAMETER = ("torch", "Tensor"), ("torch", "Parameter")

_FRAMEWORKS = {
    _TENSOR: "torch",
    ("tensorflow", "EagerTensor"): "tensorflow",
    ("jaxlib", "ArrayImpl"): "jax",
}


def type_of(value: Any) -> tuple[str, str]:
    """The package and the name of the value's type."""
    kind = type(value)
    return str(kind.__module__).partition(".")[0], kind.__name__


def raw(value: Any) -> tuple[dict[str, Any], Any] | None:
    """What describes the array, and its memory; None for what is none, or holds objects."""
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return None
    like, array, narrow = _as_array(numpy, value)
    if array is None or array.dtype.kind not in _KINDS or not array.dtype.itemsize:
        return None
    order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    flat = (array.T if order == "F" else numpy.ascontiguousarray(array)).reshape(-1)
    head = {"like": like, "dtype": array.dtype.str, "shape": array.shape, "order": order}
    return {**head, "narrow": narrow} if narrow else head, flat.view(numpy.uint8)


def size(head: dict[str, Any]) -> int:
    """Bytes of what the head describes. Raises `BadInput` where that is no array."""
    dtype, narrow = package("numpy").dtype(str(head["dtype"])), _narrow(head)
    if (
        dtype.kind not in _KINDS
        or len(head["shape"]) > _MOST_DIMENSIONS
        or any(int(n) < 0 for n in head["shape"])
        or (narrow and _NARROW.get(narrow) != dtype.itemsize)
    ):
        raise BadInput("What came is no array.")
    return int(dtype.itemsize) * prod(int(n) for n in head["shape"])


def of_memory(head: dict[str, Any], memory: Any) -> Any:
    """The array or tensor on that memory, which is its own. Raises `BadInput`."""
    numpy = package("numpy")
    if len(memory) != size(head):
        raise BadInput("What came is no array.")
    return _made(numpy, head, numpy.frombuffer(memory, numpy.uint8))


def reduced(value: Any) -> tuple[Any, ...] | None:
    """How a tensor of PyTorch stands in a pickle, as `__reduce__` gives it; None for other values.

    PyTorch's own way holds the memory once more, and asks the other end for the same device.
    """
    name = type_of(value)
    if name not in (_TENSOR, _PARAMETER) or vars(value) or _is_expanded(value):
        return None
    if (found := raw(value.data)) is None:
        return None
    head, memory = found
    told = name == _PARAMETER, bool(value.requires_grad)
    return rebuilt, (head, pickle.PickleBuffer(memory), *told)


def rebuilt(head: dict[str, Any], memory: Any, is_parameter: bool, grad: bool) -> Any:
    """The tensor of PyTorch that `reduced` took apart, on the CPU."""
    tensor = of_memory(head, bytearray(memory) if memoryview(memory).readonly else memory)
    if is_parameter:
        return import_module("torch.nn").Parameter(tensor, requires_grad=grad)
    if grad:
        import_module("torch")  # raises what says that it is needed: an array has no gradient
        tensor.requires_grad_()
    return tensor


def _made(numpy: Any, head: dict[str, Any], memory: Any) -> Any:
    shape = tuple(int(n) for n in head["shape"])
    order = "F" if head["order"] == "F" else "C"
    array = memory.view(numpy.dtype(str(head["dtype"]))).reshape(shape, order=order)
    narrow = _narrow(head)
    try:
        return _LIKE.get(str(head["like"]), _plain)(numpy, array, narrow)
    except ImportError:
        return _plain(numpy, array, narrow)


def _narrow(head: dict[str, Any]) -> str:
    return str(head.get("narrow") or "")


def _is_expanded(tensor: Any) -> bool:
    """Whether elements of it share their memory: PyTorch sends that once."""
    strided = tensor.layout is sys.modules["torch"].strided and tensor.device.type == "cpu"
    return strided and 0 in tensor.stride() and tensor.numel() > 1


def _as_array(numpy: Any, value: Any) -> tuple[str, Any, str]:
    """Its framework, the array, and its type where NumPy lacks that."""
    if type(value) is numpy.ndarray:
        return ("numpy", *_widened(numpy, value))
    if isinstance(value, numpy.generic):
        return ("scalar", *_widened(numpy, numpy.asarray(value)))
    framework = _FRAMEWORKS.get(type_of(value), "")
    try:
        if framework == "torch":
            return (framework, *_of_torch(value))
        if framework:
            return (framework, *_widened(numpy, numpy.asarray(value)))
    except (TypeError, RuntimeError):  # types without an array, tensors without memory
        pass
    return "", None, ""


def _widened(numpy: Any, array: Any) -> tuple[Any, str]:
    """An array of one of the narrow types, which NumPy has from ml_dtypes, as whole numbers."""
    narrow = str(array.dtype.name)
    if _NARROW.get(narrow) != array.dtype.itemsize:
        return array, ""
    return array.view(numpy.dtype(f"u{array.dtype.itemsize}")), narrow


def _of_torch(value: Any) -> tuple[Any, str]:
    torch = sys.modules["torch"]
    tensor = value.detach().cpu().resolve_conj().resolve_neg()
    narrow = str(tensor.dtype).removeprefix("torch.")
    if narrow not in _NARROW or narrow.endswith("int4"):
        return tensor.numpy(), ""
    whole = torch.int16 if _NARROW[narrow] == 2 else torch.uint8
    return tensor.view(whole).numpy(), narrow


def _plain(numpy: Any, array: Any, narrow: str) -> Any:
    """An array of NumPy's; of bfloat16 where ml_dtypes is not there, one of float32."""
    if not narrow:
        return array
    try:
        return _typed(array, narrow)
    except ImportError:
        if narrow != "bfloat16":
            package("ml_dtypes")  # raises what says how to get it
        return (array.astype(numpy.uint32) << 16).view(numpy.float32)


def _typed(array: Any, narrow: str) -> Any:
    return array.view(getattr(import_module("ml_dtypes"), narrow)) if narrow else array


def _scalar(numpy: Any, array: Any, narrow: str) -> Any:
    return _plain(numpy, array, narrow)[()]


def _torch(_: Any, array: Any, narrow: str) -> Any:
    torch = import_module("torch")
    tensor = torch.from_numpy(array)
    if narrow.endswith("int4"):
        raise BadInput("What came is no tensor.")  # PyTorch has the name of the type alone
    return tensor.view(getattr(torch, narrow)) if narrow else tensor


def _tensorflow(_: Any, array: Any, narrow: str) -> Any:
    return import_module("tensorflow").constant(_typed(array, narrow))


def _jax(_: Any, array: Any, narrow: str) -> Any:
    return import_module("jax.numpy").asarray(_typed(array, narrow))


_LIKE: dict[str, Callable[[Any, Any, str], Any]] = {
    "scalar": _scalar,
    "torch": _torch,
    "tensorflow": _tensorflow,
    "jax": _jax,
}
