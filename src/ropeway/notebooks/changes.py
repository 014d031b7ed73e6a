"""What differs between two versions of a notebook, cell by cell. Pure.

The same comparison is a line in the timeline, a diff in the shell and one in the page.
"""

from __future__ import annotations

import json
import re
import zlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher, unified_diff
from typing import Any

from ropeway.kernel.words import bytes_text
from ropeway.wire import Change

CONTEXT = 3
"""Unchanged lines that a diff shows around changed ones."""

MOST_LINES, MOST_OUTPUT_LINES = 2000, 200
"""Lines of a cell, and of its outputs, that are compared; what follows is told as a count."""

LONGEST_LINE = 1000

_AT_THE_TOP = re.compile(r"@@ -[01][ ,]")


@dataclass(frozen=True, slots=True)
class Document:
    """A notebook as far as versions of it are compared."""

    cells: tuple[dict[str, Any], ...]
    metadata: dict[str, Any]
    size: int
    """Bytes of its text."""
    valid: bool = True
    """Whether the text is a notebook at all."""

    @property
    def outputs(self) -> int:
        """How many outputs its cells have."""
        return sum(len(_outputs(cell)) for cell in self.cells)

    @property
    def written(self) -> int:
        """How many cells hold something."""
        return sum(bool(_source(cell).strip() or _outputs(cell)) for cell in self.cells)


def parse(body: bytes) -> Document:
    """The notebook in a text; what is none has no cells and is not `valid`."""
    try:
        found = json.loads(body)
        cells, metadata = found["cells"], found.get("metadata", {})
        if all(isinstance(cell, dict) for cell in cells) and isinstance(metadata, dict):
            return Document(tuple(cells), metadata, len(body))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    return Document((), {}, len(body), valid=False)


def is_poorer(old: Document, new: Document) -> bool:
    """Whether most of what `old` holds is gone in `new`."""
    if not old.written:
        return not new.valid and old.size > 0 and new.size < old.size
    return (
        not new.valid
        or new.written * 2 < old.written
        or (old.outputs > 0 and new.outputs == 0)
        or new.size * 4 < old.size
    )


def compare(old: Document, new: Document) -> list[Change]:
    """The cells that differ, in the order of `new`, removed ones where they stood."""
    changes = [
        _change(kind, old, new, a, b)
        for kind, a, b in _matched(old.cells, new.cells)
        if kind is not None
    ]
    if old.valid and new.valid and old.metadata != new.metadata:
        lines = _diff(_pretty(old.metadata), _pretty(new.metadata))
        changes.insert(0, Change("metadata", None, None, "notebook", lines))
    return changes


def summary(old: Document | None, new: Document) -> str:
    """What changed from `old` to `new` in a few words."""
    if not new.valid:
        return "not a notebook"
    if old is None:
        return "first version"
    if not old.valid:
        return "a notebook again"
    counts: Counter[str] = Counter()
    for kind, a, b in _matched(old.cells, new.cells):
        if kind is not None:
            counts[kind] += 1
        if kind == "edited" and a is not None and b is not None:
            counts["outputs"] += _ran(old.cells[a]) != _ran(new.cells[b])
    kinds = ("added", "removed", "edited", "moved")
    words = [f"{_cells(counts[kind])} {kind}" for kind in kinds if counts[kind]]
    if counts["outputs"]:
        words.append(f"outputs of {_cells(counts['outputs'])}")
    if counts["metadata"] or old.metadata != new.metadata:
        words.append("metadata")
    return ", ".join(words) or "nothing to see"


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count} cells"


# --- which cell is which ----------------------------------------------------------------------

Cells = Sequence[dict[str, Any]]
Pair = tuple[int | None, int | None]


def _matched(old: Cells, new: Cells) -> list[tuple[str | None, int | None, int | None]]:
    """Each cell of both with its partner and how it differs, in the order of `new`."""
    partner = _partners(old, new)
    stayed = _in_order(partner)
    taken = set(partner.values())
    gone = [place for place in range(len(old)) if place not in taken]
    found: list[tuple[str | None, int | None, int | None]] = []
    for place, cell in enumerate(new):
        mate = partner.get(place)
        while mate is not None and gone and gone[0] < mate:
            found.append(("removed", gone.pop(0), None))
        kind = "added" if mate is None else _kind(old[mate], cell, place in stayed)
        found.append((kind, mate, place))
    return found + [("removed", place, None) for place in gone]


def _partners(old: Cells, new: Cells) -> dict[int, int]:
    """From the place in `new` to that in `old`: by id, then by what the cells say.

    Where cells have no ids, one that took the place of another counts as that one, edited.
    """
    before, after = _by_id(old), _by_id(new)
    partner = {place: before[name] for name, place in after.items() if name in before}
    taken = set(partner.values())
    left = [place for place in range(len(old)) if place not in taken]
    right = [place for place in range(len(new)) if place not in partner]
    keys = [_key(old[place]) for place in left], [_key(new[place]) for place in right]
    for kind, a, a_end, b, b_end in SequenceMatcher(None, *keys, autojunk=False).get_opcodes():
        if kind == "equal" or (kind == "replace" and not (before and after)):
            partner.update(zip(right[b:b_end], left[a:a_end], strict=False))
    return partner


def _by_id(cells: Cells) -> dict[str, int]:
    found: dict[str, int] = {}
    for place, cell in enumerate(cells):
        name = cell.get("id")
        if isinstance(name, str):
            found.setdefault(name, place)
    return found


def _in_order(partner: dict[int, int]) -> set[int]:
    """The most places that keep their order from one to the other; the rest was moved."""
    places = sorted(partner)
    ends: list[int] = []  # the lowest end of a chain of each length, and the place it belongs to
    tails: list[int] = []
    previous: dict[int, int | None] = {}
    for place in places:
        length = bisect_left(ends, partner[place])
        previous[place] = tails[length - 1] if length else None
        ends[length : length + 1] = [partner[place]]
        tails[length : length + 1] = [place]
    kept: set[int] = set()
    at = tails[-1] if tails else None
    while at is not None:
        kept.add(at)
        at = previous[at]
    return kept


# --- one cell ---------------------------------------------------------------------------------


def _change(kind: str, old: Document, new: Document, a: int | None, b: int | None) -> Change:
    before = old.cells[a] if a is not None else {}
    after = new.cells[b] if b is not None else {}
    outputs: tuple[str, ...] = ()
    if _ran(before) != _ran(after):
        outputs = _diff(_shown(before), _shown(after), MOST_OUTPUT_LINES)
    sources = _diff(_source(before), _source(after))
    return Change(kind, a, b, str((after or before).get("cell_type", "")), sources, outputs)


def _kind(before: dict[str, Any], after: dict[str, Any], stayed: bool) -> str | None:
    if _key(before) != _key(after):
        return "edited"
    if _ran(before) != _ran(after):
        return "outputs"
    if not stayed:
        return "moved"
    return "metadata" if before.get("metadata") != after.get("metadata") else None


def _key(cell: dict[str, Any]) -> tuple[str, str]:
    return str(cell.get("cell_type")), _source(cell)


def _source(cell: dict[str, Any]) -> str:
    return _joined(cell.get("source"))


def _outputs(cell: dict[str, Any]) -> list[dict[str, Any]]:
    outputs = cell.get("outputs")
    return [each for each in outputs if isinstance(each, dict)] if isinstance(outputs, list) else []


def _ran(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """The outputs without the number of the run: the same result is no change."""
    return [{k: v for k, v in each.items() if k != "execution_count"} for each in _outputs(cell)]


def _joined(text: Any) -> str:
    if isinstance(text, list):
        return "".join(str(line) for line in text)
    return text if isinstance(text, str) else ""


# --- texts ------------------------------------------------------------------------------------


def _shown(cell: dict[str, Any]) -> str:
    """A cell's outputs as text."""
    return "\n".join(line for output in _outputs(cell) for line in _output_lines(output))


def _output_lines(output: dict[str, Any]) -> Iterator[str]:
    if output.get("output_type") == "stream":
        yield _joined(output.get("text")).removesuffix("\n")
        return
    if output.get("output_type") == "error":
        yield f"{output.get('ename')}: {output.get('evalue')}"
        return
    data = output.get("data")
    for kind, value in sorted(data.items()) if isinstance(data, dict) else ():
        if kind == "text/plain":
            yield _joined(value)
        else:
            text = _joined(value) if isinstance(value, (str, list)) else json.dumps(value)
            yield f"[{kind}, {bytes_text(len(text))}, {_mark(text)}]"


def _mark(text: str) -> str:
    """A few letters that differ where pictures differ."""
    return f"{zlib.crc32(text.encode('utf-8', 'replace')):08x}"


def _pretty(value: object) -> str:
    return json.dumps(value, indent=1, sort_keys=True)


def _diff(before: str, after: str, most: int = MOST_LINES) -> tuple[str, ...]:
    if before == after:
        return ()
    old, new = _limited(before, most), _limited(after, most)
    lines = list(unified_diff(old, new, lineterm="", n=CONTEXT))[2:]
    if lines and _AT_THE_TOP.match(lines[0]):
        del lines[0]  # nothing was left out before it
    return tuple("@" if line.startswith("@@") else line for line in lines)


def _limited(text: str, most: int) -> list[str]:
    lines = text.split("\n") if text else []
    short = [
        line if len(line) <= LONGEST_LINE else line[:LONGEST_LINE] + "…" for line in lines[:most]
    ]
    return short if len(lines) <= most else [*short, f"… and {len(lines) - most} more lines"]
