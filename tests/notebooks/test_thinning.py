"""Which versions are let go of."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from ropeway.notebooks.thinning import DAY, HOUR, Kept, outlived, too_much

NOW = 1_000_000_000.0


@st.composite
def histories(draw: st.DrawFn) -> list[Kept]:
    """Versions of a few notebooks in the order in which they were kept."""
    ages = st.floats(0, 400 * DAY) | st.floats(0, 2 * HOUR)
    times = sorted(NOW - draw(ages) for _ in range(draw(st.integers(0, 30))))
    chunks = st.frozensets(st.integers(0, 12), max_size=6)
    return [
        Kept(n, draw(st.sampled_from("abc")), at, draw(st.booleans()), draw(chunks))
        for n, at in enumerate(times)
    ]


@settings(deadline=None)  # other processes may have the machine
@given(histories(), st.floats(1, 100))
def test_what_must_stay_stays(versions: list[Kept], days: float) -> None:
    """The last hour stays, the newest of each notebook, and rich ones for their days."""
    gone = outlived(versions, NOW, days)
    newest = {version.path: version for version in versions}
    for version in versions:
        after = next((v for v in versions if v.path == version.path and v.id > version.id), None)
        if after is None:
            assert version is newest[version.path]
            assert version.id not in gone
        elif NOW - after.time > days * DAY:
            assert version.id in gone
        elif version.rich or NOW - version.time < HOUR:
            assert version.id not in gone


@settings(deadline=None)  # other processes may have the machine
@given(histories())
def test_thinning_again_changes_nothing(versions: list[Kept]) -> None:
    """Who thins more often does not lose more."""
    gone = outlived(versions, NOW, 1000)
    assert outlived([v for v in versions if v.id not in gone], NOW, 1000) == set()


def test_a_busy_week_becomes_a_few_versions() -> None:
    """Saved once a minute, a week leaves the hour whole, then six an hour, then one an hour."""
    week = [Kept(n, "a", NOW - n * 60, False) for n in range(7 * 24 * 60)][::-1]
    gone = outlived(week, NOW, 90)
    ages = [NOW - version.time for version in week if version.id not in gone]
    assert sum(age <= HOUR for age in ages) == 61
    assert 23 * 6 - 2 <= sum(HOUR < age <= DAY for age in ages) <= 23 * 6 + 2
    assert 6 * 24 - 2 <= sum(age > DAY for age in ages) <= 6 * 24 + 2


def test_days_are_counted_from_the_replacement() -> None:
    """A version that stood untouched for a year and was replaced yesterday is not old."""
    versions = [Kept(1, "a", NOW - 365 * DAY, False), Kept(2, "a", NOW - DAY, False)]
    assert outlived(versions, NOW, 30) == set()
    assert outlived(versions, NOW + 30 * DAY, 30) == {1}


@settings(deadline=None)  # other processes may have the machine
@given(histories(), st.integers(0, 60))
def test_the_room_is_kept_to(versions: list[Kept], most: int) -> None:
    """What stays takes no more than is allowed, unless it is the last version alone."""
    sizes = {chunk: chunk + 1 for chunk in range(13)}
    gone = set(too_much(versions, sizes, most))
    left = [version for version in versions if version.id not in gone]
    taken = sum(sizes[chunk] for chunk in set().union(*(v.chunks for v in left)))
    assert taken <= most or len(left) == 1
    if versions:
        assert versions[-1] in left


@settings(deadline=None)  # other processes may have the machine
@given(histories(), st.integers(0, 60))
def test_the_least_needed_goes_first(versions: list[Kept], most: int) -> None:
    """No newest version goes while an older one stays, and no rich one while a plain one does."""
    gone = too_much(versions, {chunk: chunk + 1 for chunk in range(13)}, most)
    newest = {version.path: version.id for version in versions}
    by_id = {version.id: version for version in versions}
    kinds = [(number == newest[by_id[number].path], by_id[number].rich) for number in gone]
    assert kinds == sorted(kinds)
    left = Counter((v.id == newest[v.path], v.rich) for v in versions[:-1] if v.id not in set(gone))
    if gone:
        assert all(kind >= kinds[-1] for kind in left)
