"""`rw.on("gpu")`: another runtime from Python, for functions, code and values."""

from __future__ import annotations

import functools
import linecache
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from ropeway.errors import BadInput
from ropeway.kernel import crossing, elsewhere, inband
from ropeway.kernel.on import run_here

P = ParamSpec("P")
T = TypeVar("T")

_CALL = "_ropeway_call"
"""The variable of a companion that holds a call, until it is made."""


def on(runtime: str, /) -> Runtime:
    """A runtime that works for this notebook, in a kernel that belongs to it.

    As a decorator it moves a function's calls there: the function, what it uses of the notebook,
    and its arguments go there, and what it returns comes back. What it prints appears in the cell.

        @rw.on("gpu")
        def train(df, rate=0.1): ...

        model = train(df)

    `rw.on("gpu").run("x = 1")` runs code there, as a cell with `%%on gpu` does; `.send(df=df)`
    and `.get("scores")` move values. Nothing starts before it is needed.
    """
    if not isinstance(runtime, str) or not runtime:
        raise BadInput("rw.on wants the name of a runtime.", hint='rw.on("gpu")')
    return Runtime(runtime)


class Runtime:
    """A runtime that works for this notebook; see `on`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"rw.on({self.name!r})"

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        """The function, whose calls run there. Raises `BadInput` for what is no function."""
        if not callable(function):
            raise BadInput(
                f"rw.on({self.name!r}) takes a function.",
                hint=f"@rw.on({self.name!r}) above its definition, or .run(code) for code.",
            )

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            sent = crossing.send(self.name, _CALL, Call(function, args, kwargs))
            if not sent:  # it is this kernel's own runtime
                return function(*args, **kwargs)
            self.run(f"{crossing.RETURNED} = globals().pop({_CALL!r})()")
            returned: T = self.get(crossing.RETURNED)
            self.run(f"del {crossing.RETURNED}")  # not before it is here
            return returned

        return call

    def run(self, code: str) -> None:
        """Run code there; what it says appears in the cell. Raises as it does there."""
        shell = inband.kernel().shell
        if not elsewhere.run(shell, self.name, code):
            run_here(shell, code)

    def send(self, **values: Any) -> None:
        """Make each value a variable there. Raises `RopewayError`."""
        for name, value in values.items():
            if not crossing.send(self.name, name, value):
                inband.kernel().shell.user_ns[name] = value

    def get(self, name: str) -> Any:
        """The value of a variable there. Raises `NotFound`, and `Refused` for what would be code
        of a runtime that may run none here."""
        came, value = crossing.get(self.name, name)
        return value if came else crossing.variable(name)


class Call:
    """A function and its arguments, on their way; called, it does what was wanted."""

    def __init__(self, function: Any, args: Any, kwargs: Any) -> None:
        self._function = function
        self._args = args
        self._kwargs = kwargs
        code = getattr(function, "__code__", None)
        self._file = code.co_filename if code is not None else ""
        self._source = linecache.getlines(self._file)

    def __call__(self) -> Any:
        if self._source and not linecache.getlines(self._file):
            # So that a traceback from there shows the lines of the notebook's cell.
            size = sum(map(len, self._source))
            linecache.cache[self._file] = (size, None, self._source, self._file)
        return self._function(*self._args, **self._kwargs)
