"""Ids for cells that have none."""

from __future__ import annotations

from typing import Any

import nbformat

from ropeway.notebooks.cell_ids import give_ids, keep_ids


def notebook(*sources: str, minor: int = 2) -> dict[str, Any]:
    """A notebook without ids."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    made: dict[str, Any] = nbformat.v4.new_notebook(cells=cells)
    for cell in cells:
        del cell["id"]
    return {**made, "cells": cells, "nbformat_minor": minor}


def ids(made: dict[str, Any]) -> list[str]:
    """The ids of the cells."""
    give_ids(made)
    return [cell["id"] for cell in made["cells"]]


def test_each_reader_gets_the_same_ids() -> None:
    """They follow from the cells alone, and the notebook with them is valid."""
    made = notebook("a", "", "a", "")
    assert ids(made) == ids(notebook("a", "", "a", ""))
    assert len(set(ids(made))) == 4
    nbformat.validate(nbformat.from_dict(made))
    assert made["nbformat_minor"] == 5


def test_another_cell_does_not_change_them() -> None:
    """Somebody else put a cell before: the others are still known."""
    assert ids(notebook("new", "a", "b"))[1:] == ids(notebook("a", "b"))


def test_ids_that_are_there_stay() -> None:
    """A notebook that has ids is left as it is; where one lacks its id, that one gets one."""
    made = notebook("a", "b", minor=5)
    made["cells"][0]["id"] = "mine"
    assert ids(made)[0] == "mine"
    before = dict(made)
    give_ids(made)
    assert made == before


def test_invented_ids_give_way() -> None:
    """Those that a reader made up, not those of the file."""
    on_disk = notebook("a", "b", "c", minor=5)
    on_disk["cells"][1]["id"] = "mine"
    read = notebook("a", "b", "c", minor=5)
    for cell, made_up in zip(read["cells"], ("random", "mine", "other"), strict=True):
        cell["id"] = made_up
    keep_ids(read, on_disk)
    assert ids(read) == ids(on_disk)
