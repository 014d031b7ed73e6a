"""How much of a device's memory frameworks may take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ropeway.errors import BadInput
from ropeway.kernel.words import bytes_of, bytes_text

GROWTH = "growth"

_HINT = 'memory="growth" takes what is needed, "8GB" or 0.5 (half of it) at most so much.'


@dataclass(frozen=True)
class Share:
    """Bytes, or a fraction of all; neither where it is taken as it is needed."""

    bytes: int | None = None
    fraction: float | None = None

    @classmethod
    def parse(cls, memory: Any) -> Share:
        """Of `"growth"`, `"8GB"`, `"8 GiB"` or a fraction. Raises `BadInput`."""
        if memory == GROWTH:
            return cls()
        if isinstance(memory, str):
            if size := bytes_of(memory):
                return cls(bytes=size)
        elif isinstance(memory, (int, float)) and not isinstance(memory, bool) and 0 < memory <= 1:
            return cls(fraction=float(memory))
        raise BadInput(f"memory={memory!r} is no amount of memory.", hint=_HINT)

    @property
    def is_limit(self) -> bool:
        """Whether there is a most."""
        return self.bytes is not None or self.fraction is not None

    def check(self, name: str, total: int | None) -> None:
        """Raises `BadInput` where the device `name` has less, or does not tell how much."""
        if not self.is_limit:
            return
        if total is None:
            raise BadInput(
                f"{name} does not tell how much memory it has, so there is no share of it.",
                hint='Say memory="growth".',
            )
        if self.bytes is not None and self.bytes > total:
            raise BadInput(
                f"{bytes_text(self.bytes)} were asked for, and {name} has {bytes_text(total)}.",
                hint=_HINT,
            )

    def of(self, total: int | None) -> float:
        """The most as a fraction of a device's memory: all of it where there is no limit."""
        if self.bytes is not None and total:
            return min(1.0, self.bytes / total)
        return self.fraction or 1.0

    def most(self, total: int) -> int:
        """The most in bytes, of a device that has `total`."""
        return min(self.bytes, total) if self.bytes is not None else int(total * self.of(total))
