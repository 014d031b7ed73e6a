"""`/content` and what notebooks expect in it."""

from __future__ import annotations

import json
import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["CONTENT", "begin"]

CONTENT = Path("/content")

_Y = {
    "I": "8.04 6.95 7.58 8.81 8.33 9.96 7.24 4.26 10.84 4.82 5.68",
    "II": "9.14 8.14 8.74 8.77 9.26 8.1 6.13 3.1 9.13 7.26 4.74",
    "III": "7.46 6.77 12.74 7.11 7.81 8.84 6.08 5.39 8.15 6.42 5.73",
    "IV": "6.58 5.76 7.71 8.84 8.47 7.04 5.25 12.5 5.56 7.91 6.89",
}
_X = "10 8 13 9 11 14 6 4 12 7 5"
_X4 = "8 8 8 8 8 8 8 19 8 8 8"

_README = """\
What Colab has in this folder, and Ropeway:

anscombe.json                   here: F. J. Anscombe, Graphs in Statistical Analysis, 1973
california_housing_{train,test}.csv  not here: sklearn.datasets.fetch_california_housing()
mnist_{train_small,test}.csv    not here: sklearn.datasets.fetch_openml("mnist_784")
"""


def begin(shell: Any, *, away: bool) -> None:
    """Make `/content` where this machine lets us. A kernel that is `away` from its notebook's
    folder goes there, as Colab's; where it cannot be made, a cell that wants it says what to do."""
    with suppress(OSError):
        CONTENT.mkdir(exist_ok=True)
    if CONTENT.is_dir():
        with suppress(OSError):
            _fill(CONTENT / "sample_data")
        if away:
            with suppress(OSError):
                os.chdir(CONTENT)
    _lead_on(shell)


def _fill(folder: Path) -> None:
    if folder.exists():
        return
    rows = [
        {"Series": series, "X": float(x), "Y": float(y)}
        for series, ys in _Y.items()
        for x, y in zip((_X4 if series == "IV" else _X).split(), ys.split())  # noqa: B905
    ]
    folder.mkdir()
    (folder / "anscombe.json").write_text(json.dumps(rows, indent=2), "utf-8")
    (folder / "README.md").write_text(_README, "utf-8")


def _lead_on(shell: Any) -> None:
    """Say once, after a cell that wants what is not there, what can be done."""

    def look(result: Any) -> None:
        note = _note(getattr(result.info, "raw_cell", None) or "", result.error_in_exec)
        if note:
            shell.events.unregister("post_run_cell", look)
            sys.stderr.write(note)

    shell.events.register("post_run_cell", look)


def _note(cell: str, error: Any) -> str:
    """What helps with a cell that ended; empty where nothing is to be said."""
    if re.search(rf"(?<![\w./-]){CONTENT}/", cell) and not CONTENT.is_dir():
        return (
            f"Ropeway: this machine has no {CONTENT}, and its root folder is not yours to write. "
            f"Make it once in a terminal there, `sudo install -d -o $USER {CONTENT}`, or "
            "use paths relative to the working folder.\n"
        )
    wanted = str(getattr(error, "filename", None) or "")
    if isinstance(error, FileNotFoundError) and wanted.startswith(f"{CONTENT}/sample_data/"):
        return f"Ropeway: {CONTENT}/sample_data/README.md says where {wanted} is to be had.\n"
    return ""
