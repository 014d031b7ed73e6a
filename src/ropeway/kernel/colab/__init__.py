"""`google.colab`: what Colab's own package offers, for notebooks that were written there.

Kernels find it under that name where no package of that name is installed (`presence`). What a
function cannot do itself it asks of the workspace, or of the page through it (`_message`). The
names are Google's (github.com/googlecolab/colabtools); the code is ours.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__ = [
    "auth",
    "autoviz",
    "data_table",
    "drive",
    "files",
    "output",
    "runtime",
    "snippets",
    "widgets",
]

MODULES = (*__all__, "ai", "errors", "html", "patches", "sheets", "sql", "syntax", "userdata")
"""Its modules; `google.colab.drive` is there without a further import, as in Colab."""


def __getattr__(name: str) -> Any:
    if name not in MODULES:
        raise AttributeError(f"module 'google.colab' has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.{name}")


def __dir__() -> list[str]:
    return sorted({*globals(), *MODULES})


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext google.colab`: the kernel behaves as one of Colab's from now on."""
    from ropeway.kernel.colab import presence

    presence.begin(shell)
