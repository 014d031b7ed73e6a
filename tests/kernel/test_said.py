"""Batches of what a companion's cell says."""

from __future__ import annotations

from typing import Any

from ropeway.kernel.said import Said, joined, pack, unpack


def text(name: str, words: str) -> Said:
    return Said("stream", {"name": name, "text": words})


def test_a_batch_is_the_same_at_the_other_end() -> None:
    """Messages come in order, each with its metadata and its own buffers."""
    batch = [
        text("stdout", "ü\n"),
        Said("comm_msg", {"data": {"a": [1]}}, {"m": 1}, (b"\n\0", b"", memoryview(b"xyz"))),
        Said("display_data", {"data": {"text/plain": "1"}}, {}, (b"q",)),
    ]
    found = list(unpack(pack(batch)))
    assert [(each.kind, each.content, each.metadata) for each in found] == [
        (each.kind, each.content, each.metadata) for each in batch
    ]
    assert [[bytes(b) for b in each.buffers] for each in found] == [
        [],
        [b"\n\0", b"", b"xyz"],
        [b"q"],
    ]


def test_buffers_of_any_shape_are_bytes() -> None:
    """A buffer of numbers travels as its bytes."""
    numbers: Any = memoryview(b"\1\0\2\0").cast("H")
    (found,) = unpack(pack([Said("comm_msg", {}, {}, (numbers,))]))
    assert bytes(found.buffers[0]) == b"\1\0\2\0"


def test_texts_of_one_stream_are_one() -> None:
    """Texts that follow each other on a stream become one; nothing passes anything else."""
    shown = Said("display_data", {"data": {}})
    batch = [
        text("stdout", "a"),
        text("stdout", "b"),
        text("stderr", "c"),
        shown,
        text("stderr", "d"),
    ]
    assert joined(batch) == [text("stdout", "ab"), text("stderr", "c"), shown, text("stderr", "d")]
