"""`%%on gpu` as a cell's first line: the cell runs on another runtime, its outputs appear here.

`%%on --gpu 16GB` names none: home picks one that has such a GPU.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

from ropeway.errors import BadInput, HomeUnreachable
from ropeway.kernel import crossing, elsewhere
from ropeway.kernel.needs import Need, Picker

_HINT = "%%on gpu --send df,params --get scores, or %%on --gpu 16GB for one that has such a GPU"
_OPTIONS = ("--send", "--get", "--gpu", "--fallback")


def install(shell: Any) -> None:
    """Add the magics to this shell, unless another `%%on` is there: that one stays."""
    _install(shell, On(shell))


def install_without_home(shell: Any) -> None:
    """Have `%%on` say what it needs, in a kernel that no workspace started."""
    _install(shell, _needs_home)


def _install(shell: Any, magic: Any) -> None:
    manager = shell.magics_manager
    lazily = getattr(manager, "lazy_magics", {}).get("on") == "ropeway"
    for kind in ("line", "cell"):
        known = manager.magics[kind].get("on")
        if known is None or lazily or known.__module__.startswith("ropeway."):
            manager.magics[kind]["on"] = magic


def _needs_home(line: str, cell: str = "") -> None:
    raise HomeUnreachable(
        f"%%on {line.strip()} runs a cell on another runtime, which a Ropeway workspace arranges; "
        "none started this kernel.",
        hint="Run `ropeway` in the notebook's folder and open it there. Without its first line the "
        "cell runs in this kernel.",
    )


@dataclass(frozen=True, slots=True)
class Line:
    """What stands behind `%%on`: the name of a runtime, or what one must have."""

    runtime: str
    send: tuple[str, ...] = ()
    get: tuple[str, ...] = ()
    need: Need | None = None


def parse(line: str) -> Line:
    """The line of a `%%on` cell. Raises `BadInput`."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError as error:
        raise BadInput(f"The line %%on {line} cannot be read: {error}.", hint=_HINT) from None
    runtime, option = "", ""
    given: dict[str, list[str]] = {}
    for word in words:
        key, _, value = word.partition("=")
        if key in _OPTIONS:
            option = key
            given.setdefault(option, []).extend([value] if value else [])
        elif word.startswith("-"):
            raise BadInput(f"%%on has no option {word}.", hint=_HINT)
        elif option:
            given[option].append(word)
        elif runtime:
            raise BadInput(f"%%on wants one runtime, not {runtime} and {word}.", hint=_HINT)
        else:
            runtime = word
    need = _need(runtime, given)
    if not runtime and need is None:
        raise BadInput("%%on wants the name of a runtime.", hint=_HINT)
    send, get = (_names(",".join(given.get(each, ()))) for each in ("--send", "--get"))
    return Line(runtime, send, get, need)


def _need(runtime: str, given: dict[str, list[str]]) -> Need | None:
    amount, fallback = (" ".join(given.get(each, ())) for each in ("--gpu", "--fallback"))
    if "--gpu" not in given:
        if "--fallback" in given:
            raise BadInput("--fallback belongs to %%on --gpu.", hint=_HINT)
        return None
    if runtime:
        raise BadInput(
            f"%%on wants the name of a runtime or --gpu, not {runtime} and --gpu.", hint=_HINT
        )
    return Need.parse(amount, fallback)


class On:
    """Runs the cell on another runtime, in a kernel that belongs to this notebook.

    `%%on gpu --send df,params --get scores`: the values of `df` and `params` go there before, and
    that of `scores` comes here after. `%on gpu --get scores`, with one `%`, moves values alone.
    Variables there last as long as the notebook's kernel. `%%on --gpu 16GB` runs the cell on a
    runtime with a GPU that has so much memory free, first where such cells ran before.
    """

    _ipython_magic_no_var_expand = True

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._picker = Picker(shell)
        self.__doc__ = type(self).__doc__

    def __call__(self, line: str, cell: str = "") -> None:
        asked, variables = parse(line), self._shell.user_ns
        if not (cell or asked.send or asked.get):
            raise BadInput(
                "There is nothing to do: a cell for a runtime begins with %%on.", hint=_HINT
            )
        for name in asked.send:
            if name not in variables:
                raise BadInput(
                    f"The notebook has no variable {name} to send.",
                    hint=f"Set it in a cell before: {name} = …",
                )
        runtime = asked.runtime if asked.need is None else self._picker.runtime(asked.need)
        for name in asked.send:
            crossing.send(runtime, name, variables[name])
        if cell and not elsewhere.run(self._shell, runtime, cell):
            run_here(self._shell, cell)
        for name in asked.get:
            came, value = crossing.get(runtime, name)
            if came:
                variables[name] = value


def run_here(shell: Any, cell: str) -> None:
    """The runtime is this kernel's own: the cell is as any other. Raises as `elsewhere.run`."""
    failure: list[Any] = []
    shell._showtraceback = lambda *shown: failure.append(shown)  # or it would be shown twice
    try:
        result = shell.run_cell(cell)
    finally:
        del shell._showtraceback
    if failure:
        kind, value, traceback = failure[-1]
        raise elsewhere.failure(kind.__name__, str(value), traceback)
    result.raise_error()


def _names(text: str) -> tuple[str, ...]:
    found = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in found:
        if not name.isidentifier():
            raise BadInput(f"{name!r} is not the name of a variable.", hint=_HINT)
    return found
