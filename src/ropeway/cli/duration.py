"""Lengths of time on the command line: `30m`, `8h`, `7d`."""

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
