"""What a cell shows after the messages of its run."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropeway.notebooks.outputs import LONGEST_LINE, Outputs, Text


def stream(text: str, name: str = "stdout") -> tuple[str, dict[str, Any]]:
    """What a print publishes."""
    return "stream", {"name": name, "text": text}


def display(text: str, display_id: str = "", kind: str = "display_data") -> tuple[str, Any]:
    """What a display publishes."""
    transient = {"display_id": display_id} if display_id else {}
    return kind, {"data": {"text/plain": text}, "metadata": {}, "transient": transient}


def after(*messages: tuple[str, dict[str, Any]]) -> list[Any]:
    """The outputs in short: the text of a stream or of a display."""
    outputs = Outputs()
    for kind, content in messages:
        outputs.feed(kind, content)
    return [o["text"] if "text" in o else o["data"]["text/plain"] for o in outputs.to_json()]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (["a\n", "b\n"], "a\nb\n"),
        (["10%\r", "20%\r", "done"], "done"),
        (["100%\r", "5%"], "5%0%"),
        (["one\ntwo\rTWO\nthree"], "one\nTWO\nthree"),
        (["ab\b\bxy"], "xy"),
        (["a\n\b\bb"], "a\nb"),
        (["a\r\n", "b\r\n"], "a\nb\n"),
        (["long\rs\n"], "song\n"),
    ],
)
def test_a_stream_reads_as_on_a_terminal(written: list[str], shown: str) -> None:
    """A carriage return overwrites the line and a backspace takes a character back."""
    assert after(*(stream(text) for text in written)) == [shown]


@given(st.lists(st.text(alphabet="ab\r\b\n", max_size=8), max_size=8))
def test_how_a_text_is_cut_does_not_matter(pieces: list[str]) -> None:
    """The same characters in other messages show the same."""
    cut, whole = Text(), Text()
    for piece in pieces:
        cut.write(piece)
    whole.write("".join(pieces))
    assert cut.shown == whole.shown


def test_neighbouring_texts_of_one_stream_are_one_output() -> None:
    """Another stream, or a display, begins a new output."""
    assert after(stream("a"), stream("b"), stream("!", "stderr"), stream("c")) == ["ab", "!", "c"]
    assert after(stream("a"), display("plot"), stream("b")) == ["a", "plot", "b"]


def test_an_update_changes_every_output_of_its_id() -> None:
    """`update_display` shows nothing new and changes what stands there."""
    shown = after(
        display("old", "x"),
        display("other", "y"),
        display("again", "x"),
        display("new", "x", "update_display_data"),
    )
    assert shown == ["new", "other", "new"]


def test_a_second_display_of_an_id_updates_the_first() -> None:
    """As JupyterLab does it."""
    assert after(display("old", "x"), display("new", "x")) == ["new", "new"]


def test_clear_output_clears_now_or_with_the_next_output() -> None:
    """With `wait` the old stays until there is something new."""
    assert after(stream("a"), ("clear_output", {"wait": False})) == []
    assert after(stream("a"), ("clear_output", {"wait": True})) == ["a"]
    assert after(stream("a"), ("clear_output", {"wait": True}), stream("b")) == ["b"]


def test_errors_results_and_counts_are_kept_as_the_format_wants_them() -> None:
    """The notebook that holds them is valid."""
    import nbformat

    outputs = Outputs()
    outputs.feed("execute_input", {"execution_count": 7, "code": "x"})
    outputs.feed(*stream("x"))
    outputs.feed(
        "execute_result",
        {"execution_count": 7, "data": {"text/plain": "1"}, "metadata": {}, "transient": {}},
    )
    outputs.feed("error", {"ename": "E", "evalue": "v", "traceback": ["t"], "engine_info": {}})
    cell = nbformat.v4.new_code_cell("x", execution_count=outputs.count)
    cell.outputs = nbformat.from_dict(outputs.to_json())
    nbformat.validate(nbformat.v4.new_notebook(cells=[cell]))
    assert outputs.count == 7


def test_an_endless_line_ends() -> None:
    """A line without an end is not copied whole with each of its pieces."""
    text = Text()
    for _ in range(3):
        text.write("x" * LONGEST_LINE + "y")
    text.write("\rz")
    assert text.shown == ("x" * LONGEST_LINE + "y") * 3 + "z"


def test_what_was_cleared_does_not_come_back_with_an_update() -> None:
    """`clear_output` takes the display ids along, at once or with the next output."""
    update = display("new", "x", "update_display_data")
    assert after(display("old", "x"), ("clear_output", {"wait": False}), update) == []
    wait = ("clear_output", {"wait": True})
    assert after(display("old", "x"), wait, update) == ["new"]
    assert after(display("old", "x"), wait, stream("a"), update) == ["a"]


def test_a_pager_is_a_display() -> None:
    """`obj?` shows what a terminal would page; other payloads show nothing."""
    page = {"source": "page", "data": {"text/plain": "help"}, "start": 0}
    other = {"source": "set_next_input", "text": "x"}
    assert after(("execute_reply", {"status": "ok", "payload": [other, page, page]})) == ["help"]
    assert after(("execute_reply", {"status": "ok", "payload": [other]})) == []
    assert after(("execute_reply", {"status": "error", "payload": [page]})) == []
