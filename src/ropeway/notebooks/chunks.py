"""A document in pieces that stay the same from one version to the next. Pure.

A notebook is cut where its cells begin, and inside a large cell where its outputs begin: one
output changes at a time. The cuts follow the JSON and not its layout, and the pieces joined are the
document, byte for byte, whatever it holds.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from itertools import pairwise
from json import JSONDecoder

LARGE_CELL = 4096
"""Characters from which a cell's outputs are pieces of their own."""

LARGE_PIECE = 65536
"""Bytes from which a piece is cut at its lines: an output that grows keeps its beginning."""

_SPACE = re.compile(r"[ \t\n\r]*")
_value = JSONDecoder().raw_decode


def cut(body: bytes) -> list[bytes]:
    """The pieces of a document, of which none is empty."""
    return [part for piece in _structural(body) for part in _small(piece)]


def _structural(body: bytes) -> Iterator[bytes]:
    try:
        text = body.decode("utf-8")
        marks = sorted({0, *_marks(text), len(text)})
    except (ValueError, IndexError, RecursionError):  # no JSON, or none that ends
        yield body
        return
    for begin, end in pairwise(marks):
        yield text[begin:end].encode("utf-8")


def _marks(text: str) -> Iterator[int]:
    """Where the cells of a notebook begin, and the outputs of large ones."""
    for begin, end in _elements(text, 0, "cells"):
        yield begin
        yield end
        if end - begin >= LARGE_CELL and text[begin] == "{":
            for output in _elements(text, begin, "outputs"):
                yield from output


def _elements(text: str, at: int, key: str) -> Iterator[tuple[int, int]]:
    """The spans of the elements of the array `key` of the object that begins at `at`."""
    at = _skip(text, at)
    if text[at] != "{":
        return
    at = _skip(text, at + 1)
    while text[at] != "}":
        name, at = _value(text, at)
        at = _skip(text, _skip(text, at) + 1)  # past the colon
        if name == key and text[at] == "[":
            yield from _spans(text, at)
            return
        _, at = _value(text, at)
        at = _past_comma(text, at)


def _spans(text: str, at: int) -> Iterator[tuple[int, int]]:
    at = _skip(text, at + 1)
    while text[at] != "]":
        begin = at
        _, at = _value(text, at)
        yield begin, at
        at = _past_comma(text, at)


def _past_comma(text: str, at: int) -> int:
    at = _skip(text, at)
    return _skip(text, at + 1) if text[at] == "," else at


def _skip(text: str, at: int) -> int:
    """The next place that is no white space."""
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _small(piece: bytes) -> Iterator[bytes]:
    """A large piece in parts of whole lines whose borders depend on the lines alone."""
    if len(piece) < LARGE_PIECE:
        if piece:
            yield piece
        return
    held: list[bytes] = []
    size = 0
    for line in piece.splitlines(keepends=True):
        held.append(line)
        size += len(line)
        if size >= LARGE_PIECE or (size >= LARGE_PIECE // 8 and zlib.crc32(line) % 64 == 0):
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)
