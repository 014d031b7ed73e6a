"""`google.colab.output`: what a cell shows, and JavaScript that speaks with its kernel.

Tags and areas are made of ordinary Jupyter messages: saved notebooks, the journal at home and
every front end show them. `eval_js` and callbacks need a page of Ropeway's.
"""

from __future__ import annotations

from ropeway.kernel.colab.output._areas import (
    no_vertical_scroll,
    redirect_to_element,
    to_default_area,
    to_footer_area,
    to_header_area,
)
from ropeway.kernel.colab.output._js import eval_js, register_callback, unregister_callback
from ropeway.kernel.colab.output._ports import (
    serve_kernel_port_as_iframe,
    serve_kernel_port_as_window,
)
from ropeway.kernel.colab.output._tags import clear, temporary, use_tags
from ropeway.kernel.colab.output._widgets import (
    disable_custom_widget_manager,
    enable_custom_widget_manager,
)

__all__ = [
    "clear",
    "disable_custom_widget_manager",
    "enable_custom_widget_manager",
    "eval_js",
    "no_vertical_scroll",
    "redirect_to_element",
    "register_callback",
    "serve_kernel_port_as_iframe",
    "serve_kernel_port_as_window",
    "temporary",
    "to_default_area",
    "to_footer_area",
    "to_header_area",
    "unregister_callback",
    "use_tags",
]
