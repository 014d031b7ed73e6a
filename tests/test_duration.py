"""Lengths of time, as people write and read them."""

from __future__ import annotations

import pytest

from ropeway.duration import seconds, words
from ropeway.errors import BadInput


@pytest.mark.parametrize(
    ("text", "meant"), [("90s", 90), ("30m", 1800), ("1.5h", 5400), ("7d", 604800)]
)
def test_a_number_and_a_unit(text: str, meant: float) -> None:
    """Seconds, minutes, hours and days."""
    assert seconds("--stop-idle", text) == meant


@pytest.mark.parametrize("text", ["", "2", "h", "-1h", "2 h", "1h30m", "∞"])
def test_anything_else_is_bad_input(text: str) -> None:
    """What is no time is told, with the option's name."""
    with pytest.raises(BadInput, match="--stop-idle"):
        seconds("--stop-idle", text)


@pytest.mark.parametrize(
    ("length", "read"),
    [(0, "0 s"), (45.4, "45 s"), (5400, "1 h 30 min"), (7200, "2 h"), (90000, "1 d 1 h")],
)
def test_in_words(length: float, read: str) -> None:
    """The larger units first, and none that is empty."""
    assert words(length) == read
