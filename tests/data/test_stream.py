"""From batches to the bytes that cross."""

from __future__ import annotations

import random

import polars
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ropeway.data.stream import Encoder

ROWS = 300


def _encoded(table: pa.Table, codec: str = "zstd") -> list[bytes]:
    """The bytes of each batch of 300 rows, and of the end."""
    batches = table.combine_chunks().to_batches(ROWS)
    encoder = Encoder(table.schema, batches[0] if batches else None, codec)
    found = [b"".join(map(bytes, encoder.add(each))) for each in batches]
    return [*found, encoder.end()]


def _texts(*values: str | None, of: int) -> list[str | None]:
    return random.Random(1).choices(values, k=of)


def test_a_dictionary_crosses_once() -> None:
    """Batches with values that were there before need no dictionary of their own."""
    names = [f"a region with a long name {i}" for i in range(9)]
    first, second, third, _ = _encoded(pa.table({"t": _texts(*names, of=3 * ROWS)}))
    assert len(second) < len(first) / 2
    assert len(third) < len(first) / 2


@given(
    st.lists(
        st.lists(st.sampled_from(["a", "b", "ü", "", None]), min_size=1, max_size=5),
        min_size=1,
        max_size=5,
    )
)
def test_whatever_values_follow_the_texts_are_the_same(groups: list[list[str | None]]) -> None:
    """New values, values that come back and NULL: pyarrow and Polars read what was written."""
    texts = [text for group in groups for text in _texts(*group, of=ROWS)]
    table = pa.table({"t": pa.array(texts, pa.string()), "i": range(len(texts))})
    data = b"".join(_encoded(table))
    found = pa.ipc.open_stream(data).read_all()
    assert found.column("t").cast(pa.string()).to_pylist() == texts
    assert found.column("i").to_pylist() == list(range(len(texts)))
    assert polars.read_ipc_stream(data)["t"].cast(polars.String).to_list() == texts


def test_nothing_is_packed_on_one_machine() -> None:
    """Without a codec there are no dictionaries, and a batch's bytes are its own."""
    table = pa.table({"t": _texts("a", "b", of=ROWS), "i": range(ROWS)})
    found = pa.ipc.open_stream(b"".join(_encoded(table, "none"))).read_all()
    assert found.schema == table.schema
    assert sum(map(len, _encoded(table, "none"))) > table.nbytes
