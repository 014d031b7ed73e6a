"""What a runtime used lately, for a page that opens later. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from ropeway import wire

SECONDS = 600.0
"""How far back it goes."""

APART = 2.0
"""Seconds between two samples at least, however many pages measure."""


class Past:
    """Samples of one runtime; `now` is of a clock that only goes forward, in seconds."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, wire.Usage]] = deque(maxlen=int(SECONDS / APART))

    def age(self, now: float) -> float:
        """Seconds since the last sample; infinite before the first."""
        return now - self._samples[-1][0] if self._samples else float("inf")

    def add(self, usage: wire.Usage, now: float) -> None:
        """Keep it, but for what its kernels held: they come and go."""
        if self.age(now) >= APART:
            self._samples.append((now, replace(usage, kernels=())))

    def samples(self, now: float) -> list[wire.Sample]:
        """The oldest first."""
        return [wire.Sample(round(now - at, 1), u) for at, u in self._samples if now - at < SECONDS]
