"""The pace: what a page is sent of a flood of messages, and that it shows the same in the end."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropeway.frames import Frame, message
from ropeway.notebooks import pace as module
from ropeway.notebooks.outputs import Outputs, Text, without_overwritten
from ropeway.notebooks.pace import Pace

LARGE = "x" * 60_000
"""Of such texts one fits into a moment."""

Message = tuple[str, dict[str, Any]]


def stream(text: str, name: str = "stdout") -> Message:
    """What a print publishes."""
    return "stream", {"name": name, "text": text}


def display(text: str, display_id: str = "", kind: str = "display_data") -> Message:
    """What a display publishes."""
    transient = {"display_id": display_id} if display_id else {}
    return kind, {"data": {"text/plain": text}, "metadata": {}, "transient": transient}


CLEAR: Message = ("clear_output", {"wait": True})


class View:
    """A page, and what it was sent."""

    def __init__(self) -> None:
        self.pace = Pace()
        self.sent: list[Frame] = []

    def take(self, *messages: Message) -> View:
        """What the kernel says."""
        for kind, content in messages:
            self.sent += self.pace.take(kind, message("iopub", kind, content, session=""))
        return self

    def tick(self) -> View:
        """A moment is over."""
        self.sent += self.pace.tick()
        return self

    @property
    def said(self) -> list[Message]:
        """What was sent, by type and content."""
        return [(str(f.decoded(0)["msg_type"]), f.decoded(3)) for f in self.sent]


def shown(messages: list[Message]) -> list[dict[str, Any]]:
    """What a page shows after these messages."""
    outputs = Outputs()
    for kind, content in messages:
        outputs.feed(kind, content)
    return outputs.to_json()


def test_what_a_page_can_draw_passes_at_once() -> None:
    """Some messages in a moment, and again in the next one."""
    messages = [stream(f"{number}\n") for number in range(9)]
    assert View().take(*messages).said == messages
    assert View().take(*messages).tick().take(*messages).said == messages * 2


def test_a_flood_of_lines_is_one_message_a_moment() -> None:
    """Beyond the first ones, with the id of its first."""
    view = View().take(*(stream(f"{number}\n") for number in range(1000)))
    assert len(view.sent) == 9
    view.tick()
    assert len(view.sent) == 10
    text = "".join(content["text"] for _, content in view.said)
    assert text.split() == [str(number) for number in range(1000)]


def test_a_joined_message_is_known_by_its_first_part() -> None:
    """A page that is given the parts by another way knows it."""
    frames = [message("iopub", *stream(f"{number}\n"), session="") for number in range(100)]
    pace = Pace()
    sent = [each for frame in frames for each in pace.take("stream", frame)] + pace.tick()
    assert sent[-1].decoded(0) == frames[9].decoded(0)


def test_large_texts_wait_too() -> None:
    """However few the messages are; a large plot does not, and the first text never does."""
    assert len(View().take(stream(LARGE * 9), stream("y")).sent) == 1
    assert len(View().take(stream(LARGE), stream(LARGE)).sent) == 1
    assert len(View().take(display(LARGE), display(LARGE)).sent) == 2


def test_the_more_a_cell_shows_the_rarer_it_is_drawn() -> None:
    """A page gets thrice the time that its text takes, and never more than two seconds."""
    for drawing, moments in ((0.0, 1), (0.3, 4), (9.0, 8)):
        view = View()
        view.pace.drawing = drawing
        view.take(stream("a"), *(stream("b") for _ in range(100)))
        before, waited = len(view.sent), 0
        while len(view.sent) == before:
            view.tick()
            waited += 1
        assert waited == moments


def test_of_a_progress_bar_the_last_state_is_sent() -> None:
    """What was overwritten within the moment is not."""
    view = View().take(*(stream(f"\r{number}%") for number in range(1000))).tick()
    assert len(view.said[-1][1]["text"]) < 20
    assert shown(view.said)[0]["text"] == "999%"


def test_of_an_update_the_last_one_is_sent() -> None:
    """Of each display."""
    view = View().take(display("a", "one"), display("b", "two"))
    for number in range(1000):
        view.take(display(f"a{number}", "one", "update_display_data"))
        view.take(display(f"b{number}", "two", "update_display_data"))
    assert len(view.tick().sent) == 12
    assert [each["data"]["text/plain"] for each in shown(view.said)] == ["a999", "b999"]


def test_what_is_cleared_is_not_sent() -> None:
    """An animation shows its last picture of each moment."""
    view = View()
    for number in range(1000):
        view.take(CLEAR, display(f"picture {number}"))
    assert len(view.tick().sent) == 12
    assert [each["data"]["text/plain"] for each in shown(view.said)] == ["picture 999"]


def test_all_else_passes_behind_what_waits() -> None:
    """A widget's message, or the cell's state, never overtakes an output."""
    view = View().take(*(stream(f"{number}\n") for number in range(100)))
    view.take(("comm_msg", {"comm_id": "1"}))
    assert view.said[-1][0] == "comm_msg"
    assert view.said[-2][1]["text"].endswith("99\n")


@given(st.text("ab\r\n", max_size=12), st.text("ab\r\b\n", max_size=12))
def test_what_is_overwritten_makes_no_difference(before: str, text: str) -> None:
    """Whatever stood in the line, and whatever comes next."""
    whole, less = Text(), Text()
    for written, into in ((text, whole), (without_overwritten(text), less)):
        for piece in (before, written, "c"):
            into.write(piece)
    assert less.shown == whole.shown


_MESSAGES = st.one_of(
    st.tuples(st.text("ab\r\b\n", max_size=5), st.sampled_from(["stdout", "stderr"])).map(
        lambda drawn: stream(*drawn)
    ),
    st.tuples(
        st.sampled_from("abc"),
        st.sampled_from(["", "id", "other"]),
        st.sampled_from(["display_data", "update_display_data", "execute_result"]),
    ).map(lambda drawn: display(*drawn)),
    st.sampled_from([CLEAR, ("clear_output", {"wait": False}), ("comm_msg", {})]),
)


@given(st.lists(st.tuples(_MESSAGES, st.booleans()), max_size=25))
def test_a_page_shows_the_same_in_the_end(said: list[tuple[Message, bool]]) -> None:
    """Whenever moments end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MESSAGE_SECONDS", 0.1)
        view = View()
        for each, ends in said:
            view.take(each)
            if ends:
                view.tick()
        while view.pace.busy:
            view.tick()
    assert shown(view.said) == shown([each for each, _ in said])
