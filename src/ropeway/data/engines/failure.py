"""What may be said of an engine's error: its kind, and its text only where that is safe.

Texts about the query itself (syntax, columns, types) quote only what the asker wrote and the
columns that the asker may see. Any other text may quote paths or values, so our own words stand
in for it.
"""

from __future__ import annotations

import re

from ropeway.errors import QueryFailed, RopewayError

_KIND = re.compile(r"^\s*([A-Za-z][A-Za-z ()-]*?) Error: ", re.IGNORECASE)
_PATH = re.compile(
    r"(?:[A-Za-z]:)?[\\/][^\s\"'`,;()]+|\S+\.(?:csv|tsv|json|jsonl|ndjson|parquet|gz)\b"
)
_OPERATOR = re.compile(r"^/+[0-9A-Za-z_.]*$")

_ABOUT_THE_QUERY = frozenset({"parser", "syntax", "binder", "catalog"})

_OUR_WORDS = {
    "conversion": (
        "A value could not be converted to the wanted type.",
        "try_cast(x as …) gives NULL where a value does not fit.",
    ),
    "out of range": ("A number is out of the range of its type.", "Cast to a wider type first."),
    "invalid input": ("A value does not fit the function it was given to.", ""),
    "out of memory": (
        "The query needs more memory than the engine may use at home.",
        "Raise data.memory in ropeway.toml, or ask for less: filter or group first.",
    ),
    "io": (
        "A file of the dataset could not be read at home.",
        _LOOK := "Check it at home: ropeway data ls.",
    ),
    "permission": ("A file of the dataset could not be read at home.", _LOOK),
    "interrupt": ("The query was cancelled.", ""),
    "divide by zero": ("The query divides by zero.", "nullif(x, 0) gives NULL instead."),
}


def explain(text: str) -> RopewayError:
    """The engine's error text as an error that may leave home."""
    match = _KIND.match(text)
    kind = match.group(1).lower() if match else ""
    if match and kind in _ABOUT_THE_QUERY:
        said = _useful(text[match.end() :])
        return QueryFailed(f"The query does not fit: {said}", engine=kind)
    message, hint = _OUR_WORDS.get(kind, ("The query failed at home.", ""))
    return QueryFailed(message, hint=hint, engine=kind or "unknown")


def _useful(text: str) -> str:
    """The text up to the quoted query, with anything that looks like a path left out."""
    said = text.split("\n\nLINE ")[0].strip()
    return _PATH.sub(lambda found: _kept(found.group()), said)


def _kept(found: str) -> str:
    return found if _OPERATOR.match(found) and len(found) <= 2 else "…"
