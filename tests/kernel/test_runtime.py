"""`rw.on(…)` without home: what goes along with a function's call."""

from __future__ import annotations

import linecache
import pickle
from typing import Any

import pytest

import ropeway as rw
from ropeway.errors import BadInput, HomeUnreachable
from ropeway.kernel.runtime import Call


def test_a_name_and_a_function_are_wanted() -> None:
    """Anything else is refused with what is meant."""
    wrong: list[Any] = ["", None, 5]
    for each in wrong:
        with pytest.raises(BadInput, match="wants the name of a runtime"):
            rw.on(each)
    with pytest.raises(BadInput, match="takes a function"):
        rw.on("gpu")("x = 1")  # type: ignore[arg-type]
    assert repr(rw.on("gpu")) == "rw.on('gpu')"


def test_a_function_stays_what_it_was() -> None:
    """A decorated function has its name and its words; without home a call says what it needs."""

    @rw.on("gpu")
    def train(rate: float = 0.1) -> float:
        """Trains."""
        return rate

    assert (train.__name__, train.__doc__) == ("train", "Trains.")
    for call in (train, lambda: rw.on("gpu").run("1"), lambda: rw.on("gpu").get("x")):
        with pytest.raises(HomeUnreachable, match="no notebook kernel"):
            call()


def test_the_source_goes_along() -> None:
    """A traceback elsewhere shows the lines of the notebook's cell."""
    name = "/tmp/ipykernel_1/1.py"
    lines = ["def broken(x):\n", "    return 1 / x\n"]
    linecache.cache[name] = (20, None, lines, name)
    found: dict[str, Any] = {}
    exec(compile("".join(lines), name, "exec"), found)
    call = Call(found["broken"], (0,), {})
    del linecache.cache[name]
    with pytest.raises(ZeroDivisionError):
        call()
    assert linecache.getline(name, 2) == "    return 1 / x\n"
    del linecache.cache[name]


def test_a_call_crosses() -> None:
    """A call of a function that both sides can import needs no cloudpickle."""
    call = pickle.loads(pickle.dumps(Call(max, ([3, 5],), {"default": 0})))
    assert call() == 5
