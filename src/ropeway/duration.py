"""Lengths of time as people write them, `30m`, `8h`, `7d`, and as they read them."""

from __future__ import annotations

import re

from ropeway.errors import BadInput

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(option: str, text: str) -> float:
    """The seconds that `text` means; `option` is named in the `BadInput` for what means none."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text.strip())
    if match is None:
        raise BadInput(f"{option} {text!r} is no time.", hint="Such as 30m, 8h or 7d.")
    return float(match[1]) * _UNITS[match[2]]


def words(seconds: float) -> str:
    """A length of time for people: `2 h`, `1 h 30 min`."""
    left, found = round(seconds), []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            found.append(f"{count} {unit}")
    return " ".join(found) or "0 s"
