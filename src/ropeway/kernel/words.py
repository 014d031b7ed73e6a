"""Amounts as people read them."""

from __future__ import annotations


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
