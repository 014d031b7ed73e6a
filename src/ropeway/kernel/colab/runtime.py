"""`google.colab.runtime`."""

from __future__ import annotations

import sys

from ropeway.kernel.colab import _message

__all__ = ["unassign"]


def unassign() -> None:
    """End this notebook's kernel, with its variables and its memory. The runtime goes on: it may
    have other notebooks' kernels, and it is disconnected in the panel of runtimes."""
    print(
        "Ropeway ends this notebook's kernel. The runtime itself goes on, and costs what it costs: "
        "disconnect it in the panel Runtimes, or where you rented it."
    )
    sys.stdout.flush()
    try:
        _message.blocking_request("ropeway_unassign", timeout_sec=30)
    except (_message.MessageError, TimeoutError):
        print("Nobody is here to end it now; it ends with this run.")
