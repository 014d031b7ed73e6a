"""A call that waits for a module to be imported, by whoever does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

Call = Callable[[ModuleType], None]


def when_imported(name: str, call: Call) -> None:
    """Call it with the module `name`: now, or when that has been imported. Of several that wait for
    one module the last counts. `call` must not raise."""
    module = sys.modules.get(name)
    if module is not None:
        call(module)
        return
    _finder.waiting[name] = call
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


class _Finder:
    """Finds nothing itself: it asks the others, and has what they found call back."""

    def __init__(self) -> None:
        self.waiting: dict[str, Call] = {}

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name not in self.waiting:
            return None
        for finder in sys.meta_path:
            ask = None if finder is self else getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = ask(name, path, target) if ask else None
            if spec is not None:
                self._listen(name, spec.loader)
                return spec
        return None

    def _listen(self, name: str, loader: Any) -> None:
        """The loader stays the one that it was: whoever looks for resources asks for it."""
        if not hasattr(loader, "__dict__"):
            return
        run = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            run(module)
            # A zip has one loader for all of its modules.
            if module.__name__ == name and (call := self.waiting.pop(name, None)):
                call(module)

        loader.exec_module = exec_module


_finder = _Finder()
