"""A notebook file: read it with clear errors, write it in one step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat

from ropeway.errors import BadInput
from ropeway.notebooks.saving import replace_file


def read_notebook(path: Path) -> Any:
    """The notebook in a file, in format 4. Raises `BadInput`."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError as error:
        raise BadInput(f"There is no notebook {path}.", hint="Check the path.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read as a notebook: {error}.") from error
    try:
        notebook = nbformat.reads(text, as_version=4)
        nbformat.validate(notebook)
    except Exception as error:
        what = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise BadInput(
            f"{path} is not a valid notebook: {what}", hint="Open it in an editor, or restore it."
        ) from error
    return notebook


def notebook_text(notebook: Any) -> bytes:
    """A notebook as it is written to a file."""
    text: str = nbformat.writes(notebook)
    return (text if text.endswith("\n") else text + "\n").encode("utf-8")


def write_notebook(notebook: Any, path: Path) -> None:
    """Replace the file in one step: a crash leaves the old one or the new one."""
    replace_file(path, notebook_text(notebook))
