"""Delivery between two ends, over a line that does its worst."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ropeway.delivery import Acknowledger, Inbox, Outbox, kept_number

WINDOW = 3


class TwoEnds(RuleBasedStateMachine):
    """Home and an agent: both send, and the line between them delays, breaks and comes back.

    What home has safe (`shown`, up to `home.acknowledged`) survives its death; the rest does not.
    """

    def __init__(self) -> None:
        super().__init__()
        self.said = 0
        self.asked: list[str] = []
        self.ran: list[str] = []
        self.shown: list[int] = []
        self.acknowledged = 0
        self.connected = False
        self.agent_out: Outbox[int] = Outbox()
        self.agent_in = Inbox()
        self.home_out: Outbox[str] = Outbox(window=WINDOW)
        self.home_in = Inbox()
        self.down: deque[tuple[str, int, int]] = deque()
        self.up: deque[tuple[str, int, str]] = deque()

    # --- what the ends do ---------------------------------------------------------------------

    @rule()
    def kernel_says(self) -> None:
        """The kernel publishes something."""
        self.said += 1
        self.agent_out.put(self.said)

    @rule()
    def page_asks(self) -> None:
        """A request comes from the page."""
        self.asked.append(f"request {len(self.asked)}")
        self.home_out.put(self.asked[-1])

    @precondition(lambda self: self.connected)
    @rule(most=st.integers(1, 4))
    def agent_sends(self, most: int) -> None:
        """The agent writes some of what waits."""
        for _ in range(most):
            if (found := self.agent_out.take()) is not None:
                self.down.append(("frame", *found))

    @precondition(lambda self: self.connected)
    @rule(most=st.integers(1, 4))
    def home_sends(self, most: int) -> None:
        """Home writes some of what waits."""
        for _ in range(most):
            if (found := self.home_out.take()) is not None:
                self.up.append(("frame", *found))

    @rule()
    def home_keeps(self) -> None:
        """All that was shown lies safe at home, and the agent is told."""
        self.acknowledged = self.home_in.last
        if self.connected:
            self.up.append(("kept", self.acknowledged, ""))

    # --- what the line does -------------------------------------------------------------------

    @precondition(lambda self: self.down)
    @rule(most=st.integers(1, 4))
    def home_receives(self, most: int) -> None:
        """Some of what is under way reaches home."""
        for _ in range(min(most, len(self.down))):
            kind, number, item = self.down.popleft()
            if kind == "kept":
                self.home_out.release(number)
            elif self.home_in.accept(number):
                self.shown.append(item)

    @precondition(lambda self: self.up)
    @rule(most=st.integers(1, 4))
    def agent_receives(self, most: int) -> None:
        """Some of what is under way reaches the agent, which says that it has it."""
        for _ in range(min(most, len(self.up))):
            kind, number, item = self.up.popleft()
            if kind == "kept":
                self.agent_out.release(number)
                continue
            if self.agent_in.accept(number):
                self.ran.append(item)
            if self.connected:
                self.down.append(("kept", number, 0))

    @precondition(lambda self: self.connected)
    @rule(arrives=st.integers(0, 3))
    def cut(self, arrives: int) -> None:
        """The line breaks: a little of what was under way upward may still arrive, then nothing."""
        self.connected = False
        self.agent_receives(arrives)
        self.down.clear()
        self.up.clear()

    @precondition(lambda self: not self.connected)
    @rule()
    def dial(self) -> None:
        """Home dials and says what it has."""
        self.connected = True
        self.agent_out.connected(self.home_in.last)
        self.home_out.connected()

    @rule()
    def kill_home(self) -> None:
        """Home dies without a word and comes back with what it had safe."""
        if self.connected:
            self.cut(0)
        del self.shown[self.acknowledged :]
        self.home_in = Inbox(self.acknowledged)
        del self.asked[len(self.ran) :]  # what did not arrive dies with home
        self.home_out = Outbox(window=WINDOW)
        self.agent_in = Inbox()  # another life counts anew

    # --- what is promised ---------------------------------------------------------------------

    @invariant()
    def nothing_is_doubled_or_out_of_order(self) -> None:
        """What was shown and what ran is a beginning of what was said and asked."""
        assert self.shown == list(range(1, len(self.shown) + 1))
        assert self.ran == self.asked[: len(self.ran)]

    @invariant()
    def the_window_holds(self) -> None:
        """No more requests are under way than the window allows."""
        assert sum(kind == "frame" for kind, *_ in self.up) <= WINDOW

    def teardown(self) -> None:
        """Once the line holds, everything arrives, and nothing has to be kept any more."""
        if not self.connected:
            self.dial()
        for _ in range(2 * (self.said + len(self.asked)) + 2):
            self.agent_sends(4)
            self.home_sends(4)
            self.agent_receives(4)
            self.home_receives(4)
        self.home_keeps()
        while self.up or self.down:
            self.agent_receives(4)
            self.home_receives(4)
        assert self.shown == list(range(1, self.said + 1))
        assert self.ran == self.asked
        assert (len(self.agent_out), len(self.home_out)) == (0, 0)


TestTwoEnds = TwoEnds.TestCase
TestTwoEnds.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)


def test_numbers_go_on_where_home_stands() -> None:
    """An outbox that begins anew for a home with 41 frames gives the next one the number 42."""
    assert Outbox[str](after=41).put("x") == 42


def test_only_what_was_never_carried_is_unsent() -> None:
    """After a break, what a connection once carried may have arrived: it is not unsent."""
    box: Outbox[str] = Outbox()
    for item in "abc":
        box.put(item)
    box.take()
    box.connected()
    assert box.unsent() == ["b", "c"]
    assert [item for _, item in box] == ["a", "b", "c"]


def test_words_are_saved() -> None:
    """What is kept is told at once after a megabyte, once, and again over a new line."""
    words = Acknowledger()
    words.received(10)
    assert not words.keep(1)
    words.received(1_000_000)
    assert words.keep(2)
    assert kept_number(words.text() or "") == 2
    assert words.text() is None
    words.connected()
    assert kept_number(words.text() or "") == 2


@pytest.mark.parametrize("text", ["", "3", "{}", '{"kept": "3"}', '{"kept": -1}', "[" * 100_000])
def test_an_odd_word_is_no_number(text: str) -> None:
    """A text that says nothing about what was kept is refused."""
    with pytest.raises(ValueError, match=r"\w"):
        kept_number(text)
