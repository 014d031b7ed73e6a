"""What is told of the difference between two versions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropeway.notebooks.changes import Document, compare, is_poorer, parse, summary


def code(source: str, *outputs: str, **more: Any) -> dict[str, Any]:
    """A code cell with printed outputs."""
    made = [{"output_type": "stream", "name": "stdout", "text": text} for text in outputs]
    return {"cell_type": "code", "source": source, "outputs": made, "metadata": {}, **more}


def document(*cells: dict[str, Any], **metadata: Any) -> Document:
    """A notebook of these cells, read as from a file."""
    return parse(json.dumps({"cells": cells, "metadata": metadata}).encode())


A, B, C = code("a", id="1"), code("b", "old", id="2"), code("c", id="3")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ((A, B), (A, B), "nothing to see"),
        ((A, B), (A, C, B), "1 cell added"),
        ((A, B, C), (B,), "2 cells removed"),
        ((A, B), (A, code("b2", "old", id="2")), "1 cell edited"),
        ((A, B), (A, code("b", "new", id="2")), "outputs of 1 cell"),
        ((A, B), (A, code("b2", "new", id="2")), "1 cell edited, outputs of 1 cell"),
        ((A, B, C), (C, A, B), "1 cell moved"),
        ((A, B), (A, code("b", "old", id="2", execution_count=7)), "nothing to see"),
        ((A, B), (A, {**B, "metadata": {"tags": ["x"]}}), "metadata"),
        ((code("x"), code("y")), (code("x"), code("z")), "1 cell edited"),
        ((code("x"), code("y")), (code("y"),), "1 cell removed"),
        ((), (A,), "1 cell added"),
    ],
)
def test_a_summary_says_what_changed(
    old: tuple[dict[str, Any], ...], new: tuple[dict[str, Any], ...], words: str
) -> None:
    """Cells are known by their id, or by what they say, and each change is counted once."""
    assert summary(document(*old), document(*new)) == words


def test_what_is_no_notebook_is_told() -> None:
    """A text that is no notebook is kept and named as such."""
    broken, whole = parse(b"<<<<<<< HEAD\n{"), document(A)
    assert not broken.valid
    assert summary(whole, broken) == "not a notebook"
    assert summary(broken, whole) == "a notebook again"
    assert summary(None, whole) == "first version"


def test_a_diff_has_the_lines_that_differ() -> None:
    """An edited cell shows its lines with what is around them, its outputs likewise."""
    before = code("\n".join(f"line {n}" for n in range(20)), "--- loss 1\n", id="1")
    after = code(before["source"].replace("line 10", "-- ten"), "loss 2\n", id="1")
    (change,) = compare(document(before), document(after))
    assert (change.kind, change.old, change.new, change.type) == ("edited", 0, 0, "code")
    assert change.source == (
        *("@", " line 7", " line 8", " line 9", "-line 10", "+-- ten"),
        *(" line 11", " line 12", " line 13"),
    )
    assert change.outputs == ("---- loss 1", "+loss 2")


def test_a_long_output_is_told_in_part() -> None:
    """Of a long output the beginning is compared, and what is left out is told."""
    before, after = code("a", "x\n" * 5000, id="1"), code("a", "y\n" * 300 + "z" * 9000, id="1")
    (change,) = compare(document(before), document(after))
    assert len(change.outputs) == 402
    assert change.outputs[200] == "-… and 4800 more lines"
    (change,) = compare(document(), document(code("z" * 9000)))
    assert change.source == ("+" + "z" * 1000 + "…",)


def test_pictures_differ_by_a_mark() -> None:
    """A picture is told by its kind and size, and by a mark that differs when it does."""

    def plot(data: str) -> Document:
        output = {"output_type": "display_data", "data": {"image/png": data, "text/plain": "<F>"}}
        return document({**code("p", id="1"), "outputs": [output]})

    (change,) = compare(plot("AAAA"), plot("BBBB"))
    removed, added, same = change.outputs
    assert removed.startswith("-[image/png, 4 B, ")
    assert added.startswith("+[image/png, 4 B, ")
    assert same == " <F>"


def test_removed_cells_stand_where_they_stood() -> None:
    """A diff is in the order of the new notebook, with removed cells between their neighbours."""
    changes = compare(document(A, B, C), document(code("a2", id="1"), C, code("d", id="4")))
    assert [(each.kind, each.old, each.new) for each in changes] == [
        ("edited", 0, 0),
        ("removed", 1, None),
        ("added", None, 2),
    ]


sources = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("123456") | st.none()))


@given(sources, sources)
def test_every_cell_is_accounted_for(
    old: list[tuple[str, str | None]], new: list[tuple[str, str | None]]
) -> None:
    """What was added less what was removed is how many cells there are more; same is no change."""
    one, other = (
        document(*(code(text, **({"id": name} if name else {})) for text, name in each))
        for each in (old, new)
    )
    kinds = [change.kind for change in compare(one, other)]
    assert kinds.count("added") - kinds.count("removed") == len(new) - len(old)
    assert compare(one, one) == []
    if [text for text, _ in old] != [text for text, _ in new]:
        assert kinds


@pytest.mark.parametrize(
    ("old", "new", "poorer"),
    [
        (document(A, B), document(), True),
        (document(A, B), document(code("")), True),
        (document(A, B, C), document(A), True),
        (document(B), document(code("b")), True),
        (document(A, B), parse(b""), True),
        (document(A, B), document(A, B, C), False),
        (document(A, B, C), document(A, B), False),
        (document(), document(A), False),
        (document(), document(), False),
        (document(code("x", "y" * 9000)), document(code("x", "y")), True),
    ],
)
def test_a_poorer_document_is_told(old: Document, new: Document, poorer: bool) -> None:
    """Nothing over something, most cells gone, all outputs gone, most of the text gone."""
    assert is_poorer(old, new) is poorer
