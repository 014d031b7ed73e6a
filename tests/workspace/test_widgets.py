"""What is kept of a kernel's widgets."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from ropeway.workspace import widgets as module
from ropeway.workspace.widgets import State, Widgets


@pytest.fixture
def widgets(tmp_path: Path) -> Iterator[Widgets]:
    """The widgets of kernel `k`, which has just started."""
    made = Widgets(tmp_path / "widgets")
    made.begin("k")
    yield made
    made.close()


def test_the_last_value_of_each_attribute_counts(widgets: Widgets) -> None:
    """A change names some attributes, and the others stay."""
    widgets.change("k", "slider", State({"value": 1, "max": 10}))
    widgets.change("k", "slider", State({"value": 7}))
    assert widgets.states("k") == {"slider": State({"value": 7, "max": 10}, [], [])}
    assert widgets.state("k", "slider", ["value"]).values == {"value": 7}


def test_buffers_come_back_in_their_places(widgets: Widgets) -> None:
    """An attribute that is binary, and one with binary inside, are as they were said last."""
    paths = [["value"], ["data", "x", 0], ["data", "y"]]
    widgets.change("k", "image", State({"data": {"x": [None]}}, paths, [b"png", b"12", b"345"]))
    widgets.change("k", "image", State({}, [["value"]], [memoryview(b"jpeg")]))
    found = widgets.states("k")["image"]
    assert found.values == {"data": {"x": [None]}}
    places = {str(path): bytes(data) for path, data in zip(found.paths, found.buffers, strict=True)}
    assert places == {"['value']": b"jpeg", "['data', 'x', 0]": b"12", "['data', 'y']": b"345"}


def test_it_is_there_for_the_next_process(widgets: Widgets, tmp_path: Path) -> None:
    """A workspace that is killed loses nothing, and what is kept is its owner's alone."""
    widgets.change("k", "slider", State({"value": 3}))
    again = Widgets(tmp_path / "widgets")
    assert again.known("k")
    assert again.with_value("k", "value", 3) == ["slider"]
    again.close()
    for file in (tmp_path / "widgets").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_kernel_that_starts_anew_has_none(widgets: Widgets) -> None:
    """What the kernel before it had is gone; of a kernel that is no more nothing is known."""
    widgets.change("k", "slider", State({"value": 3}))
    widgets.begin("k")
    assert widgets.known("k")
    assert widgets.states("k") == {}
    widgets.forget_others(["other"])
    assert not widgets.known("k")
    widgets.change("k", "slider", State({"value": 3}))
    assert widgets.states("k") == {}


def test_beyond_the_bound_the_kernel_is_not_known(
    widgets: Widgets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What grows too large is not kept, and what is replaced or closed does not count."""
    monkeypatch.setattr(module, "MOST_BYTES", 1_000)
    for _ in range(10):
        widgets.change("k", "image", State({}, [["value"]], [b"x" * 300]))
        widgets.change("k", "other", State({"value": "x" * 300}))
        widgets.remove("k", "other")
    assert widgets.known("k")
    widgets.change("k", "other", State({"value": "x" * 900}))
    assert not widgets.known("k")
