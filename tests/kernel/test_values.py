"""Values as bytes and back, as two kernels make them of each other's."""

from __future__ import annotations

import io
import json
import pickle
import threading
import types
from collections import OrderedDict
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import psutil
import pyarrow as pa
import pytest

from ropeway.errors import (
    BadInput,
    HomeUnreachable,
    MissingPackage,
    Refused,
    RopewayError,
)
from ropeway.kernel.values import pack, type_name, unpack


def sent(value: Any, *, code: bool = True) -> bytes:
    """The bytes of a value."""
    return b"".join(map(bytes, pack(value, code=code).pieces))


def crossed(value: Any, *, code: bool = True) -> Any:
    """The value at the other end."""
    return unpack(io.BytesIO(sent(value, code=code)), code=code)


def form(value: Any, *, code: bool = True) -> str:
    """In what form a value travels."""
    data = sent(value, code=code)
    return str(json.loads(data[8 : 8 + int.from_bytes(data[:8], "big")])["form"])


class Model:
    """A class of a notebook's own."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Model)

    __hash__ = None  # type: ignore[assignment]


FRAME = pd.DataFrame(
    {
        "n": [1, 2, None],
        "s": ["a", None, "ü"],
        "t": pd.to_datetime(["2024-01-01", None, "2024-03-01"]).tz_localize("Europe/Zurich"),
        "c": pd.Categorical(["x", "y", "x"]),
    },
    index=pd.Index([7, 9, 11], name="k"),
)

TABLES: list[Any] = [
    FRAME,
    FRAME["n"],
    FRAME["s"].rename(None),
    pd.DataFrame({0: [1.5], 1: [2.5]}),
    pd.DataFrame({"a": []}),
    pd.DataFrame({"v": range(4)}, index=pd.MultiIndex.from_product([["a", "b"], [1, 2]])),
    pl.DataFrame({"n": [1, None], "s": ["a", "ü"], "l": [[1, 2], []]}),
    pa.table({"n": [1, None], "d": [Decimal("1.25"), None], "m": [{"a": 1}, {"a": None}]}),
]


@pytest.mark.parametrize("code", [True, False])
@pytest.mark.parametrize("table", TABLES, ids=lambda table: f"{type_name(table)}{table.shape}")
def test_tables_travel_as_arrow(table: Any, code: bool) -> None:
    """A table of pandas, Polars or Arrow is the same at the other end, index and types too,
    whether its sender may run code there or not."""
    assert form(table, code=code) == "arrow"
    found = crossed(table, code=code)
    assert type(found) is type(table)
    if isinstance(table, pd.DataFrame):
        pd.testing.assert_frame_equal(found, table)
    elif isinstance(table, pd.Series):
        pd.testing.assert_series_equal(found, table)
    else:
        assert found.equals(table)


ARRAYS: list[Any] = [
    np.arange(12, dtype=">i2").reshape(3, 4),
    np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    np.arange(24.0).reshape(2, 3, 4)[:, ::2, 1:],
    np.array(["a", "ü"]),
    np.array([b"ab", b""]),
    np.array(["2024-01-01", "NaT"], "datetime64[s]"),
    np.array([True, False]),
    np.zeros((0, 3), np.float32),
    np.array(2.5),
    np.float32(2.5),
    np.complex64(1 + 2j),
]


@pytest.mark.parametrize("code", [True, False])
@pytest.mark.parametrize("array", ARRAYS, ids=repr)
def test_arrays_travel_as_their_memory(array: Any, code: bool) -> None:
    """An array has its numbers, type, shape and order at the other end, and can be written to."""
    assert form(array, code=code) == "array"
    found = crossed(array, code=code)
    assert type(found) is type(array)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)
    if isinstance(found, np.ndarray):
        assert found.flags.writeable
        assert found.flags.f_contiguous == array.flags.f_contiguous or not array.flags.forc


def test_a_large_array_is_not_copied() -> None:
    """What is sent of a large array is its own memory."""
    array = np.ones(1_000_000)
    *_, memory = pack(array, code=True).pieces
    assert np.shares_memory(np.frombuffer(memory, np.uint8), array)


PLAIN: list[Any] = [
    *(None, True, 3, 10**40, 2.5, float("inf"), "ü\n", b"\0x", 1 + 2j, [], {}, (), set()),
    OrderedDict([("b", 1), ("a", (2, OrderedDict()))]),
    {"a": [1, (2, {3}), frozenset({4})], "$b": {"c": None}, 5: {(6, "x"): b"y"}},
    [1, [2, [3, [4]]]],
]


@pytest.mark.parametrize("code", [True, False])
@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_values_cross_to_everybody(value: Any, code: bool) -> None:
    """Python's own values are the same at the other end; where code may not go, they are JSON."""
    assert form(value, code=code) == ("pickle" if code else "plain")
    found = crossed(value, code=code)
    assert found == value
    assert type(found) is type(value)


def test_arrays_in_plain_values() -> None:
    """Scores of NumPy in a dict cross to those who take no code."""
    found = crossed({"acc": np.float64(0.9), "w": np.eye(2)}, code=False)
    assert found["acc"] == 0.9
    assert type(found["acc"]) is np.float64
    np.testing.assert_array_equal(found["w"], np.eye(2))


def test_everything_else_is_a_pickle() -> None:
    """An object crosses where its sender may run code, its large memory without a copy."""
    arrays = {"a": np.ones(100_000), "m": Model(), "o": np.array([{}, None], object)}
    packed = pack(arrays, code=True)
    *_, memory = packed.pieces
    assert len(memory) == 800_000
    found = crossed(arrays)
    np.testing.assert_array_equal(found["a"], arrays["a"])
    assert found["m"] == Model()
    assert found["o"].tolist() == [{}, None]
    frame = pd.DataFrame({"mixed": [1, "a", Model()]})
    assert form(frame) == "pickle"
    assert crossed(frame)["mixed"].tolist() == [1, "a", Model()]


def test_functions_of_a_notebook_cross() -> None:
    """With cloudpickle, functions cross that the other end cannot import."""
    made = types.FunctionType((lambda x: x + 1).__code__, {}, "made")
    made.__module__ = "__main__"
    assert crossed(made)(1) == 2


def test_functions_cross_between_the_same_pythons_only() -> None:
    """Code of another version of Python is refused before it is loaded; plain data is not."""
    made = types.FunctionType((lambda x: x + 1).__code__, {}, "made")
    made.__module__ = "__main__"
    for value, refused in ((made, True), ({"a": 1}, False)):
        data = sent(value)
        size = int.from_bytes(data[:8], "big")
        head = json.loads(data[8 : 8 + size])
        older = framed({**head, "python": head["python"] and "3.9"}, data[8 + size :])
        if refused:
            with pytest.raises(BadInput, match=r"of Python 3\.9, this kernel runs"):
                unpack(io.BytesIO(older), code=True)
        else:
            assert unpack(io.BytesIO(older), code=True) == value


@pytest.mark.parametrize(
    ("lacks", "says"),
    [
        (b"cnowhere.at_all\nx\n.", MissingPackage("needs the package nowhere")),
        (b"c__main__\nTrain\n.", BadInput("needs what this kernel does not have: .*Train")),
    ],
)
def test_what_the_other_end_lacks_is_named(lacks: bytes, says: RopewayError) -> None:
    """A package or a class that the receiver does not have is an error that names it."""
    data = framed({"form": "pickle", "type": "x", "sizes": [len(lacks)], "python": ""}, lacks)
    with pytest.raises(type(says), match=says.message):
        unpack(io.BytesIO(data), code=True)


def loop() -> Any:
    """A list that holds itself."""
    found: list[Any] = []
    found.append(found)
    return found


@pytest.mark.parametrize("value", [Model(), loop(), {"m": Model()}, np.array([Model()], object)])
def test_no_pickle_from_those_who_may_run_no_code(value: Any) -> None:
    """What would be a pickle is refused on both ends where the sender may run no code."""
    with pytest.raises(Refused, match="can cross only as a pickle, which is code"):
        pack(value, code=False)
    with pytest.raises(Refused, match="can cross only as a pickle, which is code"):
        unpack(io.BytesIO(sent(value, code=True)), code=False)


def test_large_arrays_in_plain_values_are_not_copied() -> None:
    """Beside the text lies the array's own memory; many small ones stand in it."""
    large, small = np.ones(1_000_000), [np.arange(3)] * 10_000
    for code in (True, False):
        *_, memory = pack({"w": large}, code=code).pieces
        assert np.shares_memory(np.frombuffer(memory, np.uint8), large)
        assert len(list(pack(small, code=code).pieces)) == 2
        found = crossed({"w": large, "s": small}, code=code)
        np.testing.assert_array_equal(found["w"], large)
        assert found["w"].flags.writeable
        assert [each.tolist() for each in found["s"]] == [[0, 1, 2]] * 10_000


class Bomb:
    """Runs code of the sender when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
        return pytest.fail, ("the sender's code ran",)


def framed(head: Any, *parts: bytes) -> bytes:
    """A stream as somebody made it by hand."""
    text = json.dumps(head).encode()
    return b"".join([len(text).to_bytes(8, "big"), text, *parts])


_PICKLE = pickle.dumps(Bomb())

_EXTENSION = pa.schema(
    [
        pa.field(
            "x",
            pa.null(),
            metadata={
                "ARROW:extension:name": "arrow.py_extension_type",
                "ARROW:extension:metadata": _PICKLE,
            },
        )
    ]
)


_BYTES = {"like": "numpy", "dtype": "|u1", "shape": [8], "order": "C"}


def plain(*parts: bytes) -> bytes:
    """A value as JSON, with memory beside it."""
    return framed({"form": "plain", "sizes": [*map(len, parts)]}, *parts)


def array(head: dict[str, Any], where: int | str) -> bytes:
    """An array inside a plain value."""
    return json.dumps({"$array": [head, where]}).encode()


def arrow(schema: pa.Schema) -> bytes:
    """An Arrow stream with no rows."""
    sink = pa.BufferOutputStream()
    pa.ipc.new_stream(sink, schema).close()
    return sink.getvalue().to_pybytes()


HOSTILE = {
    "a pickle": framed({"form": "pickle", "type": "x", "sizes": [len(_PICKLE)]}, _PICKLE),
    "an array of objects": framed(
        {"form": "array", "like": "numpy", "dtype": "|O", "shape": [1], "order": "C"}, b"\1" * 8
    ),
    "an array of records with objects": framed(
        {"form": "array", "like": "numpy", "dtype": "O,i8", "shape": [1], "order": "C"}, b"\1" * 16
    ),
    "a negative shape": framed(
        {"form": "array", "like": "numpy", "dtype": "|u1", "shape": [-1, -8], "order": "C"},
        b"\1" * 8,
    ),
    **{
        f"a type that is none: {narrow}": framed(
            {"form": "array", **_BYTES, "like": like, "dtype": kind, "narrow": narrow}, b"\1" * 8
        )
        for like in ("torch", "jax", "numpy")
        for narrow, kind in (("load", "<i2"), ("__class__", "|u1"), ("bfloat16", "|u1"))
    },
    "deep JSON": plain(b"[" * 200_000),
    "an unknown sign": plain(b'{"$eval": 1}'),
    "memory that is not there": plain(array(_BYTES, 1)),
    "memory of another size": plain(array(_BYTES, 1), b"123"),
    "memory inside that is none": plain(array(_BYTES, "====")),
    "objects inside": plain(array({**_BYTES, "dtype": "|O", "shape": [1]}, 1), b"12345678"),
    "an array for a list": plain(
        b'{"$tuple": ' + array({**_BYTES, "shape": [10**9, 0]}, "") + b"}"
    ),
    "too many dimensions": plain(array({**_BYTES, "shape": [9] * 100_000}, 1), b"1"),
    "a type without a name": plain(array({**_BYTES, "narrow": None, "shape": [3]}, 1), b"1"),
    "4 bits of PyTorch": plain(array({**_BYTES, "like": "torch", "narrow": "int4"}, 1), b"1"),
    "parts of a negative size": framed({"form": "plain", "sizes": [-1]}, b"1"),
    "an unknown form": framed({"form": "code"}, b"1"),
    "no head": framed([1]),
    "no JSON": (3).to_bytes(8, "big") + b"{{{",
    "a head without end": (1 << 62).to_bytes(8, "big"),
    "Arrow that is none": framed({"form": "arrow", "like": "pandas"}, b"PK\3\4" * 10),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_a_stranger_made_runs_nothing(what: str) -> None:
    """Whatever bytes come from a runtime that may run no code here: an error, and no code ran."""
    with pytest.raises(RopewayError) as caught:
        unpack(io.BytesIO(HOSTILE[what]), code=False)
    assert isinstance(caught.value, (BadInput, Refused))


def test_arrows_own_pickles_are_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pickle in an Arrow schema stays closed; a pyarrow that would open it is not used."""
    data = framed({"form": "arrow", "like": "arrow", "type": "t"}, arrow(_EXTENSION))
    unpack(io.BytesIO(data), code=False)  # no matter what comes, as long as nothing ran
    monkeypatch.setattr(pa, "__version__", "14.0.0")
    with pytest.raises(BadInput, match="pip install -U pyarrow"):
        unpack(io.BytesIO(data), code=False)


@pytest.mark.parametrize("value", [FRAME, np.ones(1000), {"a": "b" * 1000}])
def test_a_value_that_is_cut_off_is_none(value: Any) -> None:
    """Of a value that does not come whole nothing is taken."""
    data = sent(value)
    for end in (0, 5, 40, len(data) // 2, len(data) - 9):
        with pytest.raises((HomeUnreachable, BadInput)):
            unpack(io.BytesIO(data[:end]), code=True)


def test_memory_is_not_taken_for_a_size_that_is_said() -> None:
    """Somebody who says 100 GB and sends a few bytes takes a few pages."""
    before = psutil.Process().memory_info().rss
    with pytest.raises((HomeUnreachable, MemoryError)):
        unpack(io.BytesIO(framed({"form": "plain", "sizes": [2, 100 * 2**30]}, b"{}")), code=False)
    assert psutil.Process().memory_info().rss - before < 50_000_000


def test_a_class_without_a_module_crosses() -> None:
    """A class says what it likes of its module."""
    odd = type("Odd", (), {"__module__": None})
    assert pack([odd()], code=True).type == "list"
    assert pack(odd(), code=True).type == "None.Odd"
    with pytest.raises(Refused, match="Odd"):
        pack(odd(), code=False)


def test_what_cannot_cross_is_named() -> None:
    """A value that has no form at all is refused with its type, and with what to send instead."""
    with pytest.raises(BadInput) as caught:
        pack({"a": threading.Lock()}, code=True)
    assert str(caught.value).startswith("A dict cannot cross to another kernel:")
    assert "tables, arrays, plain values" in str(caught.value.hint)
