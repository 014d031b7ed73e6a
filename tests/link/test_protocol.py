"""What the two ends of a link may say when; no sockets here."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ropeway.errors import ProtocolError
from ropeway.link.protocol import (
    CONTROL_BYTES,
    LONGEST_PAUSE,
    MOST_SERVICES,
    MOST_STREAMS,
    VERSION,
    Backoff,
    HalfClose,
    HomeEnd,
    RuntimeEnd,
    pack,
)

HELLO = pack("hello", v=VERSION, token="t", door=1)
ANY_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
KINDS = st.sampled_from(
    ["hello", "renewed", "failed", "bye", "welcome", "open", "renew", "later", ""]
)
MESSAGES = st.one_of(
    st.text(),
    st.binary(),
    ANY_JSON.map(json.dumps),
    st.builds(
        lambda kind, body: json.dumps({**body, "kind": kind}),
        KINDS,
        st.dictionaries(
            st.sampled_from(["v", "token", "door", "stream", "why", "name", "key", "for_good"]),
            ANY_JSON,
        ),
    ),
)


@given(st.lists(MESSAGES, max_size=8))
def test_no_message_breaks_an_end(messages: list[str | bytes]) -> None:
    """Whatever comes, an end takes it or raises `ProtocolError`, and nothing else."""
    for end in (HomeEnd(), RuntimeEnd()):
        for message in messages:
            try:
                end.receive(message)
            except ProtocolError:
                continue
        assert isinstance(end.ended, str)


class Streams(RuleBasedStateMachine):
    """Home's count of streams, against one that is kept by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.end = HomeEnd()
        self.end.receive(HELLO)
        self.asked: set[str] = set()
        self.open = 0
        self.services = 0

    @rule()
    def ask(self) -> None:
        """Home wants a stream."""
        stream = self.end.ask()
        if len(self.asked) + self.open >= MOST_STREAMS:
            assert stream is None
        else:
            assert stream is not None
            assert stream not in self.asked
            self.asked.add(stream)

    @precondition(lambda self: self.asked)
    @rule()
    def claim(self) -> None:
        """The runtime dials it: once."""
        stream = self.asked.pop()
        assert self.end.claim(stream)
        assert not self.end.claim(stream)
        self.open += 1

    @precondition(lambda self: self.asked)
    @rule()
    def fail(self) -> None:
        """The runtime cannot open it: it can no longer be claimed."""
        stream = self.asked.pop()
        self.end.receive(pack("failed", stream=stream))
        assert not self.end.claim(stream)

    @rule(guess=st.text())
    def guess(self, guess: str) -> None:
        """A stream that nobody asked for is nobody's."""
        if guess not in self.asked:
            assert not self.end.claim(guess)

    @rule(service=st.sampled_from(["data", "shell", "", "../data"]))
    def admit(self, service: str) -> None:
        """Of home's services only those it offers can be reached."""
        admitted = service == "data" and self.services < MOST_SERVICES
        assert self.end.admit(service) == admitted
        self.services += admitted

    @precondition(lambda self: self.open)
    @rule()
    def close(self) -> None:
        """A stream ends."""
        self.end.closed()
        self.open -= 1

    @precondition(lambda self: self.services)
    @rule()
    def leave(self) -> None:
        """A stream to a service ends."""
        self.end.left()
        self.services -= 1

    @invariant()
    def counted(self) -> None:
        """The count is right."""
        assert self.end.streams == self.open + self.services


TestStreams = Streams.TestCase


def test_nothing_is_asked_before_hello_and_after_bye() -> None:
    """Streams and services exist only between hello and bye."""
    end = HomeEnd()
    assert end.ask() is None
    assert not end.admit("data")
    end.receive(HELLO)
    assert end.ask()
    end.receive(pack("bye", why="tired"))
    assert end.ask() is None
    assert end.ended == "tired"


def test_there_is_an_end_to_streams() -> None:
    """Neither side can hold more than its share, and neither takes the other's."""
    end = HomeEnd()
    end.receive(HELLO)
    assert all(end.ask() for _ in range(MOST_STREAMS))
    assert end.ask() is None
    assert all(end.admit("data") for _ in range(MOST_SERVICES))
    assert not end.admit("data")


@pytest.mark.parametrize(
    "message",
    [
        pack("hello", v=99, token="t"),
        pack("hello", v=VERSION, token=""),
        pack("hello", v=VERSION, token="a\nb"),
        pack("hello", v=VERSION, token="t", door=70000),
        pack("hello", v=VERSION, token="t", door=True),
        pack("renewed"),
        pack("hello", v=VERSION, token="x" * CONTROL_BYTES),
        "[]",
        "{}",
        b"\0",
    ],
)
def test_a_hello_that_makes_no_sense_is_refused(message: str | bytes) -> None:
    """Another version, no token, a strange port or anything else before hello ends the link."""
    with pytest.raises(ProtocolError):
        HomeEnd().receive(message)


def test_a_runtime_obeys_nobody_before_the_welcome() -> None:
    """Whoever did not welcome the runtime can neither open streams nor change its key."""
    for message in (pack("open", stream="s"), pack("renew", key="k")):
        with pytest.raises(ProtocolError):
            RuntimeEnd().receive(message)


def test_a_goodbye_for_good_is_told_from_one_for_now() -> None:
    """A workspace that restarts says bye; only one that disconnects says so for good."""
    end = RuntimeEnd()
    end.receive(pack("bye", why="restart", for_good=False))
    assert not end.for_good
    end.receive(pack("bye", why="disconnected", for_good=True))
    assert end.for_good


def test_both_directions_must_end() -> None:
    """A stream is whole when both sides said that they are through, in whatever order."""
    for order in (("in", "out"), ("out", "in")):
        ends = HalfClose()
        ends.end(order[0])
        assert not ends.whole
        ends.end(order[1])
        assert ends.whole


@given(st.integers(1, 200))
def test_pauses_grow_and_stay_short(attempts: int) -> None:
    """Each pause lies in a window that doubles up to `LONGEST_PAUSE`; a reset begins anew."""
    backoff = Backoff()
    pauses = [backoff.pause() for _ in range(attempts)]
    assert all(0 < pause <= LONGEST_PAUSE for pause in pauses)
    assert pauses[0] <= 0.3
    if attempts > 10:
        assert pauses[-1] >= LONGEST_PAUSE / 2
    backoff.reset()
    assert backoff.pause() <= 0.3
