"""Where `google.colab` is found: nowhere until a cell names it, unless it is installed.

`import google.colab` finds ours once nothing else has that name. A cell that names it, or that has
Colab's forms or folders, was written for Colab: before it runs the package is there, so that
`"google.colab" in sys.modules` is true, and the kernel behaves as one of Colab's. Packages that
ask the same in other notebooks, or try to import it, see the Jupyter that it is. Standard library
only.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

NAME = "google.colab"
OURS = "ropeway.kernel.colab"

_WRITTEN_FOR_COLAB = re.compile(
    r"google\.colab|from\s+google\s+import\s+colab|#\s*@(?:title|param|markdown)\b|/content/"
)


def install(shell: Any) -> None:
    """Let the kernel of this IPython shell find the package; imports nothing of it."""
    sys.meta_path.insert(0, _Finder(shell))

    def watch(cell: Any) -> None:
        if _WRITTEN_FOR_COLAB.search(cell.raw_cell or ""):
            shell.events.unregister("pre_run_cell", watch)
            importlib.import_module(NAME)

    shell.events.register("pre_run_cell", watch)


away = False
"""Whether this kernel does not stand in its notebook's folder; home says so."""


def begin(shell: Any) -> None:
    """The kernel behaves as one of Colab's from now on; once more changes nothing."""
    if shell in _begun:
        return
    _begun.append(shell)
    from ropeway.kernel.colab import _content, _cv2, _shell

    _shell.begin(shell)
    _content.begin(shell, away=away)
    _cv2.begin()


_begun: list[Any] = []
"""The shells that behave as Colab's."""


class _Finder(MetaPathFinder):
    """Finds `google` and `google.colab` where nobody else does, and what is in ours.

    It stands first: Python's own would find our modules again, by their files.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    def find_spec(
        self, name: str, path: Any = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        top, _, rest = name.partition(".")
        if top != "google":
            return None
        if rest.startswith("colab.") and _is_ours(sys.modules.get(NAME)):
            if importlib.util.find_spec(OURS + name.removeprefix(NAME)) is None:
                return None
            return ModuleSpec(name, _Alias(self._shell))
        if name in ("google", NAME):
            if not _begun and _asked_by_a_package():
                return None
            if PathFinder.find_spec(name, path) is not None:
                return None
            loader = _Alias(self._shell) if rest else _Empty()
            return ModuleSpec(name, loader, is_package=True)
        if not path:  # `google` is ours, and something of Google's was installed since
            folders = [os.path.join(each, "google") for each in sys.path]  # noqa: PTH118
            return PathFinder.find_spec(name, folders)
        return None


class _Empty(Loader):
    """A package `google` with nothing of its own."""

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is in it."""


class _Alias(Loader):
    """Our module under Google's name: one module, whichever name it is imported by."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Ours."""
        module = importlib.import_module(OURS + spec.name.removeprefix(NAME))
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """It was executed; whoever imports the package asks for Colab's ways."""
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state
        if module.__name__ == OURS:
            begin(self._shell)


def _asked_by_a_package() -> bool:
    """Whether an installed package imports it: some do so to learn where they are, as plotly."""
    frame = sys._getframe(2)
    while frame is not None and "importlib" in frame.f_code.co_filename:
        frame = frame.f_back  # type: ignore[assignment]
    file = frame.f_code.co_filename if frame is not None else ""
    return any(f"{os.sep}{name}{os.sep}" in file for name in ("site-packages", "dist-packages"))


def _is_ours(module: ModuleType | None) -> bool:
    return module is not None and module.__name__ == OURS
