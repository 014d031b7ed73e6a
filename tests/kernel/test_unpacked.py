"""Answers as tables in files."""

from __future__ import annotations

import errno
import gc
import json
from typing import Any

import pyarrow as pa
import pyarrow.compute
import pyarrow.ipc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropeway.kernel import arrow, cache
from ropeway.kernel.unpacked import Unpacked

TABLE = pa.table(
    {
        "i": pa.array(range(100), pa.int32()),
        "few": pa.array(["a", None, "ü", "a"] * 25).dictionary_encode(),
        "text": pa.array([None, *(f"text {i}" for i in range(99))]),
        "list": pa.array([["x", "y"]] * 100),
    }
)
PLAIN = arrow.plain(pa, TABLE)


def _unpacked(table: pa.Table, rows: int = 10) -> tuple[pa.Table, memoryview | None]:
    with Unpacked(pa, table.schema) as unpacked:
        for batch in table.to_batches(rows):
            unpacked.add(batch)
        return unpacked.table()  # type: ignore[no-any-return]


def test_its_rows_lie_in_a_file() -> None:
    """All batches as they came, and hardly any memory is taken for them."""
    large = pa.table({"n": range(1_000_000), "t": ["some text"] * 1_000_000})
    gc.collect()
    before = pa.total_allocated_bytes() + arrow.pool(pa).bytes_allocated()
    found, data = _unpacked(large, 100_000)
    after = pa.total_allocated_bytes() + arrow.pool(pa).bytes_allocated()
    assert data is not None
    assert after - before < 100_000
    assert arrow.plain(pa, found).equals(large)


def test_texts_lie_as_pandas_keeps_them() -> None:
    """A DataFrame shares their memory; the query's own types can be had from them."""
    found, _ = _unpacked(TABLE)
    assert [found.schema.field(name).type for name in ("few", "text")] == [pa.large_string()] * 2
    assert arrow.plain(pa, found).equals(PLAIN)
    frame = arrow.frame(pa, found)
    kept = getattr(frame["text"].array, "_pa_array", None)
    if kept is not None:  # pandas 2 makes objects of them
        ours = {each.buffers()[2].address for each in found.column("text").chunks}
        assert {each.buffers()[2].address for each in kept.chunks} == ours


@given(most=st.integers(0, 60_000))
def test_what_the_file_cannot_take_is_in_memory(most: int) -> None:
    """However little room there is, all rows are there, in their order."""
    before, cache.MOST_OF_ONE = cache.MOST_OF_ONE, most
    try:
        found, data = _unpacked(TABLE)
    finally:
        cache.MOST_OF_ONE = before
    assert arrow.plain(pa, found).equals(PLAIN)
    assert data is None or most > 1000
    assert data is not None or most < 50_000
    if data is not None:
        again = pa.ipc.open_stream(pa.py_buffer(data)).read_all()
        assert arrow.plain(pa, again).equals(PLAIN)


@pytest.mark.parametrize("writes", [0, 1, 7, 60, 100])
def test_a_disk_that_is_full_loses_nothing(monkeypatch: pytest.MonkeyPatch, writes: int) -> None:
    """A batch of which a part was written counts as not written."""
    left = [writes]
    write = cache.File.write

    def full(self: cache.File, piece: Any) -> int:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "no space left")
        return write(self, piece)

    monkeypatch.setattr(cache.File, "write", full)
    found, data = _unpacked(TABLE)
    assert left[0] < 0
    assert data is None
    assert arrow.plain(pa, found).equals(PLAIN)


def test_no_rows() -> None:
    """An answer without rows has its columns."""
    found, _ = _unpacked(TABLE.slice(0, 0))
    assert arrow.plain(pa, found).equals(PLAIN.slice(0, 0))


@pytest.mark.asyncio(loop_scope="module")
async def test_asked_again_it_lies_there_unpacked(by: Any) -> None:
    """The second time nothing is unpacked; frames last longer than the result and what is kept."""
    told = await by.run(
        "import gc, json; import ropeway.kernel.cache as c; from ropeway.kernel import result\n"
        "ask = lambda: rw.sql('select range i, range::varchar t, hash(i) h from range(50000)')\n"
        "a = ask().df(); made = []; real = result.Unpacked\n"
        "result.Unpacked = lambda *given: made.append(given) or real(*given)\n"
        "r = ask(); b = r.df(); types = [str(each) for each in r.arrow().schema.types]\n"
        "n = sum(len(each) for each in r.batches()); result.Unpacked = real; same = a.equals(b)\n"
        "del a, r; c.clear(); gc.collect(); b.loc[7, ['i', 't']] = [-1, 'seven']\n"
        "print(json.dumps([made, same, n, types, b.loc[[7, 49999], ['i', 't']].values.tolist()]))"
    )
    assert json.loads(told) == [
        [],
        True,
        50_000,
        ["int64", "string", "uint64"],
        [[-1, "seven"], [49_999, "49999"]],
    ]
