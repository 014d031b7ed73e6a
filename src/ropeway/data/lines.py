"""Which line of a TOML text a key stands on. The parser does not say, so it is asked more often."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any


def line_of(text: str, keys: Sequence[str]) -> int:
    """The number, from 1, of the line on which the statement begins that brings `keys`; 0 where
    none does.

    That is the line after the last beginning of the text which is valid and has no such key.
    """
    lines = text.splitlines()
    before = 0
    for number in range(len(lines) + 1):
        try:
            table = tomllib.loads("\n".join(lines[:number]) + "\n")
        except tomllib.TOMLDecodeError:
            continue
        if _has(table, keys):
            return before + 1
        before = number
    return 0


def _has(table: Any, keys: Sequence[str]) -> bool:
    for key in keys:
        if not isinstance(table, dict) or key not in table:
            return False
        table = table[key]
    return True
