"""JavaScript written as Python: `js_global.document.title.eval()`, `js_global.draw([1, 2])`."""

from __future__ import annotations

import itertools
import json
from typing import Any

from ropeway.kernel.colab.output._js import eval_js

__all__ = ["Js", "js_global"]

_numbers = itertools.count(1)


class Js:
    """An expression of JavaScript: its attributes, items and calls are expressions too.

    A call runs in the page at once, and what is assigned is assigned; only `eval` brings a value.
    """

    _expr: str

    def __init__(self, expr: str | None = None, mode: str = "persistent") -> None:
        object.__setattr__(self, "_expr", expr or "")

    def eval(self) -> Any:
        """Its value. Raises as `eval_js`."""
        return eval_js(str(self))

    def __getattr__(self, name: str) -> Js:
        if name.startswith("_"):  # whoever looks a Python object over finds none of its ways
            raise AttributeError(name)
        return Js(f"{self._expr}.{name}" if self._expr else name)

    def __getitem__(self, key: Any) -> Js:
        return Js(f"{self}[{_written(key)}]")

    def __setattr__(self, name: str, value: Any) -> None:
        eval_js(f"{self}.{name} = {_written(value)}", ignore_result=True)

    def __setitem__(self, key: Any, value: Any) -> None:
        eval_js(f"{self[key]} = {_written(value)}", ignore_result=True)

    def __call__(self, *args: Any) -> Js:
        kept = f"window['ropeway js {next(_numbers)}']"
        given = ", ".join(map(_written, args))
        eval_js(f"{kept} = {self}({given})", ignore_result=True)
        return Js(kept)

    def __str__(self) -> str:
        return self._expr or "window"

    def __repr__(self) -> str:
        return f"Js({str(self)!r})"


js_global = Js()


def _written(value: Any) -> str:
    return str(value) if isinstance(value, Js) else json.dumps(value)
