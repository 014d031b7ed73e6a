"""JavaScript of the page, called from the kernel, and functions of the kernel, called from it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ropeway.kernel.colab import _message

_functions: dict[str, Callable[..., Any]] = {}


def eval_js(script: str, ignore_result: bool = False, timeout_sec: float | None = None) -> Any:
    """Run a script among the outputs of this cell; its value, or that of its Promise, as JSON.

    Raises `MessageError` with the words of what it throws, and where no page shows the notebook.
    """
    request = {"script": script}
    if ignore_result:
        _message.send_request("cell_javascript_eval", request)
        return None
    return _message.blocking_request("cell_javascript_eval", request, timeout_sec=timeout_sec)


def register_callback(function_name: str, callback: Callable[..., Any]) -> None:
    """Let outputs call `google.colab.kernel.invokeFunction(function_name, args, kwargs)`."""
    _functions[function_name] = callback


def unregister_callback(function_name: str) -> None:
    """Take a callback back. Raises `ValueError` where there is none of that name."""
    if function_name not in _functions:
        raise ValueError(f"Function not found: {function_name}")
    del _functions[function_name]


def _invoke_function(function_name: str, json_args: str, json_kwargs: str) -> Any:
    """Call a callback; the page evaluates this as an expression."""
    if function_name not in _functions:
        raise ValueError(f"Function not found: {function_name}")
    return _functions[function_name](*json.loads(json_args), **json.loads(json_kwargs))
