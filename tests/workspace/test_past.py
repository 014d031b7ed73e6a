"""What a runtime used lately."""

from __future__ import annotations

from ropeway.wire import Amount, KernelUsage, Sample, Usage
from ropeway.workspace.past import APART, SECONDS, Past

NOW = Usage(Amount(1, 2), kernels=(KernelUsage("a", 1),))
KEPT = Usage(Amount(1, 2))


def test_samples_are_told_by_their_age() -> None:
    """The oldest comes first; of kernels nothing is kept."""
    past = Past()
    past.add(NOW, 100.0)
    past.add(NOW, 105.0)
    assert past.samples(107.5) == [Sample(7.5, KEPT), Sample(2.5, KEPT)]
    assert past.age(107.5) == 2.5


def test_many_who_measure_make_no_more_samples() -> None:
    """Of samples closer to each other than two seconds the first counts."""
    past = Past()
    for tenth in range(100):
        past.add(NOW, tenth / 10)
    assert [sample.ago for sample in past.samples(10)] == [10, 8, 6, 4, 2]


def test_it_goes_back_ten_minutes() -> None:
    """What is older is not told, and it is bounded however long it goes on."""
    past = Past()
    for i in range(2000):
        past.add(NOW, i * APART)
    found = past.samples(2000 * APART)
    assert len(found) <= SECONDS / APART
    assert found[0].ago < SECONDS
    assert past.samples(1e9) == []


def test_before_the_first_sample_there_is_none() -> None:
    """A runtime that was never measured has no past and is due."""
    assert Past().samples(5.0) == []
    assert Past().age(5.0) == float("inf")
