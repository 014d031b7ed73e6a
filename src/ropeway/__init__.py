"""Ropeway: one notebook, any runtime, your data stays home.

`import ropeway as rw` is the SDK inside kernels. Its names load on first use, so that the import
itself costs nothing.
"""

from __future__ import annotations

import sys
from typing import Any

if sys.version_info < (3, 10):  # noqa: UP036 (sent to kernels of any version)
    _found = ".".join(map(str, sys.version_info[:2]))
    raise ImportError(f"Ropeway's SDK needs Python 3.10 or newer; this kernel runs {_found}.")

__version__ = "0.1.0"

_SDK = {
    "sql": "ropeway.kernel.data",
    "datasets": "ropeway.kernel.data",
    "road": "ropeway.kernel.road",
    "Result": "ropeway.kernel.data",
    "RopewayError": "ropeway.errors",
}

__all__ = sorted([*_SDK, "__version__"])


def __getattr__(name: str) -> Any:
    if name not in _SDK:
        raise AttributeError(f"module 'ropeway' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_SDK[name]), name)


def __dir__() -> list[str]:
    return __all__
