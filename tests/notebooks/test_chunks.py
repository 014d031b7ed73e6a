"""How a document is cut into pieces."""

from __future__ import annotations

import json
import secrets
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ropeway.notebooks.chunks import LARGE_PIECE, cut

values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
cells = st.dictionaries(st.sampled_from(["source", "outputs", "id", "cells"]), values)


@settings(deadline=None)  # other processes may have the machine
@given(st.binary())
def test_the_pieces_are_the_document(body: bytes) -> None:
    """Whatever a document holds, its pieces joined are the document."""
    assert b"".join(cut(body)) == body
    assert b"" not in cut(body)


@settings(deadline=None)  # other processes may have the machine
@given(st.lists(cells), values, st.sampled_from([None, 0, 1, 4, "\t"]), st.booleans())
def test_the_pieces_of_any_notebook_are_the_notebook(
    found: list[dict[str, Any]], metadata: Any, indent: int | str | None, ascii: bool
) -> None:
    """However a notebook is laid out, and wherever it ends, its pieces joined are the notebook."""
    notebook = {"metadata": metadata, "cells": found, "nbformat": 4}
    body = json.dumps(notebook, indent=indent, ensure_ascii=ascii).encode("utf-8", "replace")
    assert b"".join(cut(body)) == body
    assert len(cut(body)) >= len(found)
    torn = body[: len(body) // 2]
    assert b"".join(cut(torn)) == torn


@pytest.mark.parametrize("indent", [None, 1, 4])
def test_a_changed_output_changes_few_pieces(indent: int | None) -> None:
    """When one output of a cell changes, the other cells and outputs are the pieces they were."""

    def notebook(third: str) -> bytes:
        outputs = [{"text": "x" * 9000}, {"text": third}, {"text": "z" * 9000}]
        cells = [{"source": str(n), "outputs": outputs if n == 5 else []} for n in range(10)]
        return json.dumps({"cells": cells}, indent=indent).encode()

    before, after = set(cut(notebook("a"))), set(cut(notebook("b")))
    assert len(before) > 10
    assert len(after - before) == 1


def test_an_output_that_grows_keeps_its_pieces() -> None:
    """Of a long log to which lines are added, only the end is new."""
    lines = [f"step {n}: {secrets.token_hex(20)}\n" for n in range(20_000)]

    def notebook(count: int) -> bytes:
        outputs = [{"text": lines[:count]}]
        return json.dumps({"cells": [{"outputs": outputs}]}, indent=1).encode()

    before, after = set(cut(notebook(19_000))), cut(notebook(20_000))
    assert b"".join(after) == notebook(20_000)
    new = sum(len(piece) for piece in after if piece not in before)
    assert new < 1_000 * 80 + 2 * LARGE_PIECE
