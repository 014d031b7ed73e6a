"""From record batches to the bytes of an Arrow IPC stream, and the small preview beside it.

Compressed with zstd level 1; text columns with few different values are dictionary-encoded,
which makes the stream a fifth smaller. A dictionary crosses again only where a batch has a value
that it lacks. None of this is done on one machine, where it costs more than it saves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

CONTENT_TYPE = "application/vnd.apache.arrow.stream"

PREVIEW_ROWS = 10
PREVIEW_COLUMNS = 500
PREVIEW_CHARS = 80

_CODECS = {
    "zstd": lambda: pa.Codec("zstd", compression_level=1),
    "none": lambda: None,
}

_SAMPLE = 8192
_FEW = 16
"""A column is worth a dictionary when a sample has 16 times as many rows as values."""


class Encoder:
    """Turns the batches of one result into bytes; `preview` is what the first of them shows."""

    def __init__(
        self, schema: pa.Schema, first: pa.RecordBatch | None, codec: str = "zstd"
    ) -> None:
        self.preview: tuple[tuple[str, ...], ...] = _preview(first) if first is not None else ()
        encoded = _plan(schema, first if codec != "none" else None)
        self._texts = [_Texts() if few else None for few in encoded]
        fields = [
            pa.field(f.name, pa.dictionary(pa.int32(), f.type)) if few else f
            for f, few in zip(schema, encoded, strict=True)
        ]
        self._schema = pa.schema(fields)
        self._sink = _Sink()
        self._writer = pa.ipc.new_stream(
            pa.PythonFile(self._sink, "w"),
            self._schema,
            options=pa.ipc.IpcWriteOptions(
                compression=_CODECS[codec](), emit_dictionary_deltas=False
            ),
        )

    def add(self, batch: pa.RecordBatch) -> list[Any]:
        """The bytes of one more batch, in parts; the first call's begin with the schema.

        Parts are the batch's own memory where nothing was compressed: they last as long as it.
        """
        columns = [
            texts.encoded(column) if texts is not None else column
            for column, texts in zip(batch.columns, self._texts, strict=True)
        ]
        self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._schema))
        return self._sink.take()

    def end(self) -> bytes:
        """The bytes that close the stream."""
        self._writer.close()
        return b"".join(self._sink.take())


class _Texts:
    """The dictionary of one column, of the batch that was encoded last."""

    def __init__(self) -> None:
        self._known: pa.Array | None = None

    def encoded(self, column: pa.Array) -> pa.DictionaryArray:
        """By the known dictionary where that has all values, else by one of its own: all values
        ever seen could become many."""
        made = column.dictionary_encode()
        if self._known is not None:
            places = pc.index_in(made.dictionary, value_set=self._known)
            if not places.null_count:
                return pa.DictionaryArray.from_arrays(places.take(made.indices), self._known)
        self._known = made.dictionary
        return made


class _Sink:
    """A file that keeps what was written until it is taken."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[Any] = []

    def write(self, data: Any) -> int:
        """`bytes`, or a buffer of Arrow's, which is not copied."""
        if len(data):
            self._parts.append(data)
        return len(data)

    def flush(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """Nothing to close."""

    def take(self) -> list[Any]:
        taken, self._parts = self._parts, []
        return taken


def _plan(schema: pa.Schema, first: pa.RecordBatch | None) -> Sequence[bool]:
    """Which columns get a dictionary, judged on the first batch."""
    if first is None:
        return [False] * len(schema)
    return [_few_values(column) for column in first.columns]


def _few_values(column: pa.Array) -> bool:
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return False
    sample = column.slice(0, _SAMPLE)
    return len(sample) > 256 and len(pc.unique(sample)) < len(sample) // _FEW


def _preview(first: pa.RecordBatch) -> tuple[tuple[str, ...], ...]:
    """The first rows as short texts, for a display that needs no Arrow."""
    head = first.slice(0, PREVIEW_ROWS)
    columns = [[_shown(value) for value in column] for column in head.columns[:PREVIEW_COLUMNS]]
    return tuple(zip(*columns, strict=True)) if columns else ()


def _shown(value: pa.Scalar) -> str:
    try:
        plain = value.as_py()
    except (ValueError, OverflowError):
        plain = value
    text = "NULL" if plain is None else str(plain)
    return text if len(text) <= PREVIEW_CHARS else text[: PREVIEW_CHARS - 1] + "…"
