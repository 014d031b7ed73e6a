"""Amounts as people read and write them."""

from __future__ import annotations

import re

_AMOUNT = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*([kMGT])(i?)B", re.IGNORECASE)


def bytes_of(text: str) -> int | None:
    """The bytes that `8GB` (10⁹ each) or `8 GiB` (2³⁰) mean; None for what is no amount."""
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        return None
    base = 1024 if found[3] else 1000
    return int(float(found[1]) * base ** (1 + "kmgt".index(found[2].lower()))) or None


def bytes_text(count: int) -> str:
    """`45 kB`, `12.3 MB`: decimal units, a digit behind the point from MB upwards."""
    if count < 1000:
        return f"{count} B"
    size = float(count)
    for unit in ("kB", "MB", "GB", "TB", "PB"):
        size /= 1000
        # What would be rounded up to 1000 belongs to the next unit.
        if size < (999.5 if unit == "kB" else 999.95):
            break
    return f"{size:.0f} {unit}" if unit == "kB" else f"{size:.1f} {unit}"


def rows_text(count: int) -> str:
    """`1 row`, `1,234 rows`."""
    return "1 row" if count == 1 else f"{count:,} rows"


def files_text(count: int) -> str:
    """`1 file`, `1,234 files`."""
    return "1 file" if count == 1 else f"{count:,} files"
