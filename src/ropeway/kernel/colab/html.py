"""`google.colab.html`: elements of Colab's page that are no part of Jupyter's."""

from __future__ import annotations

from typing import Any

from ropeway.kernel.colab.errors import Error

__all__ = ["Element", "create_resource"]


class Element:
    """Raises `Error`: scripts and callbacks do the same."""

    def __init__(self, tag: str, *args: Any, **kwargs: Any) -> None:
        raise Error(
            f"An element <{tag}> of Colab's cannot be made here. Show HTML with "
            "IPython.display.HTML; its scripts call what output.register_callback was given."
        )


def create_resource(*args: Any, **kwargs: Any) -> None:
    """Raises `Error`: a server of the kernel's own does the same."""
    raise Error(
        "Resources of Colab's cannot be made here. Serve the files in the kernel (http.server) and "
        "show them with output.serve_kernel_port_as_iframe."
    )
