"""Values that have no other form: pickled, with large memory beside the pickle.

cloudpickle, where it is, also takes the functions and classes of a notebook.
"""

from __future__ import annotations

import io
import pickle
import sys
from typing import Any

from ropeway.errors import BadInput, MissingPackage
from ropeway.kernel import tensors
from ropeway.kernel.plain import SMALL

_PROTOCOL = 5

_VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"


def dump(value: Any) -> tuple[dict[str, Any], list[Any]]:
    """The sizes and the parts: the pickle, then the memory that it names. Raises `BadInput`."""
    parts: list[Any] = []

    def keep(buffer: pickle.PickleBuffer) -> bool:
        try:
            memory = buffer.raw()
        except BufferError:  # not contiguous: into the pickle
            return True
        if len(memory) > SMALL:
            parts.append(memory)
        return len(memory) <= SMALL

    pickler = _pickler()
    file = io.BytesIO()
    try:
        pickler(file, protocol=_PROTOCOL, buffer_callback=keep).dump(value)
    except Exception as error:
        hint = "Send what it is made of: tables, arrays, plain values."
        if pickler.__base__ is pickle.Pickler:
            hint = "cloudpickle takes more: run in a cell %pip install cloudpickle"
        raise BadInput(
            f"A {type(value).__name__} cannot cross to another kernel: {error}", hint=hint
        ) from error
    whole = file.getvalue()
    python = _VERSION if b"cloudpickle" in whole else ""
    return {"sizes": [len(whole), *map(len, parts)], "python": python}, [whole, *parts]


def _pickler() -> type[pickle.Pickler]:
    """cloudpickle's where that is, else Python's; tensors go by `tensors.reduced`."""
    try:
        from cloudpickle import Pickler  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        from pickle import Pickler

    class WithTensors(Pickler):  # type: ignore[misc,valid-type,unused-ignore]
        def reducer_override(self, value: Any) -> Any:
            reduced = tensors.reduced(value)
            if reduced is not None:
                return reduced
            before = getattr(super(), "reducer_override", None)
            return before(value) if before else NotImplemented

    return WithTensors


def load(parts: list[Any], python: str) -> Any:
    """The value of a pickle and the memory that it names.

    `python` is the version that functions and classes in it were made with, if there are any.
    Raises `MissingPackage`, and `BadInput` where they are of no use here.
    """
    if python and python != _VERSION:
        raise BadInput(
            f"The value brings functions or classes of Python {python}, this kernel runs "
            f"{_VERSION}: they cross between the same versions only.",
            hint="Define them in a cell that runs there, or put them into a module on both sides.",
        )
    try:
        return pickle.loads(parts[0], buffers=parts[1:])  # noqa: S301 (only from whom code may come)
    except ModuleNotFoundError as error:
        raise MissingPackage(
            f"The value needs the package {error.name}, which is not in this kernel's environment.",
            hint=f"Run in a cell there: %pip install {error.name}",
            package=str(error.name),
        ) from error
    except AttributeError as error:
        raise BadInput(
            f"The value needs what this kernel does not have: {error}.",
            hint="With cloudpickle in both kernels, functions and classes of a notebook cross with "
            "their values: %pip install cloudpickle",
        ) from error
