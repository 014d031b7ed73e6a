"""Which runtimes have what code needs, and which of them is picked."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropeway import wire
from ropeway.notebooks.needs import Need
from ropeway.workspace.needs import Place, choices

GB = 10**9


def gpu(total: int, free: int | None = None, name: str = "NVIDIA X1") -> wire.Gpu:
    """A GPU by its sizes in GB."""
    return wire.Gpu(name, (total - (total if free is None else free)) * GB, total * GB)


def place(runtime: str, *gpus: wire.Gpu, **more: Any) -> Place:
    """A runtime whose GPUs are known."""
    return Place(runtime, gpus, **more)


HERE = place("here", own=True)
T4 = place("t4", gpu(16, name="Tesla T4"))
L4 = place("l4", gpu(24, name="NVIDIA L4"))
L40S = place("l40s", gpu(48, name="NVIDIA L40S"))
H200 = place("h200", gpu(150, name="NVIDIA H200"))
FULL = place("full", gpu(80, 3))
PLAIN = Place("plain")


@pytest.mark.parametrize(
    ("need", "places", "picked"),
    [
        (Need(), [HERE, H200, T4], "t4"),  # the large one is left to those who need it
        (Need(20 * GB), [HERE, H200, T4, FULL], "h200"),
        (Need(20 * GB), [HERE, T4, place("two", gpu(12), gpu(12))], ""),  # together is not one
        (Need(20 * GB), [HERE, T4, PLAIN], ""),
        (Need(), [place("gpu", gpu(16), own=True), place("here", gpu(8))], "gpu"),
        (Need(), [place("gpu", own=True), place("here", gpu(24)), T4], "here"),
        (Need(), [place("here", gpu(16), own=True), place("far", gpu(80), companion=True)], "far"),
        # What the notebook's own kernel holds is not in its way; another one's is.
        (Need(20 * GB), [H200, place("a", gpu(24, 4), companion=True, held=18 * GB)], "a"),
        (Need(20 * GB), [H200, place("a", gpu(24, 4), companion=True, held=10 * GB)], "h200"),
        (Need(20 * GB), [H200, place("a", gpu(24, 4), companion=True, held=None)], "a"),
        (Need(model="L4"), [HERE, T4, L40S, L4], "l4"),
        (Need(model="A100"), [HERE, L4, T4], "t4"),
        (Need(model="T4"), [place("here", gpu(8), own=True), T4], "t4"),
        (Need(kind="TPU"), [HERE, T4], ""),
        (Need(), [HERE, place("vm", gpu(80), unasked=False), T4], "t4"),
        (Need(20 * GB), [HERE, place("vm", gpu(80), unasked=False), T4], ""),
        (Need(), [], ""),
    ],
)
def test_what_is_picked(need: Need, places: list[Place], picked: str) -> None:
    """A runtime with one GPU that will do: where the variables are, of the model, near, small."""
    found = choices(need, places)
    assert "".join(each.runtime for each in found if each.picked) == picked
    assert choices(need, reversed(places)) == found


def test_the_choices_where_none_is_picked() -> None:
    """What would fit comes first, then the GPUs with the most left, those that nobody knows, and
    the notebook's own runtime; who has none is no choice."""
    stranger = place("vm", gpu(80), gpu(80), unasked=False)
    found = choices(Need(20 * GB), [HERE, PLAIN, FULL, stranger, place("cpu"), T4])
    assert [(each.runtime, each.told, each.fits, each.own, each.known) for each in found] == [
        ("vm", "NVIDIA X1, 80.0 GB of 80.0 GB free, 1 more", True, False, True),
        ("t4", "Tesla T4, 16.0 GB of 16.0 GB free", False, False, True),
        ("full", "NVIDIA X1, 3.0 GB of 80.0 GB free", False, False, True),
        ("plain", "its GPUs are not known", False, False, False),
        ("here", "the CPU alone", False, True, True),
    ]
    assert [each.runtime for each in choices(Need(kind="TPU"), [HERE, T4, PLAIN])] == [
        "plain",
        "here",
    ]


gpus = st.builds(
    lambda total, share: wire.Gpu("X", int(total * share), total),
    st.integers(1, 200),
    st.floats(0, 1.2),
)
places = st.lists(
    st.builds(
        Place,
        st.sampled_from(["here", "a", "b", "c", "d"]),
        st.none() | st.lists(gpus, max_size=3).map(tuple),
        companion=st.booleans(),
        held=st.none() | st.integers(0, 300),
        unasked=st.booleans(),
    ),
    unique_by=lambda each: each.runtime,
)


@given(st.builds(Need, st.integers(0, 200)), places)
def test_what_is_picked_has_it(need: Need, places: list[Place]) -> None:
    """Nothing is picked that lacks the memory or has to be asked for; something is picked where
    it can be; and the first one is it."""

    def has(place: Place) -> bool:
        held = 10**9 if place.held is None else place.held
        free = (min(g.total, max(0, g.total - g.used) + held) for g in place.gpus or ())
        return any(each >= need.memory for each in free)

    found = choices(need, places)
    by_name = {each.runtime: each for each in places}
    able = {each.runtime for each in places if has(each)}
    assert {each.runtime for each in found if each.fits} == able
    assert any(each.picked for each in found) == any(by_name[name].unasked for name in able)
    for choice in found:
        assert not choice.picked or (choice is found[0] and choice.fits)
        assert not choice.picked or by_name[choice.runtime].unasked
