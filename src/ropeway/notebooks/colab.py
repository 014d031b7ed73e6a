"""What Colab's metadata say of a notebook: the file has Colab's words, the page JupyterLab's.

Sections that are collapsed, and outputs that are not to be saved. Files come from anywhere, so
nothing is taken on trust. A notebook that Colab never had is not touched. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

COLLAPSED = "jp-MarkdownHeadingCollapsed"
"""Where JupyterLab keeps in a heading's cell that what is below is hidden."""

SECTIONS = "collapsed_sections"


def is_private(notebook: Mapping[str, Any]) -> bool:
    """Whether its file is to hold no outputs: *omit code cell output when saving* in Colab."""
    return _colab(notebook).get("private_outputs") is True


def opened(notebook: dict[str, Any]) -> None:
    """Have the page show the sections collapsed that Colab left so."""
    sections = _sections(notebook)
    for cell in _headings(notebook):
        if cell["metadata"]["id"] in sections:
            cell["metadata"][COLLAPSED] = True


def saved(notebook: dict[str, Any]) -> dict[str, Any]:
    """The notebook of a page as it belongs on disk."""
    if not _colab(notebook):
        return notebook
    cells = [dict(cell) for cell in notebook["cells"]]
    result = {**notebook, "cells": cells}
    collapsed = []
    for cell in _headings(result):
        said = cell["metadata"].get(COLLAPSED)
        cell["metadata"] = {k: v for k, v in cell["metadata"].items() if k != COLLAPSED}
        if said is True:
            collapsed.append(cell["metadata"]["id"])
    shown = {cell["metadata"]["id"] for cell in _headings(result)} - set(collapsed)
    before = _sections(notebook)
    after = [name for name in before if name not in shown]
    after += [name for name in collapsed if name not in before]
    if after != before:
        colab = {**_colab(notebook), SECTIONS: after}
        result["metadata"] = {**notebook["metadata"], "colab": colab}
    if is_private(notebook):
        for cell in cells:
            if cell.get("cell_type") == "code":
                cell |= {"outputs": [], "execution_count": None}
    return result


def _colab(notebook: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = notebook.get("metadata")
    found = metadata.get("colab") if isinstance(metadata, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _sections(notebook: Mapping[str, Any]) -> list[str]:
    found = _colab(notebook).get(SECTIONS)
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


def _headings(notebook: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """The cells of text to which Colab has given an id."""
    for cell in notebook.get("cells", ()):
        is_text = cell.get("cell_type") == "markdown"
        if is_text and isinstance(cell.get("metadata", {}).get("id"), str):
            yield cell
