"""Which versions a history lets go of, by age and by size. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

HOUR, DAY = 3600.0, 86400.0

STEPS = ((HOUR, 0.0), (DAY, 600.0), (7 * DAY, HOUR), (float("inf"), DAY))
"""Up to an age, in seconds: one version is kept for each so many seconds; 0 keeps all."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A version as far as thinning looks at it; `path` is its notebook."""

    id: int
    path: str
    time: float
    rich: bool
    """Whether a much poorer one came after it."""
    chunks: frozenset[int] = frozenset()


def outlived(versions: Sequence[Kept], now: float, days: float) -> set[int]:
    """The versions whose time is over; `versions` in the order in which they were kept.

    Of the last hour all stay, then one for each ten minutes, each hour, each day, and none that
    was replaced more than `days` ago. The newest of a notebook stays, and in its days a rich one.
    """
    gone: set[int] = set()
    for chain in _chains(versions):
        for version, after in pairwise(chain):
            replaced = now - after.time
            step = next(seconds for age, seconds in STEPS if now - version.time <= age)
            crowded = step and version.time // step == after.time // step
            if replaced > days * DAY or (crowded and not version.rich):
                gone.add(version.id)
    return gone


def too_much(versions: Sequence[Kept], sizes: Mapping[int, int], most: float) -> list[int]:
    """The versions to let go of, so that the chunks of the others have at most `most` bytes.

    Plain versions go first, then rich ones, then the newest of their notebooks, each the oldest
    first. The last of all versions stays, however large it is.
    """
    uses = Counter(chunk for version in versions for chunk in version.chunks)
    total = sum(sizes[chunk] for chunk in uses)
    gone: list[int] = []
    for version in _by_worth(versions):
        if total <= most:
            break
        gone.append(version.id)
        uses.subtract(version.chunks)
        total -= sum(sizes[chunk] for chunk in version.chunks if not uses[chunk])
    return gone


def _by_worth(versions: Sequence[Kept]) -> Iterator[Kept]:
    newest = {version.path: version.id for version in versions}
    worth = {v.id: (v.id == newest[v.path]) * 2 + v.rich for v in versions}
    yield from sorted(versions[:-1], key=lambda version: (worth[version.id], version.id))


def _chains(versions: Iterable[Kept]) -> Iterable[list[Kept]]:
    chains: dict[str, list[Kept]] = {}
    for version in versions:
        chains.setdefault(version.path, []).append(version)
    return chains.values()
