"""What is wrong with a source, told twice: for everybody, and for home alone.

The message of an error may cross to a kernel, so it holds no path, no address and no text of a
driver. Those go with it as a note: `ropeway` shows notes in home's own shell, Python in home's
log, and `to_json` leaves them out.
"""

from __future__ import annotations

from typing import TypeVar

from ropeway.errors import MissingPackage, RopewayError

E = TypeVar("E", bound=RopewayError)


def because(error: E, *notes: str) -> E:
    """The error with what only home may read."""
    for note in notes:
        error.add_note(note.strip())
    return error


def missing(what: str, extra: str) -> MissingPackage:
    """The error for a package that is not installed: `ropeway[extra]` has it."""
    return MissingPackage(
        f"Reading {what} needs a package that is not installed at home.",
        hint=f"pip install 'ropeway[{extra}]'",
    )
