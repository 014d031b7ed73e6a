"""Answers as tables in files."""

from __future__ import annotations

import errno
import gc
import json
from collections.abc import Iterator
from typing import Any

import pandas
import pyarrow as pa
import pyarrow.compute
import pyarrow.ipc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropeway import wire
from ropeway.data.stream import Encoder
from ropeway.errors import QueryFailed
from ropeway.kernel import arrow, cache
from ropeway.kernel.incoming import Incoming
from ropeway.kernel.result import Result
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
TWO = pa.array(["x", "y"])


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
    if pandas.__version__ < "3":
        pytest.skip("pandas 2 makes objects of texts")
    kept = arrow.frame(pa, found)["text"].array._pa_array
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


class Crossed:
    """An answer that comes packed, in pieces of some bytes; it breaks where `piece` is an error."""

    road = "direct"
    unchanged = False

    def __init__(self, table: pa.Table, etag: str = "e", *more: BaseException) -> None:
        batches = table.combine_chunks().to_batches(1000)
        encoder = Encoder(table.schema, batches[0] if batches else None)
        data = b"".join(bytes(part) for each in batches for part in encoder.add(each))
        whole = data + encoder.end()
        self.etag = etag
        self.closed = False
        self.pieces = [*(whole[i : i + 5000] for i in range(0, len(whole), 5000))]
        if more:
            self.pieces[2:] = more
        columns = tuple(wire.Column(each, "") for each in table.column_names)
        self.summary = wire.to_json(wire.Summary("1", "done", table.num_rows, columns=columns))

    def next(self, meanwhile: Any) -> Any:
        piece = self.pieces.pop(0) if self.pieces else None
        if isinstance(piece, BaseException):
            raise piece
        return piece

    def close(self) -> None:
        self.closed = True


ROWS = pa.table({"i": range(50_000), "t": [f"some text {i % 900}" for i in range(50_000)]})


@pytest.fixture(autouse=True)
def nothing_is_kept() -> Iterator[None]:
    """Before and after."""
    cache.clear()
    yield
    cache.clear()


def test_what_was_unpacked_takes_the_place_of_what_crossed() -> None:
    """The kernel keeps one of them: that which can be used as it lies there."""
    result = Result(Incoming(Crossed(ROWS), "key"))
    assert len(result.df()) == 50_000
    kept = cache.find("key")
    assert kept is not None
    assert len(kept.data) > ROWS.nbytes
    again = Result(Incoming.kept(Crossed(ROWS), "key", kept))
    assert again.arrow().equals(ROWS)
    assert sum(len(each) for each in again.batches()) == 50_000


def test_too_large_unpacked_it_is_kept_as_it_crossed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked again it does not cross again."""
    monkeypatch.setattr(cache, "MOST_OF_ONE", 1_000_000)
    result = Result(Incoming(Crossed(ROWS), "key"))
    assert result.arrow().equals(ROWS)
    kept = cache.find("key")
    assert kept is not None
    assert len(kept.data) < ROWS.nbytes / 2
    assert Result(Incoming.kept(Crossed(ROWS), "key", kept)).arrow().equals(ROWS)


@pytest.mark.parametrize("etag", ["", "e"])
@pytest.mark.parametrize("rows", [0, 50_000])
def test_rows_can_be_had_again(etag: str, rows: int) -> None:
    """After `.df()` there are `.batches()` and `.arrow()`, also of what home gives no name."""
    result = Result(Incoming(Crossed(ROWS.slice(0, rows), etag), "key"))
    assert len(result.df()) == rows
    assert sum(len(each) for each in result.batches()) == rows
    assert result.arrow().equals(ROWS.slice(0, rows))
    assert len(result) == rows


@pytest.mark.parametrize("error", [KeyboardInterrupt(), QueryFailed("at home")])
def test_broken_off_home_stops_the_query(error: BaseException) -> None:
    """Nothing more is brought, and nothing is kept."""
    crossed = Crossed(ROWS, "e", error)
    with pytest.raises(type(error)):
        Result(Incoming(crossed, "key")).df()
    assert crossed.closed
    assert cache.find("key") is None


def test_a_type_that_pandas_does_not_know() -> None:
    """A UNION is a column of `.arrow()`."""
    union = pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array([1, 2]), TWO])
    table = pa.table({"u": union, "t": ["a" * 500] * 2})
    assert Result(Incoming(Crossed(table), "key")).arrow().to_pylist() == [
        {"u": 1, "t": "a" * 500},
        {"u": "y", "t": "a" * 500},
    ]


@pytest.mark.asyncio(loop_scope="module")
async def test_frames_last(by: Any) -> None:
    """A frame lasts longer than its result and what is kept, and is written into alone."""
    told = await by.run(
        "import gc, json; import ropeway.kernel.cache as c\n"
        "ask = lambda: rw.sql('select range i, i::varchar t, hash(i) h from range(50000)')\n"
        "a = ask().df(); r = ask(); b = r.df(); same = a.equals(b)\n"
        "types = [str(each) for each in r.arrow().schema.types]\n"
        "n = sum(len(each) for each in r.batches())\n"
        "del r; c.clear(); gc.collect(); b.loc[7, ['i', 't']] = [-1, 'seven']\n"
        "print(json.dumps([same, n, types, a.loc[7, 't'], b.loc[[7, 49999], 't'].tolist()]))"
    )
    types = ["int64", "string", "uint64"]
    assert json.loads(told) == [True, 50_000, types, "7", ["seven", "49999"]]
