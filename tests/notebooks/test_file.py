"""Reading and writing notebook files."""

from pathlib import Path

import nbformat
import pytest

from ropeway.errors import BadInput
from ropeway.notebooks.file import read_notebook, write_notebook
from ropeway.notebooks.welcome import welcome_notebook


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cells": 3}', '{"nbformat": 4, "cells": []}'])
def test_a_broken_notebook_is_told(tmp_path: Path, text: str) -> None:
    """A file that is no notebook is bad input that names the file."""
    path = tmp_path / "a.ipynb"
    path.write_text(text)
    with pytest.raises(BadInput, match=r"a\.ipynb"):
        read_notebook(path)


def test_a_missing_notebook_is_told(tmp_path: Path) -> None:
    """A path where nothing is, is told."""
    with pytest.raises(BadInput, match="There is no notebook"):
        read_notebook(tmp_path / "a.ipynb")


def test_writing_keeps_mode_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """A notebook is replaced in one step and keeps its permissions."""
    path = tmp_path / "a.ipynb"
    path.write_text("{}")
    path.chmod(0o640)
    write_notebook(welcome_notebook(), path)
    assert path.stat().st_mode & 0o777 == 0o640
    assert [p.name for p in tmp_path.iterdir()] == ["a.ipynb"]
    nbformat.validate(read_notebook(path))


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    """What cannot be written leaves the last good file."""
    path = tmp_path / "a.ipynb"
    write_notebook(welcome_notebook(), path)
    before = path.read_text()
    notebook = welcome_notebook()
    notebook.metadata["bad"] = object()
    with pytest.raises(TypeError):
        write_notebook(notebook, path)
    assert path.read_text() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.ipynb"]
