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
    "put": "ropeway.kernel.put",
    "on": "ropeway.kernel.runtime",
    "checkpoint": "ropeway.kernel.checkpoint",
    "table": "ropeway.kernel.table",
    "road": "ropeway.kernel.road",
    "accelerator": "ropeway.kernel.accelerators.here",
    "use_accelerator": "ropeway.kernel.accelerators.use",
    "Result": "ropeway.kernel.data",
    "Checkpoint": "ropeway.kernel.checkpoint",
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


def load_ipython_extension(shell: Any) -> None:
    """What `%%on` comes from in a kernel that no workspace started: it says what it needs."""
    from ropeway.kernel.on import install_without_home

    install_without_home(shell)


def _offer_on() -> None:
    """Where there is no `%%on`, let IPython find ours; it is loaded when it is used."""
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if hasattr(ipython, "get_ipython") else None
    manager: Any = getattr(shell, "magics_manager", None)
    if hasattr(manager, "register_lazy") and "on" not in manager.magics["cell"]:
        manager.register_lazy("on", "ropeway")


_offer_on()
