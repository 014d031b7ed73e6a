"""The window: what of a run's output a page and a notebook's file show."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropeway.notebooks.outputs import Outputs
from ropeway.notebooks.window import FULL, NOTE_TYPE, Bounds, Said, Window

SMALL = Bounds(characters=100, lines=8, last=30, outputs=3, spare=2, bytes=1000)
Message = tuple[str, dict[str, Any]]


def stream(text: str, name: str = "stdout") -> Message:
    """What a print publishes."""
    return "stream", {"name": name, "text": text}


def display(text: str, display_id: str = "", kind: str = "display_data") -> Message:
    """What a display publishes."""
    transient = {"display_id": display_id} if display_id else {}
    return kind, {"data": {"text/plain": text}, "metadata": {}, "transient": transient}


class View:
    """A page, or a file: shows what the window of a run lets through."""

    def __init__(self, bounds: Bounds = SMALL) -> None:
        self.window = Window("r1", "a.ipynb --cell c1", bounds)
        self.outputs = Outputs()
        self.passed: list[Message] = []

    def take(self, *messages: Message) -> View:
        """What the kernel says next."""
        for kind, content in messages:
            said = self.window.take(kind, json.dumps(content).encode())
            self._show([Said(kind, content)] if said is None else said)
        return self

    def update(self) -> View:
        """The window's own word."""
        self._show(self.window.update())
        return self

    def _show(self, said: Any) -> None:
        for each in said:
            self.passed.append((each.kind, each.content))
            self.outputs.feed(each.kind, each.content)

    @property
    def shown(self) -> list[str]:
        """The outputs in short."""
        self.update()
        found = []
        for output in self.outputs.to_json():
            data = output.get("data", {})
            found.append(output.get("text", data.get("text/plain", output.get("ename"))))
        return found


def test_what_fits_passes_as_it_is() -> None:
    """Up to the bounds nothing is changed, and there is no note."""
    messages = [stream("x" * 49 + "\n"), stream("y" * 50), display("plot"), stream("")]
    view = View().take(*messages)
    assert view.passed == messages
    assert view.update().passed == messages


def test_a_flood_shows_its_beginning_a_note_and_its_end() -> None:
    """Whole lines of the beginning, how much more there is and where, and the last lines."""
    view = View().take(*(stream(f"line {number}\n") for number in range(1000)))
    first, note, last = view.shown
    assert first == "".join(f"line {number}\n" for number in range(8))
    assert "more are kept at home" in note
    assert "ropeway output a.ipynb --cell c1" in note
    assert last.splitlines()[1:] == ["line 997", "line 998", "line 999"]


def test_one_message_that_is_too_long_is_cut_within_the_bounds() -> None:
    """By characters as by lines; a line that is too long by itself is cut anywhere."""
    assert View().take(stream("a\n" * 1000)).shown[0] == "a\n" * 8
    assert View().take(stream("aaaa bbbb cccc dddd\n" * 50)).shown[0] == "aaaa bbbb cccc dddd\n" * 5
    first, _, last = View().take(stream("x" * 1000 + "end")).shown
    assert first == "x" * 100
    assert last.endswith("xxend")


def test_a_progress_bar_is_one_line_however_often_it_is_written() -> None:
    """What a carriage return overwrites does not count."""
    view = View().take(*(stream(f"\r{number:>3}%") for number in range(1000)))
    assert view.shown == ["999%"]


def test_a_progress_bar_behind_a_flood_stands_at_its_last_state() -> None:
    """In the last lines a carriage return overwrites as well."""
    view = View().take(stream("x\n" * 20), *(stream(f"\r{n}%") for n in range(10, 100)))
    assert view.shown[-1].splitlines()[-1] == "99%"


def test_both_streams_share_the_bounds() -> None:
    """A cell that writes to both by turns gains nothing."""
    names = ["stdout", "stderr"]
    view = View().take(*(stream(f"{number}\n", names[number % 2]) for number in range(100)))
    assert view.shown[:3] == ["0\n", "1\n", "2\n"]
    assert view.shown[-1].endswith("98\n99\n")
    assert len(view.shown) == SMALL.outputs + 2


def test_beyond_so_many_outputs_they_are_counted() -> None:
    """The note tells the bound; a result and an error are shown even so."""
    view = View().take(*(display(str(number)) for number in range(7)))
    view.take(display("42", kind="execute_result"))
    view.take(("error", {"ename": "E", "evalue": "", "traceback": []}))
    shown = view.shown
    assert shown[:3] == ["0", "1", "2"]
    assert "4 outputs (a cell shows 3 " in shown[3]
    assert shown[4:] == ["42", "E"]


def test_displays_have_a_bound_in_bytes_too() -> None:
    """One display may be as large as it likes, the one after it is left out."""
    shown = View().take(display("x" * 5000), display("y")).shown
    assert shown[0] == "x" * 5000
    assert "1 outputs" in shown[1]


def test_errors_have_an_end_too() -> None:
    """A kernel that only fails cannot fill a page."""
    error = ("error", {"ename": "E", "evalue": "", "traceback": []})
    assert len(View().take(*[error] * 1000).shown) == SMALL.outputs + SMALL.spare + 1


def test_updates_and_comms_pass_behind_a_flood() -> None:
    """What a page shows already is kept up to date."""
    view = View().take(display("old", "bar"), stream("x\n" * 1000))
    view.take(display("new", "bar", "update_display_data"), ("comm_msg", {"comm_id": "1"}))
    assert view.shown[0] == "new"
    assert ("comm_msg", {"comm_id": "1"}) in view.passed


@pytest.mark.parametrize("wait", [True, False])
def test_a_cell_that_is_cleared_begins_anew(wait: bool) -> None:
    """Note and last lines go with the rest, and the bounds are those of a fresh cell."""
    clear = ("clear_output", {"wait": wait})
    view = View().take(stream("x\n" * 1000), clear, stream("y\n"))
    assert view.shown == ["y\n"]
    assert view.take(stream("z\n" * 1000)).shown[0] == "y\n" + "z\n" * 7
    assert view.shown[-1].endswith("z\nz\n")


def test_a_full_journal_is_told_once() -> None:
    """Whether something was left out before or not."""
    for before in ([], [stream("x\n" * 1000)]):
        shown = View().take(*before, (FULL, {}), (FULL, {})).shown
        assert sum("kept nowhere" in text for text in shown) == 1


def test_the_note_is_plain_text_for_all_and_names_the_run_for_our_page() -> None:
    """Elsewhere nothing leads to a server that is not there."""
    view = View().take(stream("x\n" * 1000)).update()
    data = view.outputs.to_json()[1]["data"]
    assert set(data) == {NOTE_TYPE, "text/plain"}
    assert data[NOTE_TYPE] == {"request": "r1", "text": data["text/plain"]}


_MESSAGES = st.one_of(
    st.tuples(st.text("ab\r\b\n", max_size=40), st.sampled_from(["stdout", "stderr"])).map(
        lambda drawn: stream(*drawn)
    ),
    st.sampled_from(
        [
            display("d"),
            display("e", "id"),
            display("f", "id", "update_display_data"),
            display("r", kind="execute_result"),
            ("clear_output", {"wait": True}),
            ("clear_output", {"wait": False}),
        ]
    ),
)


@given(st.lists(st.tuples(_MESSAGES, st.booleans()), max_size=30))
def test_who_looks_when_makes_no_difference(said: list[tuple[Message, bool]]) -> None:
    """A page that was there shows the same as the file that was written at the end."""
    page, file = View(), View()
    for message, looks in said:
        page.take(message)
        file.take(message)
        if looks:
            page.update()
    assert page.shown == file.shown


@given(st.lists(_MESSAGES, max_size=30))
def test_nothing_fills_a_cell(said: list[Message]) -> None:
    """Whatever a cell says, what it shows is within the bounds."""
    view = View().take(*said)
    shown = view.shown
    texts = [text for text in shown if "[… its last" not in text and "ropeway output" not in text]
    assert sum(map(len, texts)) <= SMALL.characters + 20
    assert sum(text.count("\n") for text in texts) <= SMALL.lines
    assert len(shown) <= SMALL.outputs + SMALL.spare + 2
