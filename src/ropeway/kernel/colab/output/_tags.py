"""Outputs with tags, by which they are cleared.

Jupyter clears all of a cell or nothing. What is shown under a tag is therefore a display with an
id of its own, printed text too; clearing it is to update it with nothing.
"""

from __future__ import annotations

import contextlib
import uuid
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ropeway.kernel.colab.output._diverted import diverted, drawn, shell

_LONGEST = 10_000
"""Characters that are printed into one display: each line sends it again."""


@dataclass(frozen=True)
class _Shown:
    display: str
    cell: str
    tags: frozenset[str]


_shown: deque[_Shown] = deque(maxlen=1000)
_tags: list[frozenset[str]] = [frozenset()]


def clear(wait: bool = False, output_tags: str | Iterable[str] = ()) -> None:
    """Clear what this cell shows; with `output_tags` what has all of these tags.

    What a callback clears by its tags may be any cell's.
    """
    tags = _set(output_tags)
    if not tags:
        from IPython.display import clear_output

        clear_output(wait)
        return
    cell = _cell()
    for each in list(_shown):
        if tags <= each.tags and (not cell or each.cell == cell):
            _shown.remove(each)
            _publish({}, each.display, update=True)


@contextlib.contextmanager
def use_tags(tags: str | Iterable[str], append: bool = True) -> Iterator[None]:
    """What is shown within it has these tags, and those around it unless `append` is false."""
    _tags.append(_set(tags) | _tags[-1] if append else _set(tags))
    region = _Region()
    try:
        with diverted(region.write, region.take):
            yield
    finally:
        _tags.pop()


@contextlib.contextmanager
def temporary() -> Iterator[None]:
    """What is shown within it is cleared at its end."""
    tag = f"temporary-{uuid.uuid4().hex}"
    try:
        with use_tags(tag):
            yield
    finally:
        clear(output_tags=tag)


class _Region:
    """What is shown while tags are in use; printed text joins the text before it."""

    def __init__(self) -> None:
        self._text = self._display = ""

    def write(self, text: str) -> None:
        """Show printed text."""
        more = bool(self._display)
        if not more:
            self._text, self._display = "", uuid.uuid4().hex
            _remember(self._display)
        before, self._text = self._text, drawn(self._text + text)
        if not more or self._text.rstrip("\n") != before.rstrip("\n"):
            _publish({"text/plain": self._text.rstrip("\n")}, self._display, update=more)
        if len(self._text) > _LONGEST:
            self._display = ""

    def take(self, message: dict[str, Any]) -> dict[str, Any]:
        """What is displayed gets an id, if it has none."""
        if message["header"]["msg_type"] == "display_data":
            transient = message["content"].setdefault("transient", {})
            display = transient.setdefault("display_id", uuid.uuid4().hex)
            if display != self._display:
                self._display = ""
                _remember(display)
        return message


def _remember(display: str) -> None:
    if all(each.display != display for each in _shown):
        _shown.append(_Shown(display, _cell(), _tags[-1]))


def _publish(data: dict[str, Any], display: str, *, update: bool) -> None:
    transient = {"display_id": display}
    shell().display_pub.publish(data, {}, transient=transient, update=update)


def _cell() -> str:
    """The id of the cell that runs; empty in a callback."""
    parent = shell().kernel.get_parent("shell")
    return str(parent.get("metadata", {}).get("cellId") or "")


def _set(tags: str | Iterable[str]) -> frozenset[str]:
    return frozenset([tags] if isinstance(tags, str) else tags)
