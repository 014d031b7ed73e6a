"""Where among the outputs of a cell the next ones go: Colab's areas."""

from __future__ import annotations

import json

from ropeway.kernel.colab.output._js import eval_js


def redirect_to_element(selector: str) -> None:
    """Show what follows within the first element that a CSS selector finds."""
    _go(f"document.querySelector({json.dumps(selector)})")


def to_header_area() -> None:
    """Show what follows above the other outputs of the cell."""
    redirect_to_element("#output-header")


def to_footer_area() -> None:
    """Show what follows below the other outputs of the cell."""
    redirect_to_element("#output-footer")


def to_default_area() -> None:
    """Show what follows where outputs are shown."""
    _go("google.colab.output.getDefaultOutputArea()")


def no_vertical_scroll() -> None:
    """Show this cell's outputs in their whole height."""
    eval_js("google.colab.output.setIframeHeight(0, true)", ignore_result=True)


def _go(element: str) -> None:
    eval_js(f"google.colab.output.setActiveOutputArea({element})", ignore_result=True)
